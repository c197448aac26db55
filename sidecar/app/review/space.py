"""Which routes of two configurations meet: for every request that is possible, its route in the old one and in the new one.

Both route trees are walked side by side, by the rules by which a request finds its way (``engine/routes.py``): each literal
segment of either tree, and a segment that is none of them. So routes are matched by what reaches them, whatever their names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple, TypeAlias

from sidecar.engine.routes import ANY, Leaf, Node, RouteTable
from sidecar.model.settings import Settings

from .rows import Spot

ANY_HOST = "any host"
OTHER = "X-OTHER"
"""A method that no route names."""
ANY_METHOD = "any method"
ANY_SEGMENT = "{*}"

Side: TypeAlias = Node[Spot] | Leaf[Spot] | None
"""Where a path leads so far; a leaf or nothing: whatever follows."""


class Meeting(NamedTuple):
    """Requests of one kind and where they end in either configuration. ``preflight``: CORS preflights, which pass there."""

    host: str
    path: str
    methods: tuple[str, ...]
    old: Spot | None
    new: Spot | None
    preflight: bool = False

    @property
    def place(self) -> str:
        """As people read it."""
        methods = ",".join(one for one in self.methods if one != OTHER) or ANY_METHOD
        return f"{'preflight ' if self.preflight else ''}{methods} {'' if self.host == ANY_HOST else self.host}{self.path}"


def table_of(settings: Settings) -> RouteTable[Spot]:
    """Put the routes of a valid configuration into a tree."""
    table: RouteTable[Spot] = RouteTable(settings.server.paths)
    for route in settings.routes.values():
        for pattern in route.paths:
            table.add(route if len(route.paths) == 1 else replace(route, paths=(pattern,)), Spot(route, pattern))
    return table


def all_meetings(old: Settings, new: Settings) -> Iterator[Meeting]:
    """Give every pair of routes that some request reaches."""
    if old.server.paths == new.server.paths and _ways(old) == _ways(new):
        yield from _same_ways(old, new)
    else:
        yield from meetings(table_of(old), table_of(new))


def _ways(settings: Settings) -> dict[str, object]:
    """What decides which requests reach a route."""
    return {
        route.name: (frozenset(route.hosts), route.paths, frozenset(route.methods), route.context, route.cors_preflight)
        for route in settings.routes.values()
    }


def _same_ways(old: Settings, new: Settings) -> Iterator[Meeting]:
    """Both trees are alike, so every request reaches the route of the same name: what most changes leave, and found in no time."""
    for route in old.routes.values():
        methods = tuple(sorted(route.methods)) or (OTHER,)
        if "GET" in methods and "HEAD" not in methods:
            methods = (*methods, "HEAD")
        for pattern in route.paths:
            one, other = Spot(route, pattern), Spot(new.routes[route.name], pattern)
            for host in route.hosts or (ANY_HOST,):
                yield Meeting(host, pattern, methods, one, other)
                if route.cors_preflight:
                    yield Meeting(host, pattern, methods, one, other, preflight=True)


def meetings(old: RouteTable[Spot], new: RouteTable[Spot]) -> Iterator[Meeting]:
    """Give every pair of routes that some request reaches; requests that reach none in either are left out."""
    roots_old, roots_new = dict(old.roots()), dict(new.roots())
    for host in dict.fromkeys((*roots_old, *roots_new, ANY_HOST)):
        seen: set[tuple[int, int]] = set()
        for path, one, other in _walk(_root(roots_old, host), _root(roots_new, host)):
            key = (id(one), id(other))
            if key not in seen and (one is not None or other is not None):
                seen.add(key)
                yield from _at(host, path, one, other)


def _root(roots: Mapping[str, Node[Spot]], host: str) -> Node[Spot] | None:
    """The tree of a host, or of the hosts under a suffix that no other one names."""
    rest = host
    while rest and rest not in roots:
        _, _, rest = rest.removeprefix("*.").partition(".")
        rest = rest and f"*.{rest}"
    return roots.get(rest or ANY_HOST)


def _walk(one: Side, other: Side) -> Iterator[tuple[str, Leaf[Spot] | None, Leaf[Spot] | None]]:
    """Give each pair of leaves that a path leads to, with such a path."""
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[tuple[str, ...], Side, Side]] = [((), one, other)]
    while waiting:
        path, one, other = waiting.pop()
        if (id(one), id(other)) in seen:
            continue
        seen.add((id(one), id(other)))
        yield "/" + "/".join(path), _end(one), _end(other)
        if not isinstance(one, Node) and not isinstance(other, Node):
            continue
        literals = {**(one.literals if isinstance(one, Node) else {}), **(other.literals if isinstance(other, Node) else {})}
        waiting.append(((*path, ANY_SEGMENT), _step(one, None), _step(other, None)))
        waiting.extend(((*path, segment), _step(one, segment), _step(other, segment)) for segment in reversed(literals))


def _end(side: Side) -> Leaf[Spot] | None:
    return side.leaf or side.rest if isinstance(side, Node) else side


def _step(side: Side, segment: str | None) -> Side:
    """None: a segment that no literal names. An empty one, of a trailing slash, is no variable's."""
    if not isinstance(side, Node):
        return side
    following = side.literals.get(segment) if segment is not None else None
    return following or (side.variable if segment != "" else None) or side.rest


def _at(host: str, path: str, one: Leaf[Spot] | None, other: Leaf[Spot] | None) -> Iterator[Meeting]:
    """Give the routes at one place, by method and context."""
    leaves = [leaf for leaf in (one, other) if leaf is not None]
    shapes = {leaf.shape for leaf in leaves}
    if len(leaves) > 1 and len(shapes) == 1:
        path = leaves[0].shape
    elif path not in shapes:
        path = f"{path} (of {leaves[0].shape})"
    named = {method for leaf in leaves for method in leaf.methods if method != ANY}
    methods = (*sorted(named), *(("HEAD",) if "GET" in named and "HEAD" not in named else ()), OTHER)
    for context in _contexts(one, other):
        found: dict[tuple[Spot | None, Spot | None], list[str]] = {}
        for method in methods:
            pair = tuple(leaf.choose(method, context) if leaf is not None else None for leaf in (one, other))
            found.setdefault((pair[0], pair[1]), []).append(method)
        for (old, new), reached in found.items():
            if old is not None or new is not None:
                yield Meeting(host, path, tuple(reached), old, new)
        if any(leaf.preflights for leaf in leaves):
            yield from _preflights(host, path, one, other, (*methods, "GET"), context)


def _preflights(
    host: str, path: str, one: Leaf[Spot] | None, other: Leaf[Spot] | None, methods: tuple[str, ...], context: Mapping[str, str]
) -> Iterator[Meeting]:
    for method in dict.fromkeys(methods):
        old, new = (None if leaf is None or leaf.has_own("OPTIONS", context) else leaf.preflight(method, context) for leaf in (one, other))
        if old is not None or new is not None:
            yield Meeting(host, path, (method,), old, new, preflight=True)


def _contexts(one: Leaf[Spot] | None, other: Leaf[Spot] | None) -> list[dict[str, str]]:
    """The contexts that make a difference: none, what some route is narrowed to, and what one of either is."""
    sides = [_narrowed(leaf) if leaf is not None else [] for leaf in (one, other)]
    if not any(sides):
        return [{}]
    pairs = ((*first, *second) for first, second in product([(), *sides[0]], [(), *sides[1]]))
    return [dict(context) for context in dict.fromkeys(pairs)]


def _narrowed(leaf: Leaf[Spot]) -> list[tuple[tuple[str, str], ...]]:
    every = (candidate.context for several in leaf.methods.values() for candidate in several)
    return list(dict.fromkeys(context for context in every if context))
