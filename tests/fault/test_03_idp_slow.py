"""Row 3: the IdP is slow: the whole answer takes too long, however it is spread over time."""

import statistics
import time
from collections.abc import Callable

import pytest

from tests.serve.site import eventually

from .faulty_issuer import Behaviour, drips, hangs
from .invariants import Watch, p99
from .scene import Scene, fetches

DEADLINE = 0.5
"""Seconds: ``check_deadline`` of the scene."""
SLACK = 0.3
SLOW = [pytest.param(drips(b'{"keys": []}' * 100, 1.0), "dripping 1 B/s", id="drip"), pytest.param(hangs(30), "silent for 30 s", id="hang")]


@pytest.mark.slow
@pytest.mark.parametrize(("slow", "words"), SLOW)
def test_row_03_idp_slow(
    slow: Behaviour, words: str, scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    scene = scene_of(corp_refresh="{every: 2s}")
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        time.sleep(1.5)
        scene.corp.fail(slow)
        asked = len(scene.corp.fetches)
        eventually(lambda: len(scene.corp.fetches) > asked)
        began = time.monotonic()
        waits: list[float] = []
        for _ in range(3):
            at = time.monotonic()
            assert running.with_token(scene.good(header={"kid": "unknown"})) == 503
            waits.append(time.monotonic() - at)
        eventually(lambda: fetches(running, "failed") > 0, 10)
        gave_up = time.monotonic() - began
        error = running.status()["issuers"]["corp"]["last_error"]
        ended = time.monotonic()
    before = [answer.took for answer in seen.of("good", 0, began)]
    during = [answer.took for answer in seen.of("good", began, ended)]
    assert 4.5 <= gave_up <= 5.5
    assert "no complete answer within 5 s" in error
    assert max(waits) <= DEADLINE + SLACK
    assert seen.statuses("good") == {200}
    assert statistics.median(during) <= 2 * statistics.median(before) + 0.002
    measured = (
        f"gave up after {gave_up:.1f} s; unknown kids answered in {max(waits) * 1000:.0f} ms (deadline {DEADLINE * 1000:.0f}); "
        f"others: p99 {p99(before) * 1000:.1f} ms before, {p99(during) * 1000:.1f} ms during"
    )
    figure(3, f"IdP {words}", "fetch ends after 5 s; only unknown kids wait", measured, seen)
