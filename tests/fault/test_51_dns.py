"""Row 51: the IdP's name does not resolve, or moves to another address. Names are altered at the event loop, not in the C library."""

import time
from collections.abc import Callable

import pytest

from tests.serve.site import eventually

from .faulty_issuer import FaultyIssuer
from .invariants import Watch
from .scene import Scene, fetches

NAME = "idp.corp.test"
BACKOFF = 4.0


@pytest.fixture
def named_scene(scene_of: Callable[..., Scene], corp: FaultyIssuer) -> Scene:
    """Its key set is at a host name; plain http is asked for, since the name is no loopback address to the sidecar."""
    return scene_of(corp_keys=f'{{url: "http://{NAME}:{corp.port}/jwks.json", unsafe_http: true}}')


def test_row_51_name_does_not_exist_at_start(named_scene: Scene, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = named_scene
    scene.outside.set(names={NAME: ""})
    with scene.start() as running, watch(running, scene) as seen:
        eventually(lambda: len(seen.of("good")) >= 3)
        error = running.status()["issuers"]["corp"]["last_error"]
        mended = time.monotonic()
        scene.outside.set(names={NAME: "127.0.0.1"})
        recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
    assert "host name not resolved" in error
    assert NAME in error
    assert seen.statuses("good", 0, mended) == {503}
    assert recovery <= BACKOFF
    figure(51, "DNS: no such name at start", "503 until it resolves, no cached failure", f"back {recovery:.1f} s after the name", seen)


@pytest.mark.slow
def test_row_51_name_vanishes_later(named_scene: Scene, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = named_scene
    scene.outside.set(names={NAME: "127.0.0.1"})
    with scene.start() as running, watch(running, scene) as seen:
        scene.outside.set(names={NAME: ""})
        eventually(lambda: fetches(running, "failed") >= 2)
        good = fetches(running, "unchanged") + fetches(running, "changed")
        scene.outside.set(names={NAME: "127.0.0.1"})
        recovery = eventually(lambda: fetches(running, "unchanged") + fetches(running, "changed") > good, 15)
    assert seen.statuses("good") == {200}
    figure(
        51, "DNS: the name vanishes", "last good keys kept", f"wrongly denied 0; refreshed {recovery:.1f} s after the name was back", seen
    )


@pytest.mark.slow
def test_row_51_address_changes(named_scene: Scene, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """The server moves to another address with a new key: the old address is gone."""
    scene = named_scene
    scene.outside.set(names={NAME: "127.0.0.1"})
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        eventually(lambda: len(seen.of("good")) >= 3)
        first = seen.statuses("good")
        scene.corp.down()
        scene.corp.up(host="127.0.0.2")
        scene.corp.rotate("key-2", "ES256")
        scene.outside.set(names={NAME: "127.0.0.2"})
        recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
    assert first == {200}
    # Signed with a key that nobody has fetched yet; a fetch that found the old server gone proves nothing.
    assert seen.statuses("good") <= {200, 401, 503}
    assert recovery <= BACKOFF
    figure(51, "DNS: the address changes", "resolved anew at each fetch", f"new keys {recovery:.1f} s after the name moved", seen)
