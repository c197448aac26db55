"""What of a configuration the trials reached: routes, what they require, policies, and every condition both ways."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sidecar.authz.conditions import Node, operand_text
from sidecar.authz.policies import Policy
from sidecar.authz.ternary import FALSE, TRUE
from sidecar.engine.compile import ANONYMOUS
from sidecar.engine.rules import REQUIRING
from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Expression, Not, leaves
from sidecar.model.reason import Reason
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
    for keyword, met in decided.parts if decided.reason is not Reason.POLICY_DENIED else ():
        yield Point("require", f"routes.{decided.route}.require.{keyword}", "met" if met else "not met")
        if not met:
            break
    for policy, node in _heard(decided):
        yield Point("policy", policy.rule)
        for leaf in _evaluated(policy.condition, node):
            if leaf.outcome in {TRUE, FALSE}:
                yield Point("condition", f"{policy.rule}.{leaf.key}", "true" if leaf.outcome == TRUE else "false")


def _heard(decided: Decided) -> Iterator[tuple[Policy, Node]]:
    """The policies that had a say: all up to the one that denied; only those that deny, where the denial came from elsewhere."""
    of_policies = decided.rule.startswith(("policies.", "attributes.")) or decided.rule.endswith(".require.any_policy")
    elsewhere = decided.decision == "deny" and not of_policies
    for policy, node in decided.policies:
        if policy.denies or policy.shadow or not elsewhere:
            yield policy, node
        if policy.rule == decided.rule:
            return


def _evaluated(condition: Condition, node: Node) -> Iterator[Node]:
    """The comparisons that were come to: none behind one that had settled the matter."""
    match condition:
        case AllOf(_, parts) | AnyOf(_, parts):
            settling = FALSE if isinstance(condition, AllOf) else TRUE
            for part, below in zip(parts, node.parts, strict=True):
                yield from _evaluated(part, below)
                if below.outcome == settling:
                    return
        case Not(_, part):
            yield from _evaluated(part, node.parts[0])
        case _:
            yield node
