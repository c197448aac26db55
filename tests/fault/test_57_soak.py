"""Row 57, the short one: one minute. ``python -m campaigns.soak --minutes N`` for as long as wanted."""

from collections.abc import Callable

import pytest

from .generations import decided_under, kinds
from .invariants import Watch
from .scene import Scene
from .soak import Soak, slopes

SECONDS = 60.0
CYCLE = 10.0
MOST_RSS = 6.0
"""10^6 bytes over the measured part; over so short a time an allocator's steps are most of it."""
MOST_FDS = 4.0
MOST_TASKS = 4.0


@pytest.mark.slow
def test_row_57_soak(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    soak = Soak(scene)
    with scene.start() as running, watch(running, kinds=kinds(scene), rss_limit=300e6) as seen:
        soak.run(running, SECONDS, cycle=CYCLE)
        crashes = running.status()["background_crashes"]
    measured = slopes(soak.samples)
    traffic = soak.traffic
    assert traffic is not None
    assert traffic.wrong == 0
    assert traffic.answers["good denied"] + traffic.answers["good lost"] <= 0.001 * traffic.answers.total(), traffic.answers
    assert soak.cycles >= 5
    assert crashes == {}
    assert set(decided_under(running)) <= set(soak.swaps.revisions)
    assert measured.total("rss") <= MOST_RSS, measured
    assert abs(measured.total("fds")) <= MOST_FDS, measured
    assert abs(measured.total("tasks")) <= MOST_TASKS, measured
    words = (
        f"{traffic.answers.total():,} checks at {soak.rate:.0f}/s, {soak.cycles} cycles; a minute: RSS {measured.rss:+.2f} MB, "
        f"descriptors {measured.fds:+.2f}, tasks {measured.tasks:+.2f}, threads {measured.threads:+.2f}; lost 0"
    )
    figure(57, "soak of 60 s at half load, rows 2, 8, 24 in turn", "slopes about 0", words, seen)
