"""A configuration under review: its settings, its API keys, and what can be asked of them."""

from collections.abc import Hashable, Mapping
from functools import cached_property

from sidecar.app.validation import Validated, validate_sync
from sidecar.authz.attributes import Catalogue
from sidecar.engine.client_address import ClientAddress
from sidecar.engine.rules import catalogue_of, surroundings_of
from sidecar.model.key_entry import KeyEntry
from sidecar.model.permission import PermissionSet, compile_permissions
from sidecar.model.settings import RouteSettings, Settings, UserGrant

from .demand import Demand, Demands
from .grants import NOBODY, Granting
from .meaning import Meanings

ANONYMOUS = "anonymous"


class Reviewed:
    """One configuration at one moment (``wall``, seconds since the epoch: grants and keys begin and end)."""

    def __init__(
        self,
        validated: Validated,
        path: str,
        wall: float,
        *,
        with_files: bool = True,
        roles_token: Hashable = "",
        shared: dict[object, Demand] | None = None,
        granting: Granting | None = None,
    ) -> None:
        """``with_files`` False: what is in key files is not known.

        ``roles_token``, ``shared``, ``granting``: of two that are compared, as ``Demands`` and ``Meanings`` want them; equal roles share
        one index.
        """
        self.with_files = with_files
        self.path = path
        self.revision = validated.revision
        self.settings: Settings = validated.settings
        self.keys: Mapping[str, tuple[KeyEntry, ...]] = validated.key_entries
        self.wall = wall
        self.granting = granting or Granting(self.settings.roles)
        self._demands = Demands(
            self.settings, self.granting, Meanings(self.settings, self.granting, roles_token), {} if shared is None else shared
        )
        self._obtainable: dict[str, frozenset[str] | None] = {}

    def demand(self, route: RouteSettings, pattern: str, authenticator: str) -> Demand:
        """Return what the route demands of callers that ``authenticator`` vouches for."""
        issuer = self.settings.issuers.get(authenticator)
        capped = issuer is not None and issuer.claims.scopes is not None and issuer.claims.scopes.ceiling
        return self._demands.of(route, pattern, capped=capped)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The attributes that the configuration knows."""
        return catalogue_of(self.settings)

    @cached_property
    def surroundings(self) -> object:
        """What facts are read with."""
        return surroundings_of(self.settings, ClientAddress(self.settings.server.client_address))

    def givable(self, issuer: str) -> frozenset[str] | None:
        """Return the roles that tokens of an issuer can carry; None: any."""
        claim = self.settings.issuers[issuer].claims.roles
        return NOBODY if claim is None else claim.allow

    def can_give(self, issuer: str, role: str) -> bool:
        """Tell whether a token of the issuer can carry the role."""
        roles = self.givable(issuer)
        return roles is None or role in roles

    def obtainable(self, authenticator: str) -> frozenset[str] | None:
        """Return the roles that its callers can have, by credential or by ``users``; None: any."""
        if authenticator not in self._obtainable:
            self._obtainable[authenticator] = self._found_obtainable(authenticator)
        return self._obtainable[authenticator]

    def _found_obtainable(self, authenticator: str) -> frozenset[str] | None:
        if authenticator in self.settings.api_keys:
            return frozenset(role for entry in self.keys.get(authenticator, ()) for role in entry.roles) if self.with_files else None
        given = self.givable(authenticator)
        return None if given is None else given.union(role for grant in self.grants.get(authenticator, ()) for role in grant.roles)

    @cached_property
    def grants(self) -> Mapping[str, tuple[UserGrant, ...]]:
        """The entries of ``users`` by issuer, without those that are over."""
        found: dict[str, list[UserGrant]] = {}
        for grant in self.settings.users:
            if grant.expires_at is None or self.wall < grant.expires_at:
                found.setdefault(grant.issuer, []).append(grant)
        return {issuer: tuple(grants) for issuer, grants in found.items()}

    @cached_property
    def direct(self) -> Mapping[str, PermissionSet]:
        """Permissions that ``users`` and key files give directly, by authenticator."""
        names = {issuer: [name for grant in grants for name in grant.permissions] for issuer, grants in self.grants.items()}
        names |= {store: [name for entry in entries for name in entry.permissions] for store, entries in self.keys.items()}
        return {authenticator: compile_permissions(given) for authenticator, given in names.items()}

    def can_claim(self, issuer: str, permission: str) -> bool:
        """Tell whether a token of the issuer can carry a permission that grants this one; of key stores, only what nobody read."""
        if issuer not in self.settings.issuers:
            return not self.with_files
        claim = self.settings.issuers[issuer].claims.permissions
        return claim is not None and covers(claim.allow, permission)


def covers(allow: tuple[str, ...] | None, permission: str) -> bool:
    """Tell whether a token may carry something that grants the permission: plain names always, wildcards where they are covered."""
    return allow is None or compile_permissions(allow).grants(permission)


def load(path: str, *, with_files: bool) -> Validated:
    """Validate a configuration; without files, API keys are left out. Raises ConfigError."""
    return validate_sync(path, with_files=with_files)
