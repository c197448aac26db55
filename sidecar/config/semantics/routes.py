"""``routes``: authenticators that exist, what is required, and that no two routes can match one request."""

from sidecar.config.convert.place import Place
from sidecar.config.marks import KeyPath, shown
from sidecar.config.suggest import did_you_mean, hint_for
from sidecar.engine.routes import RouteConflict, RouteTable, compile_routes
from sidecar.model.settings import RouteSettings, Settings

from .authenticators import ANONYMOUS

MAX_CONFLICTS = 50
ROLE_KEYWORDS = ("role", "all_roles", "any_role")


def check_routes(settings: Settings, place: Place) -> None:
    """Note what is wrong with ``routes``."""
    known_roles = known_role_names(settings)
    for route in settings.routes.values():
        path: KeyPath = ("routes", route.name)
        _check_authenticate(route, settings, path, place)
        if route.require is None and ANONYMOUS not in route.authenticate:
            place.wrong((*path, "require"), "is missing", "demand a permission, role or scope, or write require: {authenticated: true}")
        if route.require is not None and known_roles is not None:
            _check_roles(route, known_roles, place)
    _check_table(settings, place)


def known_role_names(settings: Settings) -> frozenset[str] | None:
    """Every role that some caller can have; None when an issuer may name any role or keys may."""
    names = set(settings.roles)
    if settings.api_keys:
        return None
    for issuer in settings.issuers.values():
        claim = issuer.claims.roles
        if claim is None:
            continue
        if claim.allow is None:
            return None
        names |= claim.allow
    return frozenset(names)


def _check_authenticate(route: RouteSettings, settings: Settings, path: KeyPath, place: Place) -> None:
    known = [*settings.issuers, *settings.api_keys]
    for number, name in enumerate(route.authenticate):
        if name == ANONYMOUS:
            if number != len(route.authenticate) - 1:
                place.wrong((*path, "authenticate", number), "anonymous must come last", "move it to the end")
        elif name not in known:
            hint = did_you_mean(name, [*known, ANONYMOUS]) or hint_for(name, known, "define it under `issuers` or `api_keys`")
            place.wrong((*path, "authenticate", number), f"there is no issuer or key store {shown(name)!r}", hint)


def _check_roles(route: RouteSettings, known: frozenset[str], place: Place) -> None:
    assert route.require is not None
    for keyword, values in route.require.parts:
        if keyword not in ROLE_KEYWORDS:
            continue
        for name in values:
            if name not in known:
                hint = hint_for(name, known, "define it under `roles`")
                place.wrong(("routes", route.name, "require", keyword), f"there is no role {shown(name)!r}, so nobody could pass", hint)


def _check_table(settings: Settings, place: Place) -> None:
    try:
        table = compile_routes(settings.routes.values(), settings.server.paths)
    except RouteConflict:
        _all_conflicts(settings, place)
        return
    for name, message in table.warnings:
        place.warn(("routes", name), message)


def _all_conflicts(settings: Settings, place: Place) -> None:
    table: RouteTable[None] = RouteTable(settings.server.paths)
    found = 0
    for route in settings.routes.values():
        try:
            table.add(route, None)
        except RouteConflict as conflict:
            found += 1
            if found > MAX_CONFLICTS:
                return
            other = place.mark.where(("routes", conflict.first))
            hint = f"routes.{conflict.first} stands in {other.file}:{other.line}" if conflict.first != conflict.second else ""
            place.wrong(("routes", conflict.second, "paths"), conflict.message, hint)
