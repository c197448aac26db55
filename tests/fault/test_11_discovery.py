"""Row 11: discovery names another issuer, keys over plain http, or is redirected elsewhere."""

import json
import time
from collections.abc import Callable

import pytest

from tests.serve.site import eventually
from tests.servers.issuer import DISCOVERY_PATH

from .faulty_issuer import Behaviour, FaultyIssuer, redirects, says
from .invariants import Watch
from .scene import Scene

Make = Callable[[FaultyIssuer, FaultyIssuer], Behaviour]


def document(issuer: str, jwks_uri: object) -> Behaviour:
    return says(json.dumps({"issuer": issuer, "jwks_uri": jwks_uri}))


slow = pytest.mark.slow
LIES = [
    pytest.param(lambda corp, thief: document(thief.url, thief.jwks_url), "another issuer's", id="issuer"),
    pytest.param(lambda corp, _: document(corp.url + "/", corp.jwks_url), "another issuer's", id="issuer-slash", marks=slow),
    pytest.param(lambda corp, _: document(corp.url, "http://idp.example.com/jwks.json"), "https only", id="plain-http", marks=slow),
    pytest.param(lambda corp, thief: redirects(thief.url + DISCOVERY_PATH), "redirects to", id="redirect", marks=slow),
    pytest.param(lambda corp, _: document(corp.url, 7), "no jwks_uri", id="no-jwks-uri", marks=slow),
    pytest.param(lambda corp, _: says("<html>"), "cannot be read", id="html", marks=slow),
]


@pytest.mark.parametrize(("lie", "named"), LIES)
def test_row_11_discovery_lies(
    lie: Make,
    named: str,
    request: pytest.FixtureRequest,
    scene_of: Callable[..., Scene],
    watch: Callable[..., Watch],
    figure: Callable[..., None],
    corp: FaultyIssuer,
) -> None:
    with FaultyIssuer() as thief:
        corp.on_discovery = lie(corp, thief)
        scene = scene_of(corp_keys="{discovery: true}")
        with scene.start() as running, watch(running, scene) as seen:
            eventually(lambda: len(seen.of("good")) >= 3)
            forged = running.with_token(thief.token("mallory", iss=corp.url, roles=["viewer"]))
            status = running.status()["issuers"]["corp"]
            denied = time.monotonic()
            corp.on_discovery = None
            recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
        assert thief.asked == []
    assert named in status["last_error"]
    assert status["usable"] is False
    assert seen.statuses("good", 0, denied) == {503}
    assert forged == 503
    words = request.node.callspec.id.partition("-")[2]
    figure(11, f"discovery: {words}", "refused: 503, the rest serves", f"/status: {named}; back {recovery:.1f} s after the truth", seen)
