"""``sidecar serve`` from start to ready."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import trustme

from sidecar.wire._gen.health_pb2 import HealthCheckResponse
from tests.servers.issuer import IssuerSimulator
from tests.servers.ports import free_port

from .site import ROOT, Running, Site, eventually


def ended(running: Running, seconds: float = 20) -> tuple[int, str]:
    with running:
        return running.proc.wait(seconds), running.log()


def test_it_decides_on_every_transport(site_everywhere: Site) -> None:
    site = site_everywhere
    key = site.new_key("billing-1")
    with site.start() as running:
        assert running.health() == HealthCheckResponse.SERVING
        assert running.with_token(site.token()) == 200
        assert running.with_key(key) == 200
        assert running.http_status() == 401
        assert running.http_status("/healthz") == 200
        assert running.with_token(site.token(exp=1)) == 401
        assert running.with_key("sk_unknown") == 403
        status = running.status()
        assert (status["transport"], status["address"]) == (site.options["transport"], site.address)
        eventually(lambda: len(running.records()) == 6)
        assert running.logged(f"ready: {site.options['transport']} on {site.address}")


def test_an_invalid_configuration_is_printed_with_its_places(site: Site) -> None:
    """Security rule 25."""
    site.edit("paths: [/posts]", "pahts: [/posts]")
    code, log = ended(site.start(ready=False))
    assert code == 1
    line = next(number for number, text in enumerate(site.config().splitlines(), 1) if "posts:" in text and "paths" in text)
    assert f"{site.conf}/config.yaml:{line}: routes.posts.pahts: error: " in log
    assert "did you mean" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("keys/jwks.json", "keys/gone.json", "issuers.corp.keys.file"),
        ("keys/pepper}", "keys/gone}", "api_keys.partners.peppers.1"),
        ("keys/keys.yaml", "keys/gone.yaml", "api_keys.partners.store.file"),
    ],
)
def test_a_missing_file_is_said_where_it_is_named(site: Site, old: str, new: str, place: str) -> None:
    site.edit(old, new)
    code, log = ended(site.start(ready=False))
    assert code == 1
    assert place in log
    assert "gone" in log


def test_key_material_that_cannot_be_used_is_an_invalid_configuration(site: Site) -> None:
    (site.keys / "jwks.json").write_text('{"keys": []}')
    code, log = ended(site.start(ready=False))
    assert code == 1
    assert "issuers.corp.keys.file" in log
    assert "no usable key" in log


def test_a_broken_key_file_is_an_invalid_configuration(site: Site) -> None:
    (site.keys / "keys.yaml").write_text("keys:\n- {id: a, digest: 'sha256:nothex'}\n")
    code, log = ended(site.start(ready=False))
    assert code == 1
    assert "keys.yaml:2: keys[0].digest" in log
    assert "nothex" not in log, "what stands there may be a key put there by mistake"


def test_a_configuration_without_routes_has_to_be_meant(site: Site) -> None:
    text = site.config()
    site.write(text[: text.index("routes:")])
    code, log = ended(site.start(ready=False))
    assert code == 1
    assert "acknowledge: [no_routes]" in log


def test_an_address_in_use_is_exit_3(site: Site) -> None:
    host, _, port = site.address.rpartition(":")
    with socket.create_server((host, int(port))):
        code, log = ended(site.start(ready=False))
    assert code == 3
    assert f"server.listen: cannot listen on {site.address}" in log


def test_sigterm_during_the_start_ends_it(site: Site) -> None:
    running = site.start(ready=False)
    eventually(lambda: handles_sigterm(running.proc.pid))
    running.terminate()
    assert ended(running, 5)[0] == 0


def handles_sigterm(pid: int) -> bool:
    """Whether the process has got as far as its own signal handler (before that, the kernel just ends it)."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_required_issuer_is_waited_for_and_its_tokens_are_503(site: Site) -> None:
    """Security rule 9: ``required_for_ready``."""
    port = free_port()
    site.edit(
        "keys: {file: ../keys/jwks.json}", f'keys: {{url: "http://127.0.0.1:{port}/jwks"}}\n    refresh: {{required_for_ready: true}}'
    )
    with site.start(ready=False) as running:
        eventually(lambda: responds(running), 30)
        status, why = running.page("readyz")
        assert status == 503
        assert "corp: required" in why
        assert running.health() == HealthCheckResponse.NOT_SERVING
        assert running.with_token(site.token()) == 503
        assert running.page("livez")[0] == 200


def responds(running: Running) -> bool:
    try:
        running.page("readyz")
    except OSError:
        return False
    return True


def test_keys_from_discovery(site: Site) -> None:
    with IssuerSimulator() as issuer:
        site.edit("issuer: https://idp.example.com", f"issuer: {issuer.url}")
        site.edit("keys: {file: ../keys/jwks.json}", "keys: {discovery: true}")
        with site.start() as running:
            assert running.status()["issuers"]["corp"]["keys"] >= 1
            assert running.status()["issuers"]["corp"]["key_age_seconds"] < 30
            assert 'sidecar_jwks_refreshes_total{issuer="corp",result="changed"} 1' in running.page("metrics")[1]


def test_what_weakens_security_is_said(site: Site) -> None:
    site.edit("paths: [/healthz]", 'paths: ["/{rest=**}"]')
    with site.start() as running:
        assert running.status()["unsafe_settings"] == ["routes.health.authenticate"]
        assert running.logged("a setting weakens security: routes.health.authenticate")
        assert running.metric('unsafe_setting{setting="routes.health.authenticate"}') == 1


def test_the_risk_of_native_on_loopback_is_said(running: Running) -> None:
    """Security rule 24."""
    assert running.logged("native transport on TCP")


def test_status_holds_nothing_secret(site: Site) -> None:
    """Security rule 22."""
    key, token = site.new_key("billing-1"), site.token()
    with site.start() as running:
        running.with_key(key)
        running.with_token(token)
        running.with_token(token[:-2] + "xx")
        status = running.status()
        assert set(status) == {
            "version", "revision", "transport", "transport_reason", "address", "ready", "not_ready_because", "started_at", "in_flight",
            "issuers", "api_keys", "caches", "last_reload", "reload_stage", "unsafe_settings", "records_dropped", "background_crashes",
            "loop_lag_seconds", "attributes", "candidate",
        }  # fmt: skip
        assert status["ready"] is True
        assert status["issuers"]["corp"]["keys"] == 1
        assert status["api_keys"]["partners"]["keys"] == 1
        assert status["caches"]["tokens"] == 1
        assert status["last_reload"]["ok"] is True
        everything = json.dumps(status) + running.log() + running.page("metrics")[1] + json.dumps(running.records())
        for secret in (key, token, token.rpartition(".")[2], "pepper-of-these-tests", site.private["d"]):
            assert secret not in everything


def test_the_end_of_the_listener_s_certificate_is_a_metric(tmp_path: Path) -> None:
    site = Site(tmp_path, transport="auto")
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(site.keys / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(site.keys / "tls.crt")
    site.edit("  shutdown_delay", "  tls: {cert_file: ../keys/tls.crt, key_file: ../keys/tls.key}\n  shutdown_delay")
    with site.start() as running:
        assert running.metric('certificate_expiry_seconds{name="server"}') > 0
        status = running.status()
        assert (status["transport"], status["transport_reason"]) == ("grpcio", "TLS is configured, which only grpcio has")


def test_the_admin_listener_checks_the_host(running: Running) -> None:
    """Security rule 24a: DNS rebinding."""
    from tests.servers.client import send  # noqa: PLC0415

    assert send(running.site.admin, "/status", host="evil.example.com").status == 421


PINNED_OUT = ("pydantic", "yaml", "httpx", "httpcore", "boto3", "valkey", "opentelemetry")


@pytest.mark.parametrize(("transport", "also_out"), [("native", ("grpc",)), ("grpcio", ("pygrpc_native",))])
def test_what_a_minimal_serve_does_not_load(tmp_path, transport: str, also_out: tuple[str, ...]) -> None:
    """No YAML, no pydantic, no HTTP client, nothing of the other transport in the process that decides."""
    site = Site(tmp_path, transport=transport)
    seen = tmp_path / "modules"
    code = (
        "import atexit, sys; from pathlib import Path\n"
        f"atexit.register(lambda: Path({str(seen)!r}).write_text(' '.join(sys.modules)))\n"
        f"sys.argv = ['sidecar', 'serve', '--config', {str(site.conf)!r}]\n"
        "from sidecar.cli.main import main; main()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    probe = Running.__new__(Running)
    probe.site = site
    try:
        eventually(probe.ready, 30)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)
    loaded = set(seen.read_text().split())
    assert "sidecar.engine.check" in loaded
    assert [name for name in (*PINNED_OUT, *also_out) if name in loaded] == []


def test_nobody_answers_before_the_configuration_is_there(site: Site) -> None:
    with site.start(ready=False) as running, pytest.raises(grpc.RpcError):
        running.check(timeout=0.05)


def test_a_token_whose_keys_cannot_be_fetched_is_neither_good_nor_bad(site: Site) -> None:
    """``sidecar token verify``: exit 3."""
    site.edit("keys: {file: ../keys/jwks.json}", 'keys: {url: "http://127.0.0.1:9/jwks"}')
    command = [sys.executable, "-m", "sidecar", "token", "verify", "--config", str(site.conf)]
    result = subprocess.run(command, input=site.token(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert "undetermined" in result.stdout
