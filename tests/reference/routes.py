"""Which route a request belongs to: by specificity, never by order, and without going back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .paths import Reading, read_path

Config = Mapping[str, Any]
Shape = tuple[str, ...]
"""One step per segment: ``=text`` a literal, ``{}`` one segment, ``**`` the rest; ``/`` a trailing slash where it counts."""


@dataclass(frozen=True)
class At:
    """The routes at the place that host and path lead to, and how the path was read."""

    names: tuple[str, ...]


def server(config: Config, section: str, key: str, default: Any) -> Any:
    return config.get("server", {}).get(section, {}).get(key, default)


@lru_cache(maxsize=4096)
def shape_of(pattern: str, case: str, slash: str) -> Shape:
    """Return the steps of a configured path."""
    steps: list[str] = []
    parts = pattern[1:].split("/")
    trailing = parts[-1] == "" and len(parts) > 1
    for part in parts:
        if part.startswith("{"):
            steps.append("**" if part.endswith("=**}") else "{}")
        elif part:
            reading = read_path("/" + part, case)
            assert reading is not None, f"a configured path that is ambiguous: {pattern}"
            steps.append("=" + reading.segments[0])
    if trailing and slash == "strict" and steps[-1:] != ["**"]:
        steps.append("/")
    return tuple(steps)


def host_pattern(config: Config, host: str) -> str | None:
    """Return the most specific host pattern that any route has for this host; None for routes without hosts."""
    patterns = {pattern.lower() for route in config["routes"].values() for pattern in route.get("hosts", ())}
    if host in patterns:
        return host
    fitting = [p for p in patterns if p.startswith("*.") and host.endswith(p[1:]) and len(host) > len(p[1:]) and not host.startswith("[")]
    return max(fitting, key=len) if fitting else None


def routes_at(config: Config, host: str, path: Reading) -> At:
    """Return every route at the place that the request's host and path lead to, whatever their methods and contexts."""
    pattern = host_pattern(config, host)
    case, slash = server(config, "paths", "case", "sensitive"), server(config, "paths", "trailing_slash", "same")
    shapes: list[tuple[Shape, str]] = []
    for name, route in config["routes"].items():
        hosts = [entry.lower() for entry in route.get("hosts", ())]
        if (pattern is None and not hosts) or pattern in hosts:
            shapes.extend((shape_of(entry, case, slash), name) for entry in route["paths"])
    segments = list(path.segments)
    if path.trailing and slash == "strict":
        segments.append("/")
    return At(tuple(dict.fromkeys(walk(shapes, segments))))


def walk(shapes: Sequence[tuple[Shape, str]], segments: Sequence[str]) -> list[str]:
    """Take the strongest step at each segment; what was not taken is never tried again."""
    depth = 0
    while True:
        if depth == len(segments):
            ended = [name for shape, name in shapes if len(shape) == depth]
            return ended or [name for shape, name in shapes if shape[depth:] == ("**",)]
        segment = segments[depth]
        literal = "/" if segment == "/" else "=" + segment
        for step in (literal, "{}", "**"):
            taken = [(shape, name) for shape, name in shapes if len(shape) > depth and shape[depth] == step]
            if step == "{}" and segment == "/":
                continue
            if taken and step == "**":
                return [name for _, name in taken]
            if taken:
                shapes = taken
                break
        else:
            return []
        depth += 1


def by_method(routes: Mapping[str, Any], names: Sequence[str], method: str) -> list[str]:
    """Return the routes that take this method, the best of them first: those that name it, HEAD as GET, those for any; more context first."""
    for wanted in dict.fromkeys((method, "GET" if method == "HEAD" else method, "")):
        named = [name for name in names if wanted in routes[name].get("methods", ("",))]
        if named:
            return sorted(named, key=lambda name: -len(routes[name].get("match", {}).get("context", {})))
    return []


def in_context(route: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    wanted = route.get("match", {}).get("context", {})
    return all(context.get(key) == value for key, value in wanted.items())
