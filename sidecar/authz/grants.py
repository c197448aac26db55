"""What an identity may do: its own roles and permissions, plus those that ``users`` grants it, for now."""

from collections.abc import Iterable, Mapping

from sidecar.model.permission import PermissionSet, compile_permissions, intersect
from sidecar.model.principal import FOREVER, Identity, Principal
from sidecar.model.settings import RoleSettings, UserGrant

from .roles import Roles

MAX_EXPANDED = 1024


class Rbac:
    """Roles and grants of one configuration. Cached principals hold only while this very object is in use."""

    __slots__ = ("_by_email", "_by_subject", "_expanded", "roles")

    def __init__(self, roles: Mapping[str, RoleSettings], users: Iterable[UserGrant]) -> None:
        """Index the grants by issuer name and subject or e-mail."""
        self.roles = Roles(roles)
        self._expanded: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[frozenset[str], PermissionSet]] = {}
        self._by_subject: dict[tuple[str, str], list[UserGrant]] = {}
        self._by_email: dict[tuple[str, str], list[UserGrant]] = {}
        for grant in users:
            if grant.subject is not None:
                self._by_subject.setdefault((grant.issuer, grant.subject), []).append(grant)
            elif grant.email is not None:
                self._by_email.setdefault((grant.issuer, grant.email), []).append(grant)

    def principal(self, identity: Identity, wall: float) -> Principal:
        """Give ``identity`` everything it is granted at ``wall`` (seconds since the epoch)."""
        roles = dict.fromkeys(identity.roles)
        direct = list(identity.permissions)
        since, until = 0.0, identity.expires_at
        for grant in self._matching(identity):
            starts, ends = grant.not_before or 0.0, grant.expires_at if grant.expires_at is not None else FOREVER
            if wall < starts:
                until = min(until, starts)
            elif wall < ends:
                since, until = max(since, starts), min(until, ends)
                roles.update(dict.fromkeys(grant.roles))
                direct.extend(grant.permissions)
        closure, permissions = self._expand(tuple(roles), tuple(direct))
        if identity.scopes_are_ceiling:
            permissions = intersect(permissions, compile_permissions(identity.scopes))
        return Principal(
            identity,
            roles=tuple(roles),
            closure=closure,
            permissions=permissions,
            scopes=frozenset(identity.scopes),
            since=since,
            until=until,
        )

    def _expand(self, roles: tuple[str, ...], direct: tuple[str, ...]) -> tuple[frozenset[str], PermissionSet]:
        """Roles and direct permissions to all that they stand for; remembered, since many people have the same ones."""
        known = self._expanded.get((roles, direct))
        if known is None:
            expanded = self.roles.expand_all(roles)
            known = expanded.closure, compile_permissions([*expanded.permissions, *direct])
            if len(self._expanded) >= MAX_EXPANDED:
                self._expanded.clear()
            self._expanded[roles, direct] = known
        return known

    def _matching(self, identity: Identity) -> Iterable[UserGrant]:
        # API-key owners never match: an owner is free text, not a person that an issuer vouches for.
        if identity.kind != "jwt":
            return
        yield from self._by_subject.get((identity.authenticator, identity.subject), ())
        if identity.email is not None and identity.email_trusted:
            yield from self._by_email.get((identity.authenticator, identity.email), ())
