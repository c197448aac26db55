"""The doctor against a real Envoy's own /config_dump and a running sidecar; and what ``init`` writes, put to work."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loadtest.drivers import find
from sidecar.app.doctor.envoy.check import check_envoy
from sidecar.app.doctor.envoy.source import read_envoy
from sidecar.app.doctor.findings import Findings
from sidecar.cli.root import root
from tests.servers.client import send
from tests.servers.envoy import OPTIONS as ENVOY_OPTIONS
from tests.servers.envoy import EnvoyServer, binary
from tests.servers.ports import free_port
from tests.servers.proc import Proc
from tests.servers.sidecar import SidecarServer
from tests.support.envoy_config import SHIPPED, bad, expected

from .stack import Shared, Stack, running

DEFAULTS = {
    "envoy.normalize_path",
    "envoy.merge_slashes",
    "envoy.escaped_slashes",
    "envoy.underscores",
    "envoy.encode_raw_headers",
}
"""What Envoy does by default, and the shipped configuration does not."""

BUSY = {"running.lag"}
"""What a machine full of tests may make a running sidecar say of itself."""


@pytest.fixture(scope="module")
def live(shared: Shared) -> Iterator[Stack]:
    with running("native-uds", shared) as stack:
        (stack.sidecar.config.parent / "pepper").chmod(0o600)
        stack.sidecar.config.parent.chmod(0o700)
        yield stack


def diagnosed(config: Path, *arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(root, ["doctor", "--config", str(config), *arguments, "--output", "json"])
    return result.exit_code, json.loads(result.stdout)


def found(document: Any, *severities: str) -> list[dict[str, Any]]:
    return [finding for finding in document["findings"] if finding["severity"] in severities]


def dump(envoy: EnvoyServer) -> bytes:
    return send(envoy.admin_port, "/config_dump?include_eds").body


def test_a_whole_stack_is_well_but_for_envoys_defaults(live: Stack) -> None:
    admin = (f"http://127.0.0.1:{live.envoy.admin_port}", f"http://127.0.0.1:{live.sidecar.admin}")
    code, document = diagnosed(live.sidecar.config, "--envoy", admin[0], "--admin", admin[1])
    assert found(document, "error") == []
    assert code == 0
    doubts = [finding for finding in found(document, "warning") if finding["check"] not in {"config.lint", *BUSY}]
    assert {finding["check"] for finding in doubts} == DEFAULTS
    assert all("static_listeners[1]" in finding["key"] for finding in doubts), "only the listener with the defaults"
    assert {"running", *BUSY} & {finding["check"] for finding in document["findings"]}
    fine = [finding["check"] for finding in found(document, "ok")]
    assert fine.count("issuers.reachable") == 2
    assert {"clock", "envoy.version", "envoy.manager", "envoy.filter", "envoy.cluster"} <= set(fine)


def test_a_saved_dump_says_the_same_as_the_admin_interface(live: Stack, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_bytes(dump(live.envoy))
    _, by_file = diagnosed(live.sidecar.config, "--envoy", str(path))
    _, by_url = diagnosed(live.sidecar.config, "--envoy", f"http://127.0.0.1:{live.envoy.admin_port}")

    def told(document: Any) -> list[tuple[str, ...]]:
        envoys = [one for one in document["findings"] if one["check"].startswith("envoy.")]
        return [tuple(str(one[name]) for name in ("severity", "check", "line", "key", "message")) for one in envoys]

    assert told(by_file) == told(by_url)


def test_what_lets_through_is_found_in_a_real_dump(live: Stack, tmp_path: Path) -> None:
    envoy = EnvoyServer(tmp_path, sidecars=["127.0.0.1:9"], upstream="127.0.0.1:9", failure_mode_allow=True, timeout="0.5s")
    try:
        (tmp_path / "dump.json").write_bytes(dump(envoy))
    finally:
        envoy.stop()
    code, document = diagnosed(live.sidecar.config, "--envoy", str(tmp_path / "dump.json"))
    assert code == 1
    assert {finding["check"] for finding in found(document, "error")} == {"envoy.failure_mode_allow", "envoy.timeout"}
    assert "envoy.address" in {finding["check"] for finding in found(document, "warning")}


@pytest.mark.skipif(find("egctl") is None, reason="needs egctl")
def test_what_envoy_gateway_makes_of_its_files_is_clean(tmp_path: Path) -> None:
    """Real xDS: names in camelCase, and a filter that is off until a route turns it on."""
    files = ("gateway", "security-policy", "client-traffic-policy", "envoy-patch-policy", "envoy-proxy")
    (tmp_path / "all.yaml").write_text("\n---\n".join((SHIPPED.parent / f"envoy-gateway/{name}.yaml").read_text() for name in files))
    command = [find("egctl"), "x", "translate", "--from", "gateway-api", "--to", "xds", "-t", "all", "-o", "yaml"]
    command += ["-f", str(tmp_path / "all.yaml"), "--add-missing-resources", "-n", "gateway"]
    (tmp_path / "xds.yaml").write_bytes(subprocess.run(command, capture_output=True, timeout=120, check=True).stdout)
    findings = Findings()
    side = expected(listen="unix:///run/sidecar/check.sock")
    check_envoy(read_envoy(str(tmp_path / "xds.yaml")), side, findings)
    assert bad(findings.all) == []
    assert {"envoy.disabled", "envoy.filter", "envoy.manager", "envoy.cluster"} <= {finding.check for finding in findings.all}


def test_half_a_dump_is_one_sentence(live: Stack, tmp_path: Path) -> None:
    (tmp_path / "half.json").write_bytes(dump(live.envoy)[:20_000])
    result = CliRunner().invoke(root, ["doctor", "--config", str(live.sidecar.config), "--envoy", str(tmp_path / "half.json")])
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
    assert "half.json" in result.stderr


@pytest.mark.parametrize("listen", ["unix:///run/sidecar/check.sock", "127.0.0.1:9191"])
@pytest.mark.parametrize("upstream", ["127.0.0.1:8081", "posts.internal:8080"])
def test_envoy_accepts_what_init_writes(tmp_path: Path, listen: str, upstream: str) -> None:
    arguments = ["init", "--yes", "--listen", listen, "--envoy", "--upstream", upstream, "--out", str(tmp_path)]
    assert CliRunner().invoke(root, arguments).exit_code == 0
    command = [binary(), "--mode", "validate", "-c", str(tmp_path / "envoy.yaml"), "-l", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


def test_what_init_writes_works_at_once(shared: Shared, tmp_path: Path) -> None:
    """Issuer, upstream, sidecar and Envoy are real; only ports are changed."""
    flags = ["--issuer", shared.corp.url, "--audience", "https://api.example.com", "--listen", f"unix://{tmp_path}/check.sock"]
    flags += ["--api-keys", "--envoy", "--upstream", f"127.0.0.1:{shared.upstream.port}", "--route", "GET /posts posts:read"]
    assert CliRunner().invoke(root, ["init", *flags, "--out", str(tmp_path)]).exit_code == 0
    telemetry, admin, port, envoy_admin = (free_port() for _ in range(4))
    config, envoy = tmp_path / "sidecar.yaml", tmp_path / "envoy.yaml"
    config.write_text(config.read_text().replace("0.0.0.0:9193", f"127.0.0.1:{telemetry}").replace("127.0.0.1:9192", f"127.0.0.1:{admin}"))
    text = envoy.read_text().replace("address: 0.0.0.0, port_value: 8080", f"address: 127.0.0.1, port_value: {port}")
    envoy.write_text(text.replace("port_value: 9901", f"port_value: {envoy_admin}"))
    made = CliRunner().invoke(root, ["keys", "new", "--config", str(config), "--id", "billing", "--role", "reader"])
    sidecar = SidecarServer(tmp_path, config, telemetry=telemetry, admin=admin)
    proxy = Proc("envoy", [binary(), "-c", str(envoy), *ENVOY_OPTIONS], tmp_path)
    try:
        proxy.wait_ready(lambda: _answers(envoy_admin), 60)
        token = shared.corp.token(roles=["reader"])
        assert send(port, "/posts").status == 401
        assert send(port, "/posts", [("authorization", f"Bearer {token}")]).status == 200
        assert send(port, "/posts", [("x-api-key", made.stdout.strip())]).status == 200
        assert send(port, "/elsewhere", [("authorization", f"Bearer {token}")]).status == 403
    finally:
        proxy.stop()
        sidecar.stop()


def _answers(port: int) -> bool:
    try:
        return send(port, "/ready", timeout=1).status == 200
    except (OSError, ValueError):
        return False
