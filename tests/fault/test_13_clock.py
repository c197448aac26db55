"""Row 13: the wall clock is set forward, back, or repeats a second, while tokens and keys are held."""

import time
from collections.abc import Callable

import pytest

from sidecar.authn.cache import REJECTED_SECONDS
from sidecar.model.decision import Allow
from tests.serve.site import Running, eventually
from tests.support.fake_clock import FakeClock
from tests.support.tokens import WALL
from tests.support.world import World, bearer, token

from .invariants import Watch
from .scene import Scene, fetches

HOUR = 3600.0
SOON = 5.0


@pytest.fixture
def clocked(scene_of: Callable[..., Scene]) -> Scene:
    """A scene whose sidecar has a clock to be set, and keys that go stale after three seconds."""
    scene = scene_of(corp_refresh="{every: 1s, stale_max: 3s}")
    scene.outside.set(wall=0.0)
    return scene


def at(scene: Scene, wall: float, **changes: float) -> str:
    """A token issued when the sidecar's clock is ``wall`` seconds ahead, good for ten minutes."""
    now = int(time.time() + wall)
    return scene.good(**{"iat": now, "exp": now + 600, **changes})


def ask(running: Running, token: str, times: int = 2) -> set[int]:
    """The statuses of the same token again and again: the second answer may come from the cache."""
    return {running.with_token(token) for _ in range(times)}


@pytest.mark.slow
def test_row_13_clock_steps(clocked: Scene, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """Claims follow the wall clock at once, cached tokens included; keys' age does not."""
    scene, outside = clocked, clocked.outside
    kinds = {
        "other-key": lambda: {"x-api-key": scene.api_key},
        # Wrong by any of the clocks of this row.
        "bad-expired": lambda: {"authorization": f"Bearer {scene.good(iat=int(time.time()) - 9000, exp=int(time.time()) - 8000)}"},
        "bad-early": lambda: {"authorization": f"Bearer {at(scene, 3 * HOUR)}"},
    }
    with scene.start() as running, watch(running, kinds=kinds) as seen:
        now, long = at(scene, 0), at(scene, 0, exp=int(time.time() + 1.9 * HOUR))
        assert ask(running, now) == ask(running, long) == {200}
        outside.set(wall=HOUR)
        assert ask(running, now) == {401}, "expired by the clock, and still in the cache"
        assert ask(running, long) == {200}
        assert ask(running, at(scene, HOUR)) == {200}
        outside.set(wall=0.0)
        assert ask(running, at(scene, 0)) == ask(running, long) == {200}
        # A refusal for good is remembered for ten seconds, by the monotonic clock.
        back = eventually(lambda: running.with_token(now) == 200, REJECTED_SECONDS + 1)
        assert ask(running, at(scene, HOUR)) == {401}, "issued in the future"
        outside.set(wall=-HOUR)
        assert ask(running, now) == ask(running, long) == {401}, "issued in the future, and still in the cache"
        assert ask(running, at(scene, -HOUR)) == {200}
        outside.set(wall=0.0)
        assert ask(running, now) == {200}
        usable = running.status()["issuers"]["corp"]
        status = running.status()
    assert usable["usable"] is True
    assert 0 <= usable["key_age_seconds"] <= 3
    assert status["background_crashes"] == {}
    words = f"denied at once, cached tokens too; allowed again at once, those refused meanwhile after {back:.0f} s; keys' age untouched"
    figure(13, "clock +1 h, -1 h and back", "wall clock for claims, monotonic for lifetimes", words, seen)


@pytest.mark.slow
@pytest.mark.parametrize("wall", [HOUR, -HOUR], ids=["forward", "back"])
def test_row_13_step_while_keys_age(wall: float, clocked: Scene, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """Keys neither go stale early by a step forward, nor live longer by one back; background refreshing goes on."""
    scene = clocked
    kinds = {"other-key": lambda: {"x-api-key": scene.api_key}, "bad-role": lambda: {"authorization": f"Bearer {scene.good(roles=[])}"}}
    with scene.start() as running, watch(running, kinds=kinds) as seen:
        good = lambda: running.with_token(at(scene, wall))  # noqa: E731
        scene.outside.set(wall=wall)
        before = fetches(running, "unchanged")
        assert good() == 200
        refreshed = eventually(lambda: fetches(running, "unchanged") > before, 3)
        scene.corp.down()
        stale = eventually(lambda: good() == 503, SOON)
        scene.corp.up()
        recovery = eventually(lambda: good() == 200, 15)
    assert 1.5 <= stale <= 3.5
    words = f"refreshed {refreshed:.1f} s after the step; stale after {stale:.1f} s (stale_max 3 s); back {recovery:.1f} s after the IdP"
    figure(13, f"clock {wall / HOUR:+.0f} h while keys are held", "monotonic for lifetimes", words, seen)


@pytest.mark.parametrize("changes", [{}, {"nbf": int(WALL)}], ids=["iat", "nbf"])
def test_row_13_a_remembered_token_is_held_to_the_clock(changes: dict[str, int]) -> None:
    """In memory: what is remembered of a token gives the answer that verifying it would give now."""
    world = World()
    raw = token(iat=int(WALL), **changes)
    for wall, expected in ((WALL, True), (WALL - 29, True), (WALL - 31, False), (WALL, True), (WALL + 100_000, False)):
        world.clock.wall = wall
        fresh = World(clock=FakeClock(wall=wall)).decide(path="/me", headers=bearer(raw))
        assert isinstance(fresh, Allow) is expected
        assert isinstance(world.decide(path="/me", headers=bearer(raw)), Allow) is expected


def test_row_13_leap_second(clocked: Scene, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """The last second repeats: the clock goes back by one, over and over."""
    scene = clocked
    with scene.start() as running, watch(running, scene) as seen:
        for step in range(6):
            scene.outside.set(wall=-float(step % 2))
            assert ask(running, scene.good()) == {200}
    assert seen.statuses("good") == {200}
    figure(13, "a second repeats (leap)", "within clock_skew, nothing notices", f"{len(seen.of('good'))} good requests, all allowed", seen)
