"""What the engine looked at on the way to a decision, in words: for ``sidecar explain`` and the admin listener.

``Engine.check`` takes a Trace and tells it what each phase found; nothing is decided here. No credential and no part of one gets in.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from sidecar.authn.extract import Presented
from sidecar.authn.jose import jwt_shaped, parse_token
from sidecar.authn.memory import Known
from sidecar.authz.conditions import Node, value_text
from sidecar.authz.facts import Facts
from sidecar.authz.policies import Policy, Rules
from sidecar.authz.ternary import FALSE, SETTLED, TRUE
from sidecar.authz.ternary import said as words
from sidecar.model.decision import Allow, Decision
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.principal import JsonValue, Principal
from sidecar.model.request import CheckInput
from sidecar.model.settings import CredentialPlace

from .canonical import Path, Refused
from .routes import Leaf
from .snapshot import Route, Snapshot

Said: TypeAlias = Literal["ok", "refused", "unknown"]
MAX_SHOWN = 200
SECRET = frozenset({"request.headers.authorization", "request.headers.cookie", "request.headers.proxy-authorization"})
"""Attributes whose values are credentials."""
TIMES = ("iat", "nbf", "exp")


class Step(NamedTuple):
    """One phase. ``said``: it let the request go on, refused it, or could not tell; ``facts`` by name, ready to print."""

    phase: str
    said: Said
    text: str
    facts: dict[str, str]


class Trace:
    """Collects the steps of one check, in order."""

    __slots__ = ("policies", "steps")

    def __init__(self) -> None:
        """Start empty."""
        self.steps: list[Step] = []
        self.policies: list[tuple[Policy, Node]] = []
        """Each policy that was looked at, with the values of its parts."""

    def _note(self, phase: str, said: Said, text: str, **facts: str) -> None:
        self.steps.append(Step(phase, said, text, {name: shown(value) for name, value in facts.items() if value}))

    def host(self, raw: str, host: str | None) -> None:
        """What host the request is for."""
        if host is None:
            self._note("host", "refused", "neither a DNS name nor an address", received=raw)
        else:
            self._note("host", "ok", host, received=raw if raw != host else "")

    def path(self, raw: str, path: Path | Refused) -> None:
        """What the canonicaliser made of the path."""
        received = raw.partition("?")[0]
        if isinstance(path, Refused):
            self._note("path", "refused", path.detail, received=received)
            return
        canonical = "/" + "/".join(path.segments) + ("/" if path.trailing_slash else "")
        doubtful = ", ".join(sorted(path.features))
        self._note("path", "ok", shown(canonical), received=received if received != canonical else "", needs_allow=doubtful)

    def place(self, leaf: Leaf[Route] | None, request: CheckInput) -> None:
        """Where host and path lead in the route tree."""
        if leaf is None:
            self._note("route", "refused", "no route has this host and path")
            return
        methods = {method or "any method": ", ".join(candidate.name for candidate in found) for method, found in leaf.methods.items()}
        here = "; ".join(f"{method}: {names}" for method, names in methods.items())
        self._note("route", "ok", f"the path is {leaf.shape}", method=request.method, routes_there=here)

    def route(self, route: Route, *, preflight: bool) -> None:
        """Which route was chosen."""
        self._note("route", "ok", f"routes.{route.name}" + (" answers the preflight" if preflight else ""))

    def credential(self, presented: Presented | Rejected | None, route: Route, snapshot: Snapshot) -> None:
        """What stands in the places that the route reads."""
        accepted = ", ".join(snapshot.settings.routes[route.name].authenticate)
        if presented is None:
            self._note("credential", "ok" if route.anonymous else "refused", "none", accepted=accepted)
        elif isinstance(presented, Rejected):
            self._note("credential", "refused", presented.detail, accepted=accepted)
        else:
            reader = presented.group.readers[0]
            judges = ", ".join(presented.group.by_name)
            self._note("credential", "ok", f"{reader.kind} in {describe_place(reader.place)}", judged_by=judges, accepted=accepted)
            if reader.kind == "jwt" and jwt_shaped(presented.value):
                self._token(presented.value, snapshot)

    def _token(self, value: str, snapshot: Snapshot) -> None:
        """What the token says of itself, before anything is believed."""
        token = parse_token(value, snapshot.longest_token)
        if isinstance(token, Rejected):
            return  # the reason follows as the outcome of authentication
        claims: dict[str, str] = {name: str(token.claims[name]) for name in ("iss", "aud") if name in token.claims}
        claims |= {name: _time(token.claims[name]) for name in TIMES if name in token.claims}
        self._note("token", "ok", "says of itself, unverified", alg=token.alg, kid=token.kid or "", typ=token.typ or "", **claims)

    def authenticated(self, outcome: Known | Rejected | Undetermined) -> None:
        """Who it is, or which check failed."""
        if isinstance(outcome, Known):
            self.remembered(outcome.principal)
        else:
            said: Said = "unknown" if isinstance(outcome, Undetermined) else "refused"
            self._note("authentication", said, outcome.detail or str(outcome.reason), reason=str(outcome.reason))

    def remembered(self, principal: Principal) -> None:
        """Who it is, and what that comes with."""
        self._note("authentication", "ok", describe_principal(principal), **_grants(principal))

    def required(self, route: Route, principal: Principal) -> None:
        """Each part of what the route demands."""
        if route.requirement is None:
            self._note("requirement", "ok" if route.anonymous else "refused", "the route demands nothing")
            return
        for keyword, values, holds in route.requirement.parts(principal):
            demand = f"{keyword}: {', '.join(values)}" if values else keyword
            self._note("requirement", "ok" if holds else "refused", f"{demand} {'is met' if holds else 'is not met'}")

    def ruled(self, rules: Rules, facts: Facts) -> None:
        """Each policy of the route, with every part of its condition."""
        for policy in rules.policies:
            node = policy.explain(facts)
            holds = node.outcome != FALSE if policy.denies else node.outcome == TRUE
            said: Said = "unknown" if node.outcome not in SETTLED else "refused" if holds is policy.denies else "ok"
            shadow = ", in shadow: it does not count" if policy.shadow else ""
            effect = "deny" if policy.denies else "allow"
            self._note("policy", "ok" if policy.shadow else said, f"{policy.rule} ({effect}): {outcome_text(node)}{shadow}")
            self.policies.append((policy, node))

    def decided(self, decision: Decision) -> None:
        """The outcome, with the rule that decided."""
        if isinstance(decision, Allow):
            self._note("decision", "ok", "allow", reason=str(decision.reason), rule=decision.rule)
        else:
            said = f"deny with {decision.status}"
            self._note("decision", "refused", said, reason=str(decision.reason), rule=decision.rule, detail=decision.detail)


def outcome_text(node: Node) -> str:
    """Name an outcome: true, false, unknown, or open where a source or a header is not to be had."""
    return words(node.outcome)


def document(policy: Policy, node: Node) -> dict[str, object]:
    """A policy as it was evaluated, for programs: the tree of its condition with the outcome and the values of each part."""
    return {"policy": policy.name, "effect": "deny" if policy.denies else "allow", "shadow": policy.shadow, "tree": _tree(node)}


def _tree(node: Node) -> dict[str, object]:
    return {
        "key": node.key,
        "text": node.text,
        "outcome": outcome_text(node),
        "values": {name: _value_shown(name, value) for name, value in node.values.items()},
        "parts": [_tree(part) for part in node.parts],
    }


def _value_shown(name: str, value: object) -> str:
    return "(not shown)" if name in SECRET else shown(value_text(value))


def _time(value: JsonValue) -> str:
    """Show a NumericDate in both forms, whatever was put there."""
    if type(value) in {int, float}:
        with suppress(ValueError, OverflowError, OSError):
            return f"{value} ({datetime.fromtimestamp(value, UTC).isoformat(timespec='seconds')})"  # type: ignore[arg-type]  # a number
    return str(value)


def describe_place(place: CredentialPlace) -> str:
    """Name a credential's place: ``header authorization (Bearer sk_…)``."""
    how = " ".join(part for part in (place.scheme, f"{place.prefix}…" if place.prefix else "") if part)
    return f"{place.kind} {place.name}" + (f" ({how})" if how else "")


def describe_principal(principal: Principal) -> str:
    """Name a caller: kind, authenticator and subject."""
    identity = principal.identity
    if identity.kind == "anonymous":
        return "anonymous"
    return f"{'token' if identity.kind == 'jwt' else 'API key'} of {identity.authenticator}: {shown(identity.subject)}"


def _grants(principal: Principal) -> dict[str, str]:
    inherited = sorted(principal.closure - set(principal.roles))
    return {
        "roles": ", ".join(principal.roles),
        "inherited": ", ".join(inherited),
        "permissions": ", ".join(principal.permissions.names),
        "scopes": ", ".join(sorted(principal.scopes)),
    }


def shown(value: str) -> str:
    """Text from outside, safe to print: short, one line, nothing that a terminal acts on."""
    text = value if value.isprintable() else value.encode("unicode_escape", "backslashreplace").decode()
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters)"
