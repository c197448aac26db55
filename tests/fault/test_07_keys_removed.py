"""Row 7: the key set shrinks, or is emptied."""

import time
from collections.abc import Callable

from tests.serve.site import eventually

from .faulty_issuer import key_set, says
from .invariants import Watch, bearer, probes
from .scene import Scene, fetches

TTL = 1.0
SLACK = 1.0


def test_row_07_empty_key_set_is_ignored(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    with scene.start() as running, watch(running, scene) as seen:
        scene.corp.fail(says(key_set()))
        eventually(lambda: fetches(running, "failed") >= 1)
        emptied = time.monotonic()
        error = running.status()["issuers"]["corp"]["last_error"]
        running.logged("no usable key")
        eventually(lambda: len(seen.of("good", emptied)) >= 3)
    assert "no usable key in the key set: it is empty" in error
    assert seen.statuses("good") == {200}
    figure(7, "JWKS drops all keys", "ignored, with an alert", "last good keys kept; log, /status and metric say so", seen)


def test_row_07_removed_key_stops_verifying(
    scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    """A token whose result is in the cache, too."""
    scene = scene_of(corp_refresh=f"{{every: {TTL:g}s}}")
    old = scene.corp.signing
    scene.corp.rotate("key-2", "ES256")
    cached = scene.good(key=old)
    kinds = {**probes(scene, asking=False), "old-cached": lambda: bearer(cached), "old-fresh": lambda: bearer(scene.good(key=old))}
    with scene.start() as running, watch(running, kinds=kinds) as seen:
        eventually(lambda: len(seen.of("old-cached")) >= 2)
        removed = time.monotonic()
        scene.corp.withdraw(old.kid)
        # Either kind: the first denial may come at the end of a fetch that had begun before.
        latency = eventually(lambda: any(answer.status != 200 for answer in seen.of("old-cached", removed)))
        gone = time.monotonic()
        eventually(lambda: len(seen.of("old-fresh", gone)) >= 2 and len(seen.of("old-cached", gone)) >= 2)
    assert seen.statuses("old", 0, removed) == {200}
    assert seen.statuses("old", gone) <= {401, 503}
    assert seen.statuses("good") == {200}
    assert latency <= TTL + SLACK
    figure(
        7,
        "JWKS shrinks by one key",
        "its tokens denied within the refresh interval (1 s)",
        f"denied after {latency:.1f} s, cached ones too",
        seen,
    )
