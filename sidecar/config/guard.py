"""Changes that are valid and still dangerous: refused unless the new configuration acknowledges them by name.

Neither YAML nor pydantic is imported: the serving process compares settings without them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sidecar.engine.canonical import Refused, canonical_path
from sidecar.model.errors import Problem, Where
from sidecar.model.settings import RouteSettings, Settings

NO_ROUTES = "no_routes"
NO_AUTHENTICATORS = "no_authenticators"
ISSUER_DROPPED = "issuer_dropped"
OPEN_TO_ANONYMOUS = "open_to_anonymous"

ANY = ""
"""In place of a host or a method."""

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
    """Routes that let anyone through on every path of a host, but for a few short ones at most.

    Only a path without a literal segment that ends in ``{name=**}`` reaches every length, so that whatever covers all
    paths, alone or together with others (``/`` and ``/{a}`` and ``/{a}/{rest=**}``), has one like that in it.
    """
    for route in settings.routes.values():
        anonymous = "anonymous" in route.authenticate and route.require is None
        if anonymous and any(_is_catch_all(path) for path in route.paths):
            yield route


def _is_catch_all(pattern: str) -> bool:
    path = canonical_path(pattern)
    if isinstance(path, Refused) or not path.segments:
        return False
    return path.segments[-1].endswith("=**}") and all(segment.startswith("{") for segment in path.segments)


class _Openness:
    """Where a configuration lets anyone in on every path: by the host tree that a request ends up in."""

    def __init__(self, settings: Settings) -> None:
        self.hosts = {host for route in settings.routes.values() for host in route.hosts or (ANY,)}
        self._open: dict[str, list[RouteSettings]] = {}
        for route in open_catch_alls(settings):
            for host in route.hosts or (ANY,):
                self._open.setdefault(host, []).append(route)

    def at(self, host: str) -> list[RouteSettings]:
        """The open routes for a host, or for the hosts under a suffix: those of its own tree, and of no weaker one."""
        return self._open.get(self._tree_of(host), [])

    def _tree_of(self, host: str) -> str:
        rest = host
        while rest and rest not in self.hosts:
            _, _, rest = rest.removeprefix("*.").partition(".")
            rest = rest and f"*.{rest}"
        return rest


def _opened(running: Settings, new: Settings) -> Iterator[Change]:
    before, after = _Openness(running), _Openness(new)
    named: set[str] = set()
    for host in sorted(before.hosts | after.hosts):  # a tree that is gone leaves its host to a weaker one
        for route in after.at(host):
            if route.name not in named and not all(_open_before(method, route, before.at(host)) for method in route.methods or (ANY,)):
                named.add(route.name)
                message = f"route {route.name!r} would newly let anyone in on every path"
                yield Change(f"{OPEN_TO_ANONYMOUS}:{route.name}", message, route.where)


def _open_before(method: str, route: RouteSettings, before: list[RouteSettings]) -> bool:
    """Whether one of these let in all that the route does by this method; each is narrowed by its own context."""
    return any((not one.methods or method in one.methods) and one.context.items() <= route.context.items() for one in before)
