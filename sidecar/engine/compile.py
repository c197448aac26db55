"""Settings to a Snapshot, in slices: whatever can be decided before a request comes is decided here."""

import dataclasses
from collections.abc import Generator, Iterable, Iterator, Mapping

from sidecar.authn.extract import Extraction, Reader
from sidecar.authn.issuer import Issuer, compile_issuer
from sidecar.authz.grants import Rbac
from sidecar.authz.policies import Policy
from sidecar.authz.require import Requirement
from sidecar.model.meter import Meter
from sidecar.model.settings import CredentialPlace, RequireSettings, RouteSettings, Settings

from .attributes import compile_sources
from .client_address import ClientAddress
from .denials import REALM
from .identity import IdentityPlan, concrete_permissions
from .removals import Credentials, LookAlikes
from .routes import VARIABLE, RouteTable
from .rules import REQUIRING, catalogue_of, resources_of, rules_of, surroundings_of
from .snapshot import ANYWHERE, LiveTables, Route, Snapshot

ANONYMOUS = "anonymous"
_PERMISSION_KEYWORDS = frozenset({"permission", "all_permissions", "any_permission"})


def compile_snapshot(
    settings: Settings, revision: str, tables: LiveTables, meter: Meter, previous: Snapshot | None = None
) -> Generator[None, None, Snapshot]:
    """Compile; yields between slices of at most about 0.5 ms, so that a serving thread is not held up.

    Parts of ``previous`` whose settings are the same are kept, and with them what was remembered under them.
    """
    issuers = {name: _issuer(settings, name, tables, previous) for name in settings.issuers}
    yield
    rbac = _rbac(settings, previous)
    credentials = Credentials(_all_places(settings))
    names = tuple(header.name for header in settings.identity_headers)
    identity = _identity(settings, credentials)
    yield
    catalogue = catalogue_of(settings)
    policies: dict[str, Policy] = {}
    for policy in settings.policies.values():
        policies[policy.name] = Policy(policy, catalogue)
        yield
    routes: RouteTable[Route] = RouteTable(settings.server.paths)
    compiler = _RouteCompiler(settings, meter, credentials, policies)
    for route in settings.routes.values():
        for part, compiled in compiler.compile(route):
            routes.add(part, compiled)
        yield
    client_address = ClientAddress(settings.server.client_address)
    lenient = [route.name for route in settings.routes.values() if route.unsafe_shadow_allows]
    meter.retire(frozenset(settings.routes))
    return Snapshot(
        revision=revision,
        epoch=object(),
        settings=settings,
        check_deadline=settings.server.check_deadline,
        routes=routes,
        issuers=issuers,
        longest_token=max((issuer.max_token_size for issuer in issuers.values()), default=0),
        by_iss={issuer.iss: issuer for issuer in issuers.values()},
        api_keys={name: tables.api_keys[name] for name in settings.api_keys},
        invalid_key_status={name: store.invalid_status for name, store in settings.api_keys.items()},
        rbac=rbac,
        identity=identity,
        look_alikes=LookAlikes(names, settings.strip_headers),
        credentials=credentials,
        client_address=client_address,
        policies=policies,
        catalogue=catalogue,
        attributes=compile_sources(settings, tables.attributes),
        surroundings=surroundings_of(settings, client_address),
        lenient=frozenset([*lenient, ANYWHERE] if settings.unsafe_shadow_allows else lenient),
    )


def _identity(settings: Settings, credentials: Credentials) -> IdentityPlan:
    exact = (name for name in settings.strip_headers if not name.endswith("*"))
    return IdentityPlan(settings.identity_headers, (*credentials.always, *exact), concrete_permissions(_named(settings)))


def _issuer(settings: Settings, name: str, tables: LiveTables, previous: Snapshot | None) -> Issuer:
    issuer = compile_issuer(settings.issuers[name], tables.keys[name])
    known = previous.issuers.get(name) if previous is not None else None
    same = known is not None and known.generation == issuer.generation and known.table is issuer.table
    return known if known is not None and same else issuer


def _rbac(settings: Settings, previous: Snapshot | None) -> Rbac:
    if previous is not None and previous.settings.roles == settings.roles and previous.settings.users == settings.users:
        return previous.rbac
    return Rbac(settings.roles, settings.users)


def _all_places(settings: Settings) -> Iterable[CredentialPlace]:
    for issuer in settings.issuers.values():
        yield from issuer.credentials
    for store in settings.api_keys.values():
        yield from store.credentials


def _named(settings: Settings) -> Iterable[str]:
    """Give every permission that the configuration names."""
    for role in settings.roles.values():
        yield from role.permissions
    for grant in settings.users:
        yield from grant.permissions
    for route in settings.routes.values():
        for keyword, values in route.require.parts if route.require is not None else ():
            if keyword in _PERMISSION_KEYWORDS:
                yield from values


class _RouteCompiler:
    """Compiles routes; equal demands and equal lists of authenticators share one object."""

    def __init__(self, settings: Settings, meter: Meter, credentials: Credentials, policies: Mapping[str, Policy]) -> None:
        self._settings = settings
        self._meter = meter
        self._credentials = credentials
        self._policies = policies
        self._requirements: dict[tuple[tuple[str, tuple[str, ...]], ...], Requirement] = {}
        self._extractions: dict[tuple[tuple[str, ...], bool], Extraction] = {}

    def compile(self, route: RouteSettings) -> Iterator[tuple[RouteSettings, Route]]:
        """Give the route whole, or, where its policies look at path variables that stand elsewhere in each path, a path at a time."""
        compiled = self._route(route)
        layouts = {pattern: tuple(map(VARIABLE.fullmatch, pattern.strip("/").split("/"))) for pattern in route.paths}
        alike = len({tuple(found and found[0] for found in layout) for layout in layouts.values()}) == 1
        if compiled.rules is None or alike:
            yield route, compiled
            return
        for pattern in route.paths:
            yield (
                dataclasses.replace(route, paths=(pattern,)),
                dataclasses.replace(compiled, rules=rules_of(route, self._policies), resources=resources_of(route, pattern)),
            )

    def _route(self, route: RouteSettings) -> Route:
        accepted = tuple(name for name in route.authenticate if name != ANONYMOUS)
        parts = route.require.parts if route.require is not None else ()
        rules = rules_of(route, self._policies)
        extraction = self._extraction(accepted, conflict_first=route.credential_conflict_first)
        return Route(
            name=route.name,
            row=self._meter.row(route.name),
            features=route.allow,
            extraction=extraction,
            bearer=extraction.bearer(),
            anonymous=ANONYMOUS in route.authenticate,
            requirement=self._requirement(tuple(part for part in parts if part[0] not in REQUIRING)),
            rules=rules,
            keywords=tuple(keyword for keyword, _ in parts),
            resources=resources_of(route, route.paths[0]) if rules is not None else {},
            rule=f"routes.{route.name}.{_granting(parts)}",
            challenges=_challenges(self._places(accepted)),
            first_store=next((name for name in accepted if name in self._settings.api_keys), ""),
        )

    def _requirement(self, parts: tuple[tuple[str, tuple[str, ...]], ...]) -> Requirement | None:
        """Compile what ``require`` demands besides policies; None: nothing."""
        if not parts:
            return None
        known = self._requirements.get(parts)
        if known is None:
            known = self._requirements[parts] = Requirement(RequireSettings(parts=parts))
        return known

    def _extraction(self, accepted: tuple[str, ...], *, conflict_first: bool) -> Extraction:
        known = self._extractions.get((accepted, conflict_first))
        if known is None:
            readers = [
                Reader(order, name, "jwt" if name in self._settings.issuers else "api_key", place, self._credentials.stays(place))
                for order, name in enumerate(accepted)
                for place in self._places((name,))
            ]
            known = self._extractions[accepted, conflict_first] = Extraction(readers, conflict_first=conflict_first)
        return known

    def _places(self, names: Iterable[str]) -> list[CredentialPlace]:
        both: Mapping[str, tuple[CredentialPlace, ...]] = {
            name: (self._settings.issuers.get(name) or self._settings.api_keys[name]).credentials for name in names
        }
        return [place for places in both.values() for place in places]


def _granting(parts: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """What the rule of an allow says: the one part of ``require``, all of it, or who is let in without one."""
    if not parts:
        return "authenticate"
    return f"require.{parts[0][0]}" if len(parts) == 1 else "require"


def _challenges(places: Iterable[CredentialPlace]) -> tuple[str, ...]:
    """One WWW-Authenticate challenge per scheme that the route accepts; a header without one is ``ApiKey``."""
    schemes = {
        (place.scheme or "ApiKey") if place.kind == "header" else "Bearer": None  # a cookie or parameter carries a bearer token
        for place in places
    }
    return tuple(f"{scheme} {REALM}" for scheme in schemes)
