"""What of a configuration the trials reached: routes, what they require, policies, and every condition both ways."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sidecar.authz.conditions import Node, operand_text
from sidecar.authz.ternary import FALSE, TRUE
from sidecar.engine.compile import ANONYMOUS
from sidecar.engine.rules import REQUIRING
from sidecar.model.condition import Comparison, Expression, leaves
from sidecar.model.settings import RouteSettings, Settings

from .decide import Decided


class Point(NamedTuple):
    """One thing to be seen. ``kind``: route, require, policy or condition; ``way``: met or not met, true or false, else empty."""

    kind: str
    key: str
    way: str = ""


class Coverage(NamedTuple):
    """What there is to be seen, in the order of the configuration, and how often each was."""

    points: Mapping[Point, int]
    texts: Mapping[str, str]
    """By the key of a condition: its text."""

    @property
    def percent(self) -> float:
        """How much was seen, of a hundred; all of nothing is a hundred."""
        return 100.0 * sum(count > 0 for count in self.points.values()) / len(self.points) if self.points else 100.0

    def missing(self, kind: str) -> list[Point]:
        """The points of one kind that were never seen."""
        return [point for point, count in self.points.items() if point.kind == kind and not count]

    def counts(self) -> dict[str, tuple[int, int]]:
        """By kind: how many were seen, of how many."""
        found: dict[str, tuple[int, int]] = {}
        for point, count in self.points.items():
            seen, all_of_them = found.get(point.kind, (0, 0))
            found[point.kind] = seen + (count > 0), all_of_them + 1
        return found


def coverage_of(settings: Settings, decisions: Iterable[Decided]) -> Coverage:
    """Count what was reached."""
    points = dict.fromkeys(_points(settings), 0)
    for decided in decisions:
        for point in _seen(decided):
            if point in points:
                points[point] += 1
    conditions = {name: leaves(policy.condition) for name, policy in settings.policies.items()}
    return Coverage(points, {f"policies.{name}.{leaf.key}": _text(leaf) for name, found in conditions.items() for leaf in found})


def _text(leaf: Comparison | Expression) -> str:
    return leaf.text if isinstance(leaf, Expression) else f"{leaf.attribute} {leaf.operator} {operand_text(leaf.operand)}"


def _points(settings: Settings) -> Iterator[Point]:
    for route in settings.routes.values():
        yield Point("route", f"routes.{route.name}")
        for keyword in _keywords(route):
            for way in ("met", "not met"):
                if not (keyword == "authenticated" and way == "not met" and ANONYMOUS not in route.authenticate):  # nothing comes so far
                    yield Point("require", f"routes.{route.name}.require.{keyword}", way)
    for name, policy in settings.policies.items():
        yield Point("policy", f"policies.{name}")
        for leaf in leaves(policy.condition):
            for way in ("true", "false"):
                yield Point("condition", f"policies.{name}.{leaf.key}", way)


def _keywords(route: RouteSettings) -> list[str]:
    """The parts of ``require`` but for those that name policies, which are counted by themselves."""
    return [keyword for keyword, _ in (route.require.parts if route.require is not None else ()) if keyword not in REQUIRING]


def _seen(decided: Decided) -> Iterator[Point]:
    if decided.route:
        yield Point("route", f"routes.{decided.route}")
    for keyword, met in decided.parts:
        yield Point("require", f"routes.{decided.route}.require.{keyword}", "met" if met else "not met")
    for policy, node in decided.policies:
        yield Point("policy", policy.rule)
        for leaf in _leaves(node):
            if leaf.outcome in {TRUE, FALSE}:
                yield Point("condition", f"{policy.rule}.{leaf.key}", "true" if leaf.outcome == TRUE else "false")


def _leaves(node: Node) -> Iterator[Node]:
    if not node.parts:
        yield node
    for part in node.parts:
        yield from _leaves(part)
