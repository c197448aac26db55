"""Row 10: tokens with kids that nobody has, as fast as the machine goes, beside as much good traffic."""

import time
from collections.abc import Callable

import pytest

from .flood import ALLOWED, DENIED, Driver, expecting, unknown_kids
from .invariants import Watch
from .scene import Scene

SECONDS = 30.0
BASELINE = 8.0
KIDS = 20_000
TOKENS = 1_000
DEADLINE = 0.5
"""Seconds: ``check_deadline`` of the scene."""


@pytest.mark.slow
def test_row_10_unknown_kid_flood(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """Good callers and as many that flood, each sending its next request as soon as it has an answer: half of the answers are good's share."""
    scene = scene_of(corp_refresh="{every: 10m}")
    good = expecting(ALLOWED, (scene.good(f"user-{number}") for number in range(TOKENS)))
    others = expecting(ALLOWED, (scene.good(f"peer-{number}") for number in range(TOKENS)))
    flood = expecting(DENIED, unknown_kids(scene.good(), KIDS))
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        drivers = [Driver(running, "alone", good, BASELINE), Driver(running, "peers", others, BASELINE)]
        alone, _ = (driver.result() for driver in drivers)
        began, fetched = time.monotonic(), len(scene.corp.fetches)
        drivers = [Driver(running, "good", good, SECONDS), Driver(running, "flood", flood, SECONDS)]
        beside, flooded = (driver.result() for driver in drivers)
        lasted = time.monotonic() - began
        fetches = len(scene.corp.fetches) - fetched
    rates = {name: one.replies / one.seconds for name, one in (("alone", alone), ("beside", beside), ("flood", flooded))}
    share = 2 * rates["beside"] / (rates["beside"] + rates["flood"])
    peers = rates["beside"] / rates["alone"]
    # Three at once, one more each 30 s: the warm-up makes the flood a little longer than that.
    assert fetches <= 4 + int(lasted / 30.0 - 1)
    assert share >= 0.8
    assert beside.p99 < DEADLINE
    assert seen.statuses("good") <= {200}
    words = (
        f"{rates['flood']:,.0f} unknown kids/s for {flooded.seconds:.0f} s: {fetches} fetches; good {rates['beside']:,.0f}/s, {share:.2f} of its "
        f"share of answers ({peers:.2f} of what it gets beside as much good traffic), p99 {beside.p99 * 1000:.0f} ms (beside good: "
        f"{alone.p99 * 1000:.0f} ms)"
    )
    figure(10, "unknown-kid flood", "≤ 4 fetches in 30 s; good traffic ≥ 0.8 of its share", words, seen)
