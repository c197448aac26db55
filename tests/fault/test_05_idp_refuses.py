"""Row 5: the IdP answers 500, 429 with Retry-After, or a redirect to somewhere else."""

import asyncio
import time
from collections.abc import Callable

import pytest

from sidecar.ports import FetchError
from tests.serve.site import eventually
from tests.support.issuers import JWKS_URL
from tests.support.key_world import ES, World, long_lived
from tests.support.tokens import shared_key

from .faulty_issuer import Behaviour, FaultyIssuer, redirects, says
from .invariants import Watch
from .scene import Scene, fetches

WATCHED = 5.0
"""Seconds of fault: back-off fits three tries in (after 1, 2 and 4 s, shortened by up to a half), unknown kids and bad signatures three each."""
MOST = 3 + 3 + 6
slow = pytest.mark.slow
ANSWERS = [
    pytest.param(says("broken", status=500), "500", "answered 500", MOST, id="500", marks=slow),
    pytest.param(says("", status=429, retry_after="60"), "429, Retry-After 60", "answered 429", 1, id="429", marks=slow),
    pytest.param(says("", status=503, retry_after="0"), "503, Retry-After 0", "answered 503", MOST, id="503", marks=slow),
    pytest.param(redirects("http://169.254.169.254/latest/meta-data/"), "302 to link-local", "169.254.169.254", MOST, id="302", marks=slow),
]


@pytest.mark.parametrize(("answer", "words", "error", "most"), ANSWERS)
def test_row_05_idp_refuses(
    answer: Behaviour,
    words: str,
    error: str,
    most: int,
    scene_of: Callable[..., Scene],
    watch: Callable[..., Watch],
    figure: Callable[..., None],
) -> None:
    scene = scene_of()
    with scene.start() as running, watch(running, scene) as seen:
        scene.corp.fail(answer)
        asked = len(scene.corp.fetches)
        eventually(lambda: fetches(running, "failed") >= 1)
        time.sleep(WATCHED)
        requests = len(scene.corp.fetches) - asked
        said = running.status()["issuers"]["corp"]["last_error"]
    assert error in said
    assert seen.statuses("good") == {200}
    assert 1 <= requests <= most
    measured = f"{requests} requests in {WATCHED:.0f} s while bad tokens came in ({len(seen.of('bad'))}); last good keys kept"
    figure(5, f"JWKS: {words}", "back-off with jitter, Retry-After honoured, redirect refused", measured, seen)


def test_row_05_redirect_is_not_followed(
    scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None], corp: FaultyIssuer
) -> None:
    """To another port of the same host, which holds a real key set of somebody else."""
    with FaultyIssuer() as thief:
        scene = scene_of()
        with scene.start() as running, watch(running, scene) as seen:
            corp.fail(redirects(thief.jwks_url))
            eventually(lambda: fetches(running, "failed") >= 1)
            forged = running.with_token(thief.token("mallory", iss=corp.url, roles=["viewer"]))
        assert thief.asked == []
    assert forged in {401, 503}
    assert seen.statuses("good") == {200}
    figure(5, "JWKS: redirect to another port", "redirect refused", "the other server was asked 0 times; its tokens denied", seen)


@pytest.mark.slow
def test_row_05_requests_per_minute_by_the_clock(figure: Callable[..., None]) -> None:
    """An hour of 500s while unknown kids and bad signatures rain in."""

    async def story() -> int:
        world = World()
        await world.serve()
        unknown, forged = long_lived(ES, kid="unknown"), long_lived(shared_key("ES256", ES.kid, number=1))
        world.network.documents[JWKS_URL] = FetchError("status 500")
        before = world.fetches
        for _ in range(3600):
            await world.verify(unknown)
            await world.verify(forged)
            await world.clock.advance(1.0)
        assert world.background is not None
        world.background.cancel()
        return world.fetches - before

    requests = asyncio.run(story())
    # One budget of 3 and one each 30 s for either kind of token, and a background try each 30 to 60 s.
    assert 60 <= requests <= 2 * (3 + 120) + 130
    figure(
        5,
        "JWKS: an hour of 500, injected clock",
        "bounded requests",
        f"{requests / 60:.1f} requests a minute under a flood",
        wrongly_allowed=0,
    )
