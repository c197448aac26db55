"""Row 6: one broken key of ten."""

import time
from collections.abc import Callable

import pytest

from tests.serve.site import eventually
from tests.servers.issuer import SigningKey

from .faulty_issuer import key_set, says
from .invariants import Watch
from .scene import Scene

BROKEN = [
    pytest.param({"kty": "RSA", "kid": "broken", "n": "AQ", "e": "AQAB"}, id="tiny", marks=pytest.mark.slow),
    pytest.param({"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "AA"}, id="off-curve"),
    pytest.param({"kty": "XX", "kid": "broken"}, id="unknown-type", marks=pytest.mark.slow),
    pytest.param("not a key", id="text", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_row_06_one_broken_key_of_ten(
    broken: object, request: pytest.FixtureRequest, scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    scene = scene_of()
    keys = [scene.corp.signing, *(SigningKey.new(f"key-{number}", "ES256") for number in range(2, 10))]
    scene.corp.fail(says(key_set(*keys, further=[broken])))
    with scene.start() as running, watch(running, scene) as seen:
        answers = [running.with_token(scene.good(key=key)) for key in keys]
        status = running.status()["issuers"]["corp"]
        since = time.monotonic()
        eventually(lambda: len(seen.of("good", since)) > 3)
    assert answers == [200] * 9
    assert seen.statuses("good") == {200}
    assert (status["keys"], len(status["dropped_keys"])) == (9, 1)
    words = request.node.callspec.id.partition("-")[2]
    figure(6, f"one broken key of ten: {words}", "nine usable", f"{answers.count(200)} of 9 usable, the broken one named in /status", seen)
