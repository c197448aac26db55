"""Rows 8 and 9: the IdP rotates its keys under load, behind a real Envoy."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.envoy.stack import Shared, Stack, running, shared_parts
from tests.serve.site import eventually
from tests.servers.issuer import tampered

from .invariants import resident
from .load import Callers

POSTS = "/api/v1/posts"
COOLDOWN = 30.0
"""Seconds for which a fresh key set proves that it lacks a key (FRESH_SECONDS)."""


@pytest.fixture
def shared() -> Iterator[Shared]:
    """Issuers of this test alone: their keys are turned over."""
    with shared_parts() as parts:
        yield parts


@pytest.fixture
def stack(front: str, shared: Shared) -> Iterator[Stack]:
    """Envoy, this front on TCP; keys are fetched every ten minutes, and because of tokens."""
    with running(f"{front}-tcp", shared) as started:
        yield started


@contextmanager
def calling(stack: Stack) -> Iterator[Callers]:
    """Good tokens of corp as it signs now, of partner, and bad ones, through Envoy, for as long as the block lasts."""
    corp, partner = stack.shared.corp, stack.shared.partner
    kinds = {
        "good": lambda: (POSTS, corp.token("sam", roles=["viewer"])),
        "other": lambda: ("/whoami", partner.token("pat")),
        "bad-role": lambda: (POSTS, corp.token("sam", roles=[])),
        "bad-audience": lambda: (POSTS, corp.token("sam", roles=["viewer"], aud="https://elsewhere.example.com")),
    }
    with Callers(stack.envoy.port, kinds) as callers:
        eventually(lambda: len(callers.of("good")) > 20)
        yield callers
        since = time.monotonic()
        eventually(lambda: len(callers.of("good", since)) > 20)
    assert not callers.wrongly_allowed
    assert callers.statuses("other") == {200}
    assert stack.sidecar.proc.popen.poll() is None


def over(stack: Stack) -> dict[str, float | int | None]:
    """What the table has beside the words; nobody watches the event loop here."""
    return {"wrongly_allowed": 0, "rss_mb": round(resident(stack.sidecar.proc.pid) / 1e6, 1)}


@pytest.mark.slow
@pytest.mark.envoy
def test_row_08_rotation_mid_load(stack: Stack, figure: Callable[..., None]) -> None:
    """Published when it begins to sign: one fetch, and nobody is denied."""
    corp = stack.shared.corp
    with calling(stack) as callers:
        fetched = len(corp.fetches)
        corp.rotate("key-2")
    fetches = len(corp.fetches) - fetched
    denied = [answer for answer in callers.of("good") if answer.status != 200]
    assert denied == []
    assert fetches == 1
    words = f"wrongly denied 0 of {len(callers.of('good'))}; 1 fetch"
    figure(8, "rotation mid-load, published at once", "one refresh, then allow", words, **over(stack))


@pytest.mark.slow
@pytest.mark.envoy
def test_row_08_rotation_with_a_slow_key_set(stack: Stack, figure: Callable[..., None]) -> None:
    """Fetching takes longer than a check may: 503 meanwhile, never 401, from one fetch for all."""
    corp = stack.shared.corp
    with calling(stack) as callers:
        fetched = len(corp.fetches)
        corp.delay = 2.0
        rotated = time.monotonic()
        corp.rotate("key-2")
        eventually(lambda: callers.statuses("good", rotated) >= {200, 503}, 15)
        healed = max(answer.at for answer in callers.of("good", rotated) if answer.status == 503)
        corp.delay = 0.0
    fetches = len(corp.fetches) - fetched
    assert callers.statuses("good") == {200, 503}
    assert fetches == 1
    assert healed - rotated < 3
    words = f"503 for {healed - rotated:.1f} s, no 401; 1 fetch"
    figure(8, "rotation, key set takes 2 s", "waits within the deadline, then 503; single flight", words, **over(stack))


@pytest.mark.slow
@pytest.mark.envoy
def test_row_08_signed_before_published(stack: Stack, figure: Callable[..., None]) -> None:
    """The new key signs for two seconds before it is published."""
    corp = stack.shared.corp
    with calling(stack) as callers:
        fetched = len(corp.fetches)
        corp.rotate("key-2", publish=False)
        rotated = time.monotonic()
        time.sleep(2.0)
        corp.publish()
        published = time.monotonic()
        took = eventually(lambda: callers.statuses("good", published + 0.05) >= {200}, COOLDOWN + 15)
        since = time.monotonic()
    meanwhile = callers.statuses("good", rotated + 0.05, published)
    fetches = len(corp.fetches) - fetched
    assert meanwhile <= {401, 503}
    assert took <= COOLDOWN + 5
    assert callers.statuses("good", since) == {200}
    assert fetches <= 4
    words = f"denied ({', '.join(map(str, sorted(meanwhile)))}) for 2 s before and {took:.0f} s after it was published; {fetches} fetches"
    figure(8, "signed before published", "never allowed before; wrongly denied no longer than the cooldown (30 s)", words, **over(stack))


@pytest.mark.slow
@pytest.mark.envoy
def test_row_09_same_kid_new_key(stack: Stack, figure: Callable[..., None]) -> None:
    """The key is replaced under its id: the first signature that does not hold makes one fetch; a flood of forged ones makes few."""
    corp = stack.shared.corp
    old = corp.signing
    with calling(stack) as callers:
        fetched = len(corp.fetches)
        corp.rotate(old.kid, keep=False)
        rotated = time.monotonic()
        eventually(lambda: callers.statuses("good", rotated) >= {200})
        eventually(lambda: len(callers.of("good", rotated)) > 20)
        fetches = len(corp.fetches) - fetched
        retired = [
            stack.send(POSTS, [("authorization", f"Bearer {corp.token('sam', key=old, roles=['viewer'])}")]).status for _ in range(3)
        ]
        for _ in range(200):
            forged = tampered(corp.token("sam", roles=["viewer"]), sub="mallory")
            assert stack.send(POSTS, [("authorization", f"Bearer {forged}")]).status == 401
        flood = len(corp.fetches) - fetched - fetches
    denied = [answer for answer in callers.of("good") if answer.status != 200]
    assert denied == []
    assert fetches == 1
    assert retired == [401] * 3
    assert flood <= 3
    words = f"wrongly denied 0 of {len(callers.of('good'))}, 1 fetch; then 200 forged tokens: {flood} fetches"
    figure(9, "rotation, same kid with a new key", "refresh on a bad signature, rate-limited", words, **over(stack))
