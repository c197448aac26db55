"""Classes of principals that a configuration knows of: what each certainly has, and what it may have besides."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sidecar.model.key_entry import KeyEntry
from sidecar.model.permission import PermissionSet, compile_permissions
from sidecar.model.principal import FOREVER, Identity, Principal
from sidecar.model.settings import UserGrant

from .atoms import Atom, Begins, Within, time_text
from .grants import NOBODY
from .reviewed import ANONYMOUS, Reviewed

Kind: TypeAlias = Literal["anyone", "role", "permission", "user", "key", "anonymous"]
NONE_GIVEN = compile_permissions(())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holder:
    """Everybody of one kind. ``authenticator``: the configured name of who vouches.

    ``exact``: nobody of the kind has anything else. ``later``: what counts from a moment on. ``hinges``: what has to hold
    on top for the credential to count at all. ``known``: attributes whose value is that of ``principal``.
    """

    kind: Kind
    authenticator: str
    name: str
    principal: Principal
    roles: frozenset[str] = NOBODY
    permissions: PermissionSet = NONE_GIVEN
    exact: bool = False
    later: tuple[tuple[frozenset[str], PermissionSet, float], ...] = ()
    hinges: tuple[Atom, ...] = ()
    routes: frozenset[str] = NOBODY
    known: frozenset[str] = NOBODY
    since: float | None = None
    until: float | None = None
    state: str = ""
    given: tuple[UserGrant, ...] = field(default=())

    @property
    def label(self) -> str:
        """As it is written for people, and read by ``sidecar access``."""
        match self.kind:
            case "anonymous":
                return ANONYMOUS
            case "key":
                return f"key:{self.authenticator}/{self.name}"
            case "user":
                return f"{self.authenticator}:{self.name}"
            case "role":
                return f"role:{self.name} of {self.authenticator}"
            case "permission":
                return f"tokens of {self.authenticator} with permission {self.name}"
            case "anyone":
                return f"any caller of {self.authenticator}"

    @property
    def validity(self) -> str:
        """From when and until when it counts, in words; empty: always."""
        since = f"from {time_text(self.since)}" if self.since else ""
        until = f"until {time_text(self.until)}" if self.until is not None else ""
        return " ".join(part for part in (since, until) if part)


def anonymous() -> Holder:
    """Whoever shows no credential."""
    identity = Identity(kind="anonymous", authenticator="", issuer="", subject="")
    return Holder(
        kind="anonymous", authenticator="", name=ANONYMOUS, principal=_principal(identity), exact=True, known=frozenset({"user."})
    )


def anyone(reviewed: Reviewed, issuer: str) -> Holder:
    """Whoever has a good token of the issuer, whatever is in it."""
    return _of_issuer(reviewed, issuer, "anyone", "")


def holder_of_role(reviewed: Reviewed, issuer: str, role: str) -> Holder:
    """Whoever has the role, by a token of the issuer or by ``users``."""
    return _of_issuer(reviewed, issuer, "role", role, roles=frozenset({role}))


def holder_of_permission(reviewed: Reviewed, issuer: str, permission: str) -> Holder:
    """Whoever has a token of the issuer that carries the permission."""
    return _of_issuer(reviewed, issuer, "permission", permission, permissions=compile_permissions([permission]))


def _of_issuer(
    reviewed: Reviewed, issuer: str, kind: Kind, name: str, *, roles: frozenset[str] = NOBODY, permissions: PermissionSet = NONE_GIVEN
) -> Holder:
    """Somebody whom an issuer, or a key store, vouches for."""
    if issuer in reviewed.settings.issuers:
        identity, known = _token(reviewed, issuer), _of_any_token(reviewed, issuer)
    else:
        identity = Identity(kind="api_key", authenticator=issuer, issuer=issuer, subject="")
        known = frozenset({"user.issuer", "user.authenticator", "user.claims.", "user.email"})
    return Holder(
        kind=kind, authenticator=issuer, name=name, principal=_principal(identity), roles=roles, permissions=permissions, known=known
    )


def _token(reviewed: Reviewed, issuer: str, subject: str = "", email: str | None = None) -> Identity:
    iss = reviewed.settings.issuers[issuer].issuer
    return Identity(kind="jwt", authenticator=issuer, issuer=iss, subject=subject, email=email, email_trusted=email is not None)


def _of_any_token(reviewed: Reviewed, issuer: str) -> frozenset[str]:
    """Attributes that are the same for all tokens of an issuer: those that nothing maps are missing."""
    mapped = reviewed.settings.issuers[issuer].claims.attributes
    every = {name for other in reviewed.settings.issuers.values() for name in other.claims.attributes}
    return frozenset({"user.issuer", "user.authenticator", "user.metadata.", *(f"user.{name}" for name in every - set(mapped))})


def person(reviewed: Reviewed, issuer: str, name: str) -> Holder:
    """Somebody by subject or e-mail address, with all that ``users`` gives under that name, whatever else the token says."""
    grants = tuple(grant for grant in reviewed.grants.get(issuer, ()) if name in {grant.subject, grant.email})
    running = [grant for grant in grants if (grant.not_before or 0.0) <= reviewed.wall]
    later = [grant for grant in grants if grant not in running]
    by_email = any(grant.email == name for grant in grants) or ("@" in name and not grants)
    ends = [grant.expires_at for grant in running if grant.expires_at is not None]
    starts = [grant.not_before for grant in grants if grant.not_before is not None]
    identity = _token(reviewed, issuer, "" if by_email else name, name if by_email else None)
    return Holder(
        kind="user",
        authenticator=issuer,
        name=name,
        principal=_principal(identity),
        roles=frozenset(role for grant in running for role in grant.roles),
        permissions=compile_permissions(name for grant in running for name in grant.permissions),
        later=tuple((frozenset(grant.roles), compile_permissions(grant.permissions), grant.not_before or 0.0) for grant in later),
        known=_of_any_token(reviewed, issuer) | {"user.email" if by_email else "user.id"},
        since=min(starts, default=None),
        until=min(ends, default=None),
        given=grants,
    )


def persons(reviewed: Reviewed, issuer: str) -> Iterator[Holder]:
    """Everybody that ``users`` names for an issuer."""
    names = dict.fromkeys(grant.subject or grant.email or "" for grant in reviewed.grants.get(issuer, ()))
    yield from (person(reviewed, issuer, name) for name in names)


def key(reviewed: Reviewed, store: str, entry: KeyEntry) -> Holder:
    """One API key; everything is known of it."""
    identity = Identity(
        kind="api_key", authenticator=store, issuer=store, subject=entry.owner or entry.id, roles=entry.roles,
        permissions=entry.permissions, scopes=entry.scopes, metadata=entry.metadata, credential_id=entry.id,
    )  # fmt: skip
    closure = reviewed.granting.closure(entry.roles)
    principal = _principal(identity, closure, reviewed.granting.permissions(entry.roles, entry.permissions))
    over = entry.expires_at is not None and entry.expires_at <= reviewed.wall
    hinges: list[Atom] = [Begins(entry.not_before)] if entry.not_before is not None and entry.not_before > reviewed.wall else []
    hinges += [Within(entry.cidrs)] if entry.cidrs else []
    return Holder(
        kind="key", authenticator=store, name=entry.id, principal=principal, roles=frozenset(entry.roles),
        permissions=compile_permissions(entry.permissions), exact=True, hinges=tuple(hinges), routes=frozenset(entry.routes),
        known=frozenset({"user."}), since=entry.not_before, until=entry.expires_at,
        state="revoked" if entry.revoked else "expired" if over else "",
    )  # fmt: skip


def keys(reviewed: Reviewed, store: str) -> Iterator[Holder]:
    """Every key of a store."""
    yield from (key(reviewed, store, entry) for entry in reviewed.keys.get(store, ()))


def _principal(identity: Identity, closure: Iterable[str] = (), permissions: PermissionSet = NONE_GIVEN) -> Principal:
    return Principal(
        identity, roles=identity.roles, closure=frozenset(closure), permissions=permissions, scopes=frozenset(identity.scopes),
        since=0.0, until=FOREVER,
    )  # fmt: skip
