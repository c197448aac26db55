"""The three answers. Nothing but an Allow allows; it cannot be made without an allowing reason and a rule."""

from typing import NamedTuple, TypeAlias

from .mutation import Mutations
from .principal import Principal
from .reason import ALLOWING, Reason


class Would(NamedTuple):
    """What something in shadow would have done: a policy pass, deny or unknown; a candidate configuration what is other than the answer."""

    policy: str
    would: str
    reason: str = ""
    """The candidate's."""


Shadow: TypeAlias = tuple[Would, ...]


class Answer(NamedTuple):
    """The HTTP side of a denial: what the client sees. Header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


class Allow:
    """Let the request through, with these mutations."""

    __slots__ = ("encoded", "mutations", "principal", "reason", "route", "rule", "shadow")

    def __init__(self, reason: Reason, rule: str, route: str, principal: Principal, mutations: Mutations) -> None:
        """Raise ValueError unless ``reason`` is an allowing one and ``rule`` names what granted it."""
        if reason not in ALLOWING or not rule:
            raise ValueError("an Allow needs an allowing reason and the rule that granted it")
        self.reason = reason
        self.rule = rule
        self.route = route
        self.principal = principal
        self.mutations = mutations
        self.shadow: Shadow = ()
        self.encoded: tuple[bytes, bytes | None] | None = None
        """The encoder's memo of exactly this value: what stands before and after the decision id (None: it has no id)."""

    def with_mutations(self, mutations: Mutations) -> "Allow":
        """Give the same verdict with other mutations."""
        return Allow(self.reason, self.rule, self.route, self.principal, mutations)

    def lasting(self) -> "Allow":
        """Give what may be kept of it: not what only this request needed, which can be as large as the request."""
        upstream, *extras = self.mutations
        return self.with_mutations(Mutations(upstream)).shadowed(self.shadow) if any(extras) else self

    def shadowed(self, shadow: Shadow) -> "Allow":
        """Give the same verdict with what policies in shadow would have done; this one may be remembered, and stays."""
        other = self.with_mutations(self.mutations)
        other.shadow = shadow
        return other


class Deny:
    """Refuse. ``detail`` goes to the record only; ``challenges`` are WWW-Authenticate values."""

    __slots__ = ("allowed_methods", "challenges", "detail", "principal", "reason", "retry_after", "route", "rule", "shadow", "status")

    def __init__(
        self,
        reason: Reason,
        rule: str = "",
        *,
        route: str = "",
        detail: str = "",
        status: int = 0,
        principal: Principal | None = None,
        challenges: tuple[str, ...] = (),
        allowed_methods: str = "",
        retry_after: int = 0,
    ) -> None:
        """Raise ValueError when ``reason`` is one that allows. ``status`` 0 means the reason's own."""
        if reason in ALLOWING:
            raise ValueError("a Deny cannot carry an allowing reason")
        self.reason = reason
        self.rule = rule
        self.route = route
        self.detail = detail
        self.status = status or reason.status
        self.principal = principal
        self.challenges = challenges
        self.allowed_methods = allowed_methods
        self.retry_after = retry_after
        self.shadow: Shadow = ()

    def shadowed(self, shadow: Shadow) -> "Deny":
        """Give the same verdict with what policies in shadow would have done; this one may be remembered, and stays."""
        other = Deny(
            self.reason, self.rule, route=self.route, detail=self.detail, status=self.status, principal=self.principal,
            challenges=self.challenges, allowed_methods=self.allowed_methods, retry_after=self.retry_after,
        )  # fmt: skip
        other.shadow = shadow
        return other


Decision: TypeAlias = Allow | Deny
