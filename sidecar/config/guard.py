"""Changes that are valid and still dangerous: refused unless the new configuration acknowledges them by name.

Standard library and model only: the serving process compares settings without loading YAML or pydantic.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sidecar.model.errors import Problem, Where
from sidecar.model.settings import RouteSettings, Settings

NO_ROUTES = "no_routes"
NO_AUTHENTICATORS = "no_authenticators"
ISSUER_DROPPED = "issuer_dropped"
OPEN_TO_ANONYMOUS = "open_to_anonymous"

_CATCH_ALL = re.compile(r"/\{[A-Za-z_][A-Za-z0-9_]*=\*\*\}")
_ABOUT_ONE = (ISSUER_DROPPED, OPEN_TO_ANONYMOUS)


class Change(NamedTuple):
    """One guarded change; ``name`` is what ``acknowledge`` has to list."""

    name: str
    message: str
    where: Where


def known_changes() -> tuple[str, ...]:
    """What ``acknowledge`` may list; those about one thing carry its name behind a colon."""
    return NO_ROUTES, NO_AUTHENTICATORS, f"{ISSUER_DROPPED}:NAME", f"{OPEN_TO_ANONYMOUS}:ROUTE"


def is_change_name(name: str) -> bool:
    """Tell whether ``name`` could be the name of a change."""
    head, colon, rest = name.partition(":")
    return name in {NO_ROUTES, NO_AUTHENTICATORS} or (head in _ABOUT_ONE and bool(colon) and bool(rest))


def at_start(settings: Settings) -> tuple[Change, ...]:
    """Absolute states: what no configuration may be without saying so."""
    return tuple(_absolute(settings))


def at_reload(running: Settings, new: Settings) -> tuple[Change, ...]:
    """What ``new`` would change against the ``running`` configuration that has to be meant."""
    return (*_absolute(new), *_dropped(running, new), *_opened(running, new))


def refused(changes: tuple[Change, ...], settings: Settings) -> tuple[Problem, ...]:
    """Return the changes that ``settings`` do not acknowledge, as problems with the way out."""
    return tuple(
        Problem(change.where, change.message, f"if it is meant, say acknowledge: [{change.name}]")
        for change in changes
        if change.name not in settings.acknowledge
    )


def _absolute(settings: Settings) -> Iterator[Change]:
    if not settings.routes:
        yield Change(NO_ROUTES, "there are no routes: every request would be denied", Where("", 0, "routes"))
    if not settings.issuers and not settings.api_keys:
        yield Change(NO_AUTHENTICATORS, "there are no issuers and no API keys: nobody could be authenticated", Where("", 0, "issuers"))


def _dropped(running: Settings, new: Settings) -> Iterator[Change]:
    used = {name for route in running.routes.values() for name in route.authenticate}
    left = {issuer.issuer for issuer in new.issuers.values()}
    for name, issuer in running.issuers.items():
        if name in used and issuer.issuer not in left:  # one under a new name is still there
            message = f"issuer {name!r} is in use and would be gone: its tokens would be refused"
            yield Change(f"{ISSUER_DROPPED}:{name}", message, Where("", 0, f"issuers.{name}"))


def open_catch_alls(settings: Settings) -> Iterator[RouteSettings]:
    """Routes that let anyone through on every path of a host."""
    for route in settings.routes.values():
        anonymous = "anonymous" in route.authenticate and route.require is None
        if anonymous and any(_CATCH_ALL.fullmatch(path) for path in route.paths):
            yield route


def _opened(running: Settings, new: Settings) -> Iterator[Change]:
    before = {pair for route in open_catch_alls(running) for pair in _reach(route)}
    for route in open_catch_alls(new):
        if any(not _covered(host, method, before) for host, method in _reach(route)):
            message = f"route {route.name!r} would newly let anyone in on every path"
            yield Change(f"{OPEN_TO_ANONYMOUS}:{route.name}", message, route.where)


def _reach(route: RouteSettings) -> Iterator[tuple[str, str]]:
    """(host, method) pairs; an empty text means any."""
    for host in route.hosts or ("",):
        for method in route.methods or ("",):
            yield host, method


def _covered(host: str, method: str, before: set[tuple[str, str]]) -> bool:
    return any((one, other) in before for one in (host, "") for other in (method, ""))
