"""Row 49: 10,000 headers, a body of 4 MB, a path of 64 kB: denied with bounded work."""

import time
from collections.abc import Callable

import pytest

from benchmarks.cpu import cpu_seconds
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from tests.serve.site import Running

from .invariants import Watch, bearer, resident
from .scene import Scene

TIMES = 30
RATIO = 100


def monster(kind: str, token: str) -> bytes:
    check = CheckRequest()
    http = check.attributes.request.http
    http.method, http.path, http.host = "GET", "/posts", "api.example.com"
    http.headers["authorization"] = f"Bearer {token}"
    if kind == "headers":
        http.headers.update({f"x-{number}": "v" for number in range(10_000)})
    elif kind == "body":
        http.raw_body = b"b" * 4_000_000
    elif kind == "path":
        http.path = "/posts/" + "a/%2e" * 13_000
    return check.SerializeToString()


def cost(running: Running, body: bytes) -> tuple[float, set[int]]:
    """Processor seconds of the sidecar for one, and the statuses."""
    ask = running.channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
    began = cpu_seconds(running.proc.pid)
    answers = [CheckResponse.FromString(ask(body, timeout=5)) for _ in range(TIMES)]
    time.sleep(0.1)
    spent = cpu_seconds(running.proc.pid) - began
    return spent / TIMES, {answer.denied_response.status.code if answer.status.code else 200 for answer in answers}


@pytest.mark.parametrize("kind", ["headers", "body", "path"])
def test_row_49_monstrous_requests(
    kind: str, scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    scene = scene_of()
    with scene.start() as running:
        token = scene.good()
        assert running.http_status("/posts", **bearer(token)) == 200
        normal = min(cost(running, monster("", token))[0] for _ in range(3))
        before = resident(running.proc.pid)
        monstrous = min((cost(running, monster(kind, token)) for _ in range(3)), key=lambda one: one[0])
        with watch(running, scene, asking=False) as seen:
            during = cost(running, monster(kind, token))
        grown = resident(running.proc.pid) - before
    assert 200 not in monstrous[1] | during[1], "denied"
    assert monstrous[0] <= RATIO * normal
    assert grown < 64e6
    said = f"{sorted(monstrous[1])}; {monstrous[0] / normal:.0f} times the CPU of a normal one; {grown / 1e6:.0f} MB more"
    figure(49, f"monstrous {kind}", "bounded work, deny", said, seen)
