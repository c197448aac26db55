"""Row 4: the key set is not one."""

import time
from collections.abc import Callable

import pytest

from tests.serve.site import eventually
from tests.servers.issuer import IssuerSimulator

from .faulty_issuer import Behaviour, FaultyIssuer, cut, endless, gzip_bomb, key_set, many_keys, says
from .invariants import Watch, resident
from .proxy import Bad, TcpProxy
from .scene import Scene, fetches

GROWTH = 24e6
"""Bytes that a hostile document may cost beside what the sidecar takes anyway: half a megabyte of JSON, read by the strict parser."""
slow = pytest.mark.slow
Make = Callable[[FaultyIssuer], Behaviour]
BODIES = [
    pytest.param(lambda _: says("<html><body>Sign in</body></html>", content_type="text/html"), "HTML with status 200", id="html"),
    pytest.param(lambda _: says(""), "empty", id="empty", marks=slow),
    pytest.param(lambda _: says("{}"), "{}", id="object", marks=slow),
    pytest.param(lambda _: says("[]"), "[]", id="list", marks=slow),
    pytest.param(lambda corp: says(key_set(corp.signing)[:-20]), "half a document", id="truncated", marks=slow),
    pytest.param(lambda corp: cut(key_set(corp.signing)), "cut connection", id="cut", marks=slow),
    pytest.param(lambda _: gzip_bomb(100), "gzip bomb of 100 MB", id="gzip-bomb"),
    pytest.param(lambda _: endless(100), "100 MB", id="100-MB", marks=slow),
    pytest.param(lambda corp: says(many_keys(10_000, corp.signing)), "10,000 keys", id="10k-keys", marks=slow),
    pytest.param(lambda corp: says(many_keys(2_000, corp.signing)), "2,000 keys", id="2k-keys", marks=slow),
    pytest.param(lambda _: says('{"keys":' + "[" * 100_000), "100,000 brackets deep", id="deep", marks=slow),
]


@pytest.mark.parametrize(("make", "words"), BODIES)
def test_row_04_jwks_is_no_key_set(
    make: Make, words: str, scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    scene = scene_of()
    behaviour = make(scene.corp)
    with scene.start() as running:
        base = resident(running.proc.pid)
        with watch(running, scene, rss_limit=base + GROWTH) as seen:
            scene.corp.fail(behaviour)
            eventually(lambda: fetches(running, "failed") >= 1)
            failed = time.monotonic()
            eventually(lambda: len(seen.of("good", failed)) >= 3)
            error = running.status()["issuers"]["corp"]["last_error"]
            good = fetches(running, "unchanged") + fetches(running, "changed")
            scene.corp.fail(None)
            recovery = eventually(lambda: fetches(running, "unchanged") + fetches(running, "changed") > good, 15)
    assert error
    assert seen.statuses("good") == {200}
    measured = f"last good keys kept; memory +{max(0.0, seen.rss - base) / 1e6:.0f} MB; refreshed {recovery:.1f} s after it healed"
    figure(4, f"JWKS: {words}", "last good kept, body capped, counted as failed", measured, seen)


@pytest.mark.slow
def test_row_04_jwks_corrupted_on_the_way(
    scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None], corp: IssuerSimulator
) -> None:
    with TcpProxy(corp.port) as proxy:
        scene = scene_of(corp_keys=f'{{url: "http://127.0.0.1:{proxy.port}/jwks.json"}}')
        with scene.start() as running, watch(running, scene) as seen:
            outcomes = 0.0
            for bad in (Bad(corrupt_every=7), Bad(cut_after=40), Bad(cut_after=0), Bad(refuse=True)):
                failed = fetches(running, "failed")
                proxy.bad = bad
                eventually(lambda failed=failed: fetches(running, "failed") > failed, 30)
                outcomes += 1
            proxy.bad = Bad()
            failed = time.monotonic()
            eventually(lambda: len(seen.of("good", failed)) >= 3)
    assert seen.statuses("good") == {200}
    figure(
        4,
        "JWKS: corrupted, cut or refused on the way",
        "last good kept, counted as failed",
        f"{outcomes:.0f} of 4 kept the last good",
        seen,
    )
