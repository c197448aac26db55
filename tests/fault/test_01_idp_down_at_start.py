"""Row 1: the IdP is down when the sidecar starts."""

import time
from collections.abc import Callable

import pytest

from sidecar.app.readiness import FIRST_TRY_LIMIT
from tests.serve.site import eventually

from .faulty_issuer import hangs
from .invariants import Watch
from .scene import Scene

EXPECTED = "serves within 10 s; its tokens get 503 until its keys come; the rest works"
DOWN = 1.5
BACKOFF = 4.0
"""Seconds: the longest pause before the next try after an outage of DOWN seconds (1, 2, 4 …, each shortened at random)."""


def test_row_01_idp_down_at_start(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    scene.corp.down()
    began = time.monotonic()
    with scene.start() as running, watch(running, scene) as seen:
        started = time.monotonic() - began
        time.sleep(DOWN)
        down = seen.statuses("good")
        error = running.status()["issuers"]["corp"]["last_error"]
        scene.corp.up()
        recovery = eventually(lambda: running.with_token(scene.good()) == 200)
    assert started < FIRST_TRY_LIMIT
    assert down == {503}
    assert "connection refused" in error
    assert recovery <= BACKOFF
    figure(1, "IdP down at start", EXPECTED, f"serving after {started:.1f} s; keys {recovery:.1f} s after the IdP's return", seen)


def test_row_01_required_holds_readiness(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of(corp_refresh="{every: 1s, required_for_ready: true}")
    scene.corp.down()
    with scene.start(ready=False) as running:
        eventually(lambda: running.logged("not refreshed"))
        with watch(running, scene) as seen:
            eventually(lambda: len(seen.of("other")) > 5)
            page = running.page("readyz")
            scene.corp.up()
            recovery = eventually(running.ready)
    assert page[0] == 503
    assert "corp" in page[1]
    assert recovery <= BACKOFF
    figure(1, "the same, required_for_ready", "not ready until its keys come", f"ready {recovery:.1f} s after the IdP's return", seen)


@pytest.mark.slow
def test_row_01_idp_hangs_at_start(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    scene.corp.fail(hangs())
    began = time.monotonic()
    with scene.start() as running, watch(running, scene) as seen:
        started = time.monotonic() - began
        eventually(lambda: len(seen.of("good")) > 3)
        down = seen.statuses("good")
        scene.corp.fail(None)
        recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
    assert started < FIRST_TRY_LIMIT
    assert down == {503}
    figure(1, "IdP hangs at start", EXPECTED, f"serving after {started:.1f} s; keys {recovery:.1f} s after it answers", seen)
