"""Who is asking: first what a verified credential says, then what it may do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from .permission import PermissionSet

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

FOREVER = float("inf")


NOTHING: Mapping[str, "JsonValue"] = MappingProxyType({})


class Identity(NamedTuple):
    """What one verified credential says about its bearer, before any grant of ours is added.

    Times are seconds since the epoch. ``permissions`` and ``roles`` are what the credential itself carries,
    already cut to the issuer's allow-lists.
    """

    kind: Literal["jwt", "api_key", "anonymous"]
    authenticator: str
    issuer: str
    subject: str
    email: str | None = None
    email_trusted: bool = False
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    scopes_are_ceiling: bool = False
    audiences: tuple[str, ...] = ()
    attributes: Mapping[str, JsonValue] = NOTHING
    metadata: Mapping[str, JsonValue] = NOTHING
    credential_id: str | None = None
    """``jti`` of a token, id of an API key."""
    issued_at: float | None = None
    not_before: float = 0.0
    expires_at: float = FOREVER


_OF_THE_PERSON = slice(Identity._fields.index("credential_id"))
"""All that an identity says but for what tells one credential of a person from the next: its id and its times."""


class Principal:
    """An identity with everything it was granted. Immutable but for what is kept with it.

    It is right from ``since`` (the latest start of a grant in it) until before ``until`` (the credential's end, or
    the next start or end of a time-limited grant), in wall seconds. What others work out of it once is kept with it:
    ``recorded`` is its form in a record, ``header_sets`` the identity headers per configuration.
    """

    __slots__ = ("closure", "header_sets", "identity", "permissions", "recorded", "roles", "scopes", "since", "until")

    def __init__(
        self,
        identity: Identity,
        *,
        roles: tuple[str, ...],
        closure: frozenset[str],
        permissions: PermissionSet,
        scopes: frozenset[str],
        since: float,
        until: float,
    ) -> None:
        """Hold the given grants: roles as assigned, ``closure`` over inheritance, effective permissions."""
        self.identity = identity
        self.roles = roles
        self.closure = closure
        self.permissions = permissions
        self.scopes = scopes
        self.since = since
        self.until = until
        self.recorded: object = None
        self.header_sets: dict[object, object] = {}

    def is_as(self, other: "Principal") -> bool:
        """Tell whether every verdict on ``other`` is one on this principal too: alike in all but credential and times."""
        mine, theirs = self.identity, other.identity
        return (mine[_OF_THE_PERSON], self.roles, self.closure, self.permissions, self.scopes) == (
            theirs[_OF_THE_PERSON],
            other.roles,
            other.closure,
            other.permissions,
            other.scopes,
        ) and repr(mine.attributes) == repr(theirs.attributes)  # 1, 1.0 and True are equal, and different claims
