"""An imported configuration in the real sidecar behind the shipped Envoy: what rules look at really arrives there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.app.istio.text import config_text
from tests.servers.client import send
from tests.servers.envoy import EnvoyServer
from tests.servers.ports import free_port
from tests.servers.sidecar import SidecarServer
from tests.servers.upstream import EchoUpstream

from .test_translate import policy, run

POLICIES = (
    policy("ALLOW", [
        {"to": [{"operation": {"methods": ["GET"], "paths": ["/posts/*", "/exact", "/users/{*}/name"]}}]},
        {"to": [{"operation": {"hosts": ["*.partner.example.com"]}}], "when": [{"key": "request.headers[x-tenant]", "values": ["a*"]}]},
    ]),
    policy("DENY", [{"to": [{"operation": {"paths": ["/posts/secret"]}}]}, {"from": [{"source": {"notIpBlocks": ["127.0.0.0/8"]}}]}], "q"),
)  # fmt: skip
PARTNER = "x.partner.example.com"


@pytest.fixture(scope="module")
def envoy() -> Iterator[EnvoyServer]:
    """Envoy, with a plain listener that merges headers, and a sidecar with the imported configuration."""
    telemetry, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="sidecar-istio-") as name, EchoUpstream() as upstream:
        folder = Path(name)
        listen = f"unix://{folder}/check.sock"
        config = folder / "sidecar.yaml"
        server = f"server: {{listen: '{listen}', check_deadline: 1s}}\ntelemetry: {{listen: '127.0.0.1:{telemetry}'}}\nadmin: {{listen: '127.0.0.1:{admin}'}}\n"
        config.write_text(config_text(run(*POLICIES)) + server)
        sidecar = SidecarServer(folder, config, telemetry=telemetry, admin=admin)
        try:
            one = EnvoyServer(folder, sidecars=[listen], upstream=f"127.0.0.1:{upstream.port}", plain=True, timeout="2s")
            try:
                yield one
            finally:
                one.stop()
        finally:
            sidecar.proc.stop()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /posts/1", 200),
        ("GET /posts/1?x=1,2", 200),
        ("GET /posts/", 200),
        ("GET /posts", 403),
        ("POST /posts/1", 403),
        ("GET /exact", 200),
        ("GET /exact/", 403),
        ("GET /exact?a", 200),
        ("GET /users/ann/name", 200),
        ("GET /users/ann/x/name", 403),
        ("GET /posts/secret", 403),
        ("GET /posts/%73ecret", 403),
        ("GET /posts/x/../secret", 403),
        ("GET /posts/secret?x", 403),
    ],
)
def test_methods_and_paths(envoy: EnvoyServer, request_line: str, status: int) -> None:
    method, _, path = request_line.partition(" ")
    assert envoy.send(path, method=method).status == status


def test_hosts_and_headers(envoy: EnvoyServer) -> None:
    assert envoy.send("/", {"x-tenant": "a1"}, host=PARTNER, method="PUT").status == 200
    assert envoy.send("/", {"x-tenant": "a1"}, host=PARTNER.upper(), method="PUT").status == 200
    assert envoy.send("/", {"x-tenant": "a1"}, host=f"{PARTNER}:8080", method="PUT").status == 403
    assert envoy.send("/", {"x-tenant": "b1"}, host=PARTNER, method="PUT").status == 403
    assert envoy.send("/", [("x-tenant", "a1"), ("x-tenant", "a2")], host=PARTNER, method="PUT").status == 403


def test_without_raw_headers(envoy: EnvoyServer) -> None:
    """Merged headers: a rule never allows more; a header that has a comma has no single meaning."""
    port = envoy.plain_port
    assert send(port, "/posts/1").status == 200
    assert send(port, "/posts/%73ecret").status == 403
    assert send(port, "/posts/secret").status == 403
    assert send(port, "/", {"x-tenant": "a1,a2"}, host=PARTNER, method="PUT").status == 403
    assert send(port, "/posts/1,2").status == 200, "a path comes once, whatever is in it"
