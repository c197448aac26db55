"""What must be reached. The table of ``python -m benchmarks`` has these rows, in this order."""

from dataclasses import dataclass, field
from enum import Enum


class Verdict(Enum):
    """How a figure stands to its targets."""

    GOAL = "goal reached"
    MUST = "ok"
    MISSED = "MISSED"
    INFORMATION = "information"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row. Smaller is better; ``must`` None makes it information. ``margin``: what the guard multiplies ``must`` by."""

    name: str
    what: str
    unit: str
    must: float | None = None
    goal: float | None = None
    margin: float = 1.0
    absolute: bool = False
    """CPU time, which only says something on a machine of the right speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured for the target called ``name``; ``details`` are figures that belong to it."""

    name: str
    value: float
    details: dict[str, object] = field(default_factory=dict)


RATIO, TIME = 1.3, 2.0
"""Margins of the guard: wide, since CI machines are busy and slow in their own ways."""

TARGETS = (
    Target(name="engine-headers", what="decision, headers map", unit="µs CPU", must=15, goal=11, margin=TIME, absolute=True),
    Target(name="engine-header-map", what="decision, header_map", unit="µs CPU", must=18, goal=14, margin=TIME, absolute=True),
    Target(name="bare-python", what="a fixed piece of Python, measured between these", unit="µs CPU"),
    Target(name="native", what="native front: CPU per call ÷ no-op", unit="ratio", must=1.67, goal=1.4, margin=RATIO),
    Target(name="native-unix", what="the same on a Unix socket", unit="ratio"),
    Target(name="native-as-envoy", what="the same as Envoy sends it: header_map, deadline", unit="ratio"),
    Target(name="native-rate", what="native front: calls per second ÷ no-op", unit="ratio"),
    Target(name="native-lost", what="native front: records dropped at full load", unit="%"),
    Target(name="grpcio", what="grpcio front: CPU per call ÷ no-op", unit="ratio", must=1.12, goal=1.06, margin=RATIO),
    Target(name="grpcio-rate", what="grpcio front: calls per second ÷ no-op", unit="ratio"),
    Target(name="grpcio-lost", what="grpcio front: records dropped at full load", unit="%"),
    Target(name="routes", what="cost with 10,000 routes ÷ with 10", unit="ratio", must=1.3, goal=1.05, margin=RATIO),
    Target(name="roles", what="cost with 5,000 roles ÷ with 5", unit="ratio", must=1.3, goal=1.05, margin=RATIO),
    Target(name="policy", what="the source document's policy, on top of RBAC", unit="µs CPU", must=5, goal=3, margin=TIME, absolute=True),
    Target(name="policy-cel", what="the same in CEL, on top of RBAC", unit="µs CPU", must=12, goal=7, margin=TIME, absolute=True),
    Target(name="policies", what="cost with 1,000 policies, 3 on each route ÷ with 3", unit="ratio", must=1.05, goal=1.0, margin=RATIO),
    Target(name="shadow", what="calls per second ÷ those beside a candidate at 10 %", unit="ratio", must=1.11, goal=1.05, margin=RATIO),
    Target(name="reload", what="10,000 routes, 1,000 policies, 5,000 roles in use after", unit="s", must=10, goal=3, margin=TIME),
    Target(name="reload-p99", what="p99 of 1,000 checks/s meanwhile, above that without", unit="ms", must=5, margin=TIME),
    Target(
        name="new-token",
        what="first check of a token, above the bare verification",
        unit="µs CPU",
        must=60,
        goal=25,
        margin=TIME,
        absolute=True,
    ),
    Target(name="new-person", what="the same for someone never seen", unit="µs CPU"),
    Target(name="native-memory", what="resident memory under load, native", unit="MB", must=75, goal=50, margin=RATIO),
    Target(name="grpcio-memory", what="resident memory under load, grpcio", unit="MB", must=85, goal=60, margin=RATIO),
    Target(name="start", what="start to ready with a key file", unit="s", must=1.5, goal=0.8, margin=TIME),
)


def judge(target: Target, figure: Figure | None) -> Verdict:
    """Compare with goal and must."""
    if figure is None:
        return Verdict.NOT_RUN
    if target.must is None:
        return Verdict.INFORMATION
    if target.goal is not None and figure.value <= target.goal:
        return Verdict.GOAL
    return Verdict.MUST if figure.value <= target.must else Verdict.MISSED


def breached(target: Target, figure: Figure | None, slowness: float, reached: float | None) -> bool:
    """Whether the guard stops at this figure: it is worse than what must be, and than what was reached, by the margin.

    ``slowness``: how much slower this machine is than those the targets are for, >= 1. ``reached``: the figure of the
    committed run, which counts where a target is still missed: the guard keeps what there is from getting worse.
    """
    if figure is None or target.must is None:
        return False
    return figure.value > max(target.must, reached or 0.0) * target.margin * (slowness if target.absolute else 1.0)
