"""Which route a request belongs to: by specificity, never by order, and without going back.

Host first (exact, longest ``*.suffix``, any), then path (per segment literal, ``{name}``, ``{name=**}``), then
method. Once a host or a segment is chosen, its weaker siblings are not tried any more, so that a request can
never fall through to a weaker route; the cost does not depend on the number of routes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from sidecar.model.settings import PathSettings, RouteSettings

from .canonical import MAX_PATH, Path, Refused, canonical_host, canonical_path, is_plain

T = TypeVar("T")

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(=\*\*)?\}")
"""A path variable: its name, and ``=**`` where it takes the rest of the path."""
ANY = ""


def path_variables(path: str) -> frozenset[str]:
    """Return the names of the variables of a path pattern."""
    return frozenset(name for name, _ in VARIABLE.findall(path))


class RouteConflict(Exception):
    """Two routes could both match one request, or a path pattern is not usable (then ``first == second``)."""

    def __init__(self, first: str, second: str, message: str) -> None:
        """Name both routes; ``message`` is whole, in words for the operator."""
        super().__init__(message)
        self.first = first
        self.second = second
        self.message = message


class Candidate(NamedTuple, Generic[T]):
    """One route at one path and method."""

    name: str
    context: tuple[tuple[str, str], ...]
    payload: T

    def admits(self, context: Mapping[str, str]) -> bool:
        """Tell whether Envoy's context extensions are those that the route is narrowed to."""
        return all(context.get(key) == value for key, value in self.context)


class Leaf(Generic[T]):
    """The routes at one path shape, by method; ANY holds those for every method."""

    __slots__ = ("every", "methods", "preflights", "shape", "sole")

    def __init__(self, shape: str) -> None:
        """Start empty; ``shape`` is the pattern, for messages."""
        self.shape = shape
        self.sole: dict[str, T] = {}
        """By method: the route that is ``choose``'s answer whatever the context."""
        self.every: T | None = None
        """The only route here, for every method, whatever the context."""
        self.methods: dict[str, list[Candidate[T]]] = {}
        self.preflights: list[tuple[tuple[str, ...], Candidate[T]]] = []

    def choose(self, method: str, context: Mapping[str, str]) -> T | None:
        """Return the most specific route for the method: its own, for HEAD then GET's, then any's."""
        for candidate in self.methods.get(method, ()):
            if not candidate.context or candidate.admits(context):
                return candidate.payload
        for key in ("GET", ANY) if method == "HEAD" else (ANY,):
            for candidate in self.methods.get(key, ()):
                if candidate.admits(context):
                    return candidate.payload
        return None

    def has_own(self, method: str, context: Mapping[str, str]) -> bool:
        """Tell whether some route here names this very method."""
        return any(candidate.admits(context) for candidate in self.methods.get(method, ()))

    def preflight(self, requested: str, context: Mapping[str, str]) -> T | None:
        """Return the route with ``cors_preflight`` that accepts the method a browser asks about."""
        for key in (requested, "GET", ANY) if requested == "HEAD" else (requested, ANY):
            found = [one for methods, one in self.preflights if (key in methods or (key == ANY and not methods)) and one.admits(context)]
            if found:
                return max(found, key=lambda one: len(one.context)).payload
        return None

    def allowed(self, context: Mapping[str, str]) -> str:
        """Value of the ``Allow`` header: the methods that some route here accepts; empty if none does."""
        names = {method for method, routes in self.methods.items() if any(route.admits(context) for route in routes)}
        if "GET" in names:
            names.add("HEAD")
        return ", ".join(sorted(names))

    def add(self, method: str, candidate: Candidate[T]) -> None:
        """Raise RouteConflict when a request could belong to two equally specific routes."""
        rivals = self.methods.setdefault(method, [])
        for rival in rivals:
            if _overlap(dict(candidate.context), dict(rival.context)):
                raise RouteConflict(
                    rival.name,
                    candidate.name,
                    f"routes {rival.name!r} and {candidate.name!r} both match {method or 'any method'} {self.shape}",
                )
        rivals.append(candidate)
        rivals.sort(key=lambda one: -len(one.context))
        plain = len(rivals) == 1 and not candidate.context
        if method != ANY and plain:
            self.sole[method] = candidate.payload
        else:
            self.sole.pop(method, None)
        self.every = candidate.payload if method == ANY and plain and len(self.methods) == 1 else None


def _overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    if any(other.get(key, value) != value for key, value in one.items()):
        return False  # they want different values of one key
    return one == other or not (one.items() <= other.items() or other.items() <= one.items())


class Node(Generic[T]):
    """One position in the path tree of a host."""

    __slots__ = ("leaf", "literals", "prefixes", "rest", "variable")

    def __init__(self) -> None:
        """Start empty."""
        self.prefixes: dict[str, Node[T]] = {}
        """Of a host's root: where a path of literal segments leads, by its text; never to the root itself, since a cycle
        would outlive the snapshot (``gc.freeze``)."""
        self.literals: dict[str, Node[T]] = {}
        self.variable: Node[T] | None = None
        self.rest: Leaf[T] | None = None
        self.leaf: Leaf[T] | None = None


class RouteTable(Generic[T]):
    """Every route of a configuration, compiled."""

    __slots__ = ("_any", "_odd", "_strict", "_suffixes", "folding", "hosts", "warnings")

    def __init__(self, paths: PathSettings) -> None:
        """Start empty; ``paths`` says how trailing slashes and case are read."""
        self.hosts: dict[str, Node[T]] = {}
        """By exact host."""
        self._suffixes: dict[str, Node[T]] = {}
        self._any: Node[T] | None = None
        self.folding = paths.case == "insensitive"
        self._strict = paths.trailing_slash == "strict"
        self._odd = self.folding or self._strict
        self.warnings: tuple[tuple[str, str], ...] = ()

    def find(self, host: str, path: Path) -> Leaf[T] | None:
        """Return the routes at the one place where host and path lead, or None."""
        node = self.hosts.get(host) or self._by_suffix(host) or self._any
        if node is None:
            return None
        if self._odd:
            return self._walk(node, self._segments(path))
        for segment in path.segments:  # no segment is empty here
            following = node.literals.get(segment) or node.variable
            if following is None:
                return node.rest
            node = following
        return node.leaf or node.rest

    def usual(self, method: str, host: str, raw_path: str) -> T | None:
        """Return the route of a request with nothing doubtful in it, in a few lookups; None leaves it to ``find``.

        That is: a valid host, a path without escapes or trailing slash, a route for that
        method whatever the context. Literal segments come first at every step, so that the text before the last
        slash, if it is one of literal segments, leads where walking it leads.
        """
        path = raw_path.partition("?")[0]
        root = self.hosts.get(host) or self._root_of(host)
        if root is None or len(path) > MAX_PATH or is_plain(path) is None:
            return None
        head, _, last = path.rpartition("/")
        node = root.prefixes.get(head) if head else None if self._odd else root
        if node is None:
            return None
        node = node.literals.get(last) or node.variable
        leaf = node.leaf if node is not None else None
        return leaf.sole.get(method, leaf.every) if leaf is not None else None

    def _root_of(self, raw_host: str) -> Node[T] | None:
        """The tree of a host that is not written as a route names it."""
        host = canonical_host(raw_host)
        return None if host is None else self.hosts.get(host) or self._by_suffix(host) or self._any

    @staticmethod
    def _walk(node: Node[T], segments: tuple[str, ...]) -> Leaf[T] | None:
        """Go the same way where a trailing slash is an empty segment of its own, which no variable takes."""
        for segment in segments:
            following = node.literals.get(segment) or (node.variable if segment else None)
            if following is None:
                return node.rest
            node = following
        return node.leaf or node.rest

    def _segments(self, path: Path) -> tuple[str, ...]:
        segments = path.segments
        if self.folding:
            segments = tuple(segment.casefold() for segment in segments)
        return (*segments, "") if self._strict and path.trailing_slash else segments

    def _by_suffix(self, host: str) -> Node[T] | None:
        while self._suffixes and "." in host:
            host = host.partition(".")[2]
            if (node := self._suffixes.get(host)) is not None:
                return node
        return None

    def add(self, route: RouteSettings, payload: T) -> None:
        """Put a route into the tree; raise RouteConflict where it cannot stand."""
        for host in route.hosts or (ANY,):
            root = self._root(host)
            for pattern in route.paths:
                self._add_leaf(self._place(root, pattern, route), route, payload)

    def _root(self, host: str) -> Node[T]:
        if host == ANY:
            self._any = self._any or Node()
            return self._any
        if host.startswith("*."):
            return self._suffixes.setdefault(host[2:], Node())
        return self.hosts.setdefault(host, Node())

    def _place(self, root: Node[T], pattern: str, route: RouteSettings) -> Leaf[T]:
        node = root
        text: str | None = None if self._odd else ""  # of literal segments only
        for part in self._segments(parse_pattern(pattern, route, folding=self.folding)):
            if text:
                root.prefixes[text] = node
            variable = VARIABLE.fullmatch(part)
            if variable is None:
                node = node.literals.setdefault(part, Node())
                text = f"{text}/{part}" if text is not None else None
            elif variable[2]:
                node.rest = node.rest or Leaf(pattern)
                return node.rest
            else:
                node.variable = node.variable or Node()
                node, text = node.variable, None
        node.leaf = node.leaf or Leaf(pattern)
        return node.leaf

    @staticmethod
    def _add_leaf(leaf: Leaf[T], route: RouteSettings, payload: T) -> None:
        candidate = Candidate(route.name, tuple(sorted(route.context.items())), payload)
        for method in route.methods or (ANY,):
            leaf.add(method, candidate)
        if route.cors_preflight:
            leaf.preflights.append((route.methods, candidate))
            leaf.every = None

    def roots(self) -> Iterator[tuple[str, Node[T]]]:
        """Give each host pattern with its path tree."""
        yield from self.hosts.items()
        yield from ((f"*.{suffix}", node) for suffix, node in self._suffixes.items())
        if self._any is not None:
            yield "any host", self._any


def parse_pattern(pattern: str, route: RouteSettings, *, folding: bool = False) -> Path:
    """Read a configured path with the canonicaliser that requests go through.

    Raises:
        RouteConflict: the pattern would be refused as a request, or its variables are not usable.

    """
    path = canonical_path(pattern, folding=folding)
    if isinstance(path, Refused):
        raise RouteConflict(route.name, route.name, f"path {pattern!r} could never match: {path.detail}")
    if missing := path.features - route.allow:
        raise RouteConflict(route.name, route.name, f"path {pattern!r} needs allow: [{', '.join(sorted(missing))}]")
    seen: set[str] = set()
    for index, segment in enumerate(path.segments):
        variable = VARIABLE.fullmatch(segment)
        if variable is None:
            if "{" in segment or "}" in segment or "*" in segment:
                raise RouteConflict(
                    route.name, route.name, f"path {pattern!r}: {segment!r} is neither literal text nor {{name}} nor {{name=**}}"
                )
            continue
        if variable[1] in seen:
            raise RouteConflict(route.name, route.name, f"path {pattern!r} names {{{variable[1]}}} twice")
        if variable[2] and index != len(path.segments) - 1:
            raise RouteConflict(route.name, route.name, f"path {pattern!r}: {{{variable[1]}=**}} must come last")
        seen.add(variable[1])
    return path


def compile_routes(routes: Iterable[RouteSettings], paths: PathSettings) -> RouteTable[RouteSettings]:
    """Build a table of the settings themselves, with warnings; for validation.

    Raises:
        RouteConflict: two routes overlap, or a path cannot be used.

    """
    table: RouteTable[RouteSettings] = RouteTable(paths)
    for route in routes:
        table.add(route, route)
    table.warnings = tuple(warning for _, root in table.roots() for warning in _warn(root))
    return table


def _warn(node: Node[RouteSettings]) -> Iterator[tuple[str, str]]:
    """Warn where a wildcard is weaker than a literal under it, or is hidden by one."""
    weak = [route for leaf in (node.rest, node.variable and node.variable.leaf) if leaf for route in _routes(leaf) if _open(route)]
    for literal in node.literals.values():
        for route in _below(literal):
            if weak and not _open(route):
                yield weak[0].name, f"admits anonymous callers beside the stricter route {route.name!r}: a path that misses it is open"
        if node.variable is not None and (node.variable.literals or node.variable.variable):
            hidden = next(_below(node.variable), None)
            blocker = next(_below(literal), None)
            if hidden and blocker and hidden.name != blocker.name:
                yield hidden.name, f"is not tried where the literal segment of route {blocker.name!r} matches, even if the rest does not"
        yield from _warn(literal)
    if node.variable is not None:
        yield from _warn(node.variable)


def _below(node: Node[RouteSettings]) -> Iterator[RouteSettings]:
    for leaf in (node.leaf, node.rest):
        if leaf is not None:
            yield from _routes(leaf)
    for child in (*node.literals.values(), *([node.variable] if node.variable else [])):
        yield from _below(child)


def _routes(leaf: Leaf[RouteSettings]) -> Iterator[RouteSettings]:
    seen = set()
    for candidates in leaf.methods.values():
        for candidate in candidates:
            if candidate.name not in seen:
                seen.add(candidate.name)
                yield candidate.payload


def _open(route: RouteSettings) -> bool:
    return "anonymous" in route.authenticate
