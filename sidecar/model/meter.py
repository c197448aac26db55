"""Counting on the decision path: plain ints, owned by the deciding thread, exposed by ``adapters.metrics``.

A row per route *name* outlives snapshots: compiled routes hold their row. Readers on other threads see ints
that are at most one update old, which is all a scrape needs.
"""

from bisect import bisect_left

from .decision import Allow, Decision, Shadow
from .reason import Reason

BUCKETS: tuple[float, ...] = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 1.0,
)  # fmt: skip
"""Upper bounds in seconds; one more bucket, +Inf, follows."""

MAX_REMOVED_ROWS = 1000
REMOVED = "_removed"
NO_ROUTE = "_none"
"""Label of checks that reached no route."""


class Histogram:
    """Counts per bucket and the sum, in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        """Start empty."""
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class RouteRow:
    """Decisions of one route by reason."""

    __slots__ = ("decisions", "name")

    def __init__(self, name: str) -> None:
        """Start empty."""
        self.name = name
        self.decisions: dict[Reason, int] = {}


class CacheCount:
    """Lookups of one cache by result; ``stale``: found, but what it hinged on had changed."""

    __slots__ = ("hit", "miss", "stale")

    def __init__(self) -> None:
        """Start empty."""
        self.hit = 0
        self.miss = 0
        self.stale = 0


class Meter:
    """All counters of the deciding thread."""

    __slots__ = ("allow_seconds", "caches", "deny_seconds", "in_flight", "no_route", "phases", "rows", "shadow")

    def __init__(self) -> None:
        """Start empty."""
        self.rows: dict[str, RouteRow] = {}
        self.no_route = self.row(NO_ROUTE)
        self.allow_seconds = Histogram()
        self.deny_seconds = Histogram()
        self.caches = {"tokens": CacheCount(), "rejected_tokens": CacheCount(), "attributes": CacheCount()}
        self.shadow: dict[tuple[str, str], int] = {}
        """By policy in shadow, or the candidate configuration, and what it would have done."""
        self.in_flight = 0
        self.phases = {phase: Histogram() for phase in ("decode", "decide", "answer")}
        """Of a sample of the checks that memory answers."""

    def count(self, decision: Decision, seconds: float) -> None:
        """Count one decision under its route, which is one that a configuration names."""
        counts = (self.rows.get(decision.route) or self.no_route).decisions
        try:
            counts[decision.reason] += 1
        except KeyError:
            counts[decision.reason] = 1
        times = self.allow_seconds if isinstance(decision, Allow) else self.deny_seconds
        times.counts[bisect_left(BUCKETS, seconds)] += 1
        times.total += seconds

    def count_unread(self, reason: Reason, count: int) -> None:
        """Count denials of checks that were not looked at: of no route, and of no duration."""
        decisions = self.no_route.decisions
        decisions[reason] = decisions.get(reason, 0) + count
        self.deny_seconds.counts[0] += count

    def count_shadow(self, shadow: Shadow) -> None:
        """Count what something in shadow would have done."""
        for policy, would, _ in shadow:
            key = policy, would
            self.shadow[key] = self.shadow.get(key, 0) + 1

    def row(self, name: str) -> RouteRow:
        """Return the row of a route name, made on first use."""
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = RouteRow(name)
        return row

    def retire(self, live: frozenset[str]) -> None:
        """Fold the oldest rows of removed routes into one, once there are more than MAX_REMOVED_ROWS."""
        gone = [name for name in self.rows if name not in live and name not in {NO_ROUTE, REMOVED}]
        for name in gone[: max(0, len(gone) - MAX_REMOVED_ROWS)]:
            row = self.rows.pop(name)
            folded = self.row(REMOVED)
            for reason, count in row.decisions.items():
                folded.decisions[reason] = folded.decisions.get(reason, 0) + count
