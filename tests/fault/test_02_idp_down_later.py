"""Row 2: the IdP goes down after the start, for longer than keys may be old."""

import asyncio
import time
from collections.abc import Callable

import pytest

from sidecar.authn.jwt import NO_KEYS, VerifiedToken
from sidecar.ports import FetchError
from tests.serve.site import eventually
from tests.support.issuers import JWKS_URL
from tests.support.key_world import ES, World, long_lived

from .invariants import Watch
from .scene import Scene, fetches

STALE = 3.0
HOUR = 3600.0


@pytest.mark.slow
def test_row_02_keys_serve_until_stale_max(
    scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    scene = scene_of(corp_refresh=f"{{every: 1s, stale_max: {STALE:g}s}}")
    with scene.start() as running, watch(running, scene) as seen:
        eventually(lambda: fetches(running, "unchanged") >= 1)
        scene.corp.down()
        down = time.monotonic()
        eventually(lambda: 503 in seen.statuses("good", down), STALE + 3)
        denied = min(answer.at for answer in seen.of("good", down) if answer.status == 503)
        age = running.metric('jwks_age_seconds{issuer="corp"}')
        time.sleep(0.5)
        after = seen.statuses("good", denied)
        scene.corp.up()
        recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
    # The last success was at most one interval before the IdP went down.
    assert STALE - 1.0 <= denied - down <= STALE + 0.5
    assert seen.statuses("good", 0, denied) == {200}
    assert after == {503}
    assert age > STALE - 0.1
    measured = f"wrongly denied 0 in the {denied - down:.1f} s of grace (stale_max {STALE:g} s); back {recovery:.1f} s after the IdP"
    figure(2, "IdP down after start", "keys serve until stale_max, then 503", measured, seen)


@pytest.mark.slow
def test_row_02_an_hour_and_a_day_by_the_clock(figure: Callable[..., None]) -> None:
    async def story() -> tuple[float, float, int]:
        world = World()
        await world.serve()
        token = long_lived(ES)
        world.network.documents[JWKS_URL] = FetchError("status 503")
        began, before = world.clock.seconds, world.fetches
        while isinstance(await world.verify(token), VerifiedToken):
            await world.clock.advance(60.0)
        lasted, tries = world.clock.seconds - began, world.fetches - before
        assert await world.verify(token) is NO_KEYS
        world.network.publish(JWKS_URL, ES)
        back = world.clock.seconds
        while not isinstance(await world.verify(token), VerifiedToken):
            await world.clock.advance(1.0)
        assert world.background is not None
        world.background.cancel()
        return lasted, world.clock.seconds - back, tries

    lasted, recovery, tries = asyncio.run(story())
    # Keys were up to ten minutes old when the IdP went down.
    assert 24 * HOUR - 600 <= lasted <= 24 * HOUR + 60
    assert recovery <= 60
    assert tries <= lasted / 30 + 10
    measured = f"allowed for {lasted / HOUR:.1f} h (stale_max 24 h), then 503; {tries / lasted * 60:.1f} tries a minute; back within {recovery:.0f} s"
    figure(2, "IdP down for a day, injected clock", "keys serve until stale_max, then 503", measured, wrongly_allowed=0)
