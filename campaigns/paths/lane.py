"""One lane: an upstream, a sidecar with the rules that belong to it, and an Envoy with the shipped listener and a plain one."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from tests.servers.envoy import EnvoyServer, manager
from tests.servers.issuer import IssuerSimulator
from tests.servers.ports import free_port
from tests.servers.sidecar import SidecarServer
from tests.upstreams.programs import Program, Upstream

CONFIG = Path(__file__).with_name("sidecar.yaml")
LISTENERS = ("shipped", "plain")
"""Envoy as shipped, and one with Envoy's defaults for paths and headers."""
ENVOY_TIMEOUT = "4s"
ROUTE = "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:route)%"


class TellingEnvoy(EnvoyServer):
    """Adds ``x-route`` to each answer: the rule by which the sidecar decided."""

    def _config(self, sidecars: Any, upstream: str, overrides: dict[str, Any]) -> dict[str, Any]:
        config = super()._config(sidecars, upstream, overrides)
        for listener in config["static_resources"]["listeners"]:
            http = manager(listener)
            http["route_config"]["response_headers_to_add"] = [{"header": {"key": "x-route", "value": ROUTE}}]
            http["delayed_close_timeout"] = "0s"  # after a malformed request; a second by default, for each
            del http["access_log"]  # hundreds of thousands of lines that nobody reads
        return config


class Lane:
    """What is running for one upstream. ``ports``: by listener."""

    def __init__(self, program: Program, envoy: TellingEnvoy) -> None:
        self.program = program
        self.ports = {"shipped": envoy.port, "plain": envoy.plain_port}


@contextlib.contextmanager
def running(program: Program, issuer: IssuerSimulator, rules: str = "") -> Iterator[Lane]:
    """Start a lane. ``rules``: another configuration than the one that belongs to the upstream's handlers."""
    with tempfile.TemporaryDirectory(prefix="sidecar-lane-") as name, contextlib.ExitStack() as opened:
        folder = Path(name)
        upstream = Upstream(program, folder)
        opened.callback(upstream.stop)
        telemetry, admin, socket = free_port(), free_port(), folder / "check.sock"
        values = {
            "SOCKET": socket,
            "CASE": program.case,
            "TRAILING_SLASH": program.trailing_slash,
            "TELEMETRY": telemetry,
            "ADMIN": admin,
            "ISSUER": issuer.url,
        }
        config = folder / "sidecar.yaml"
        config.write_text(Template(rules or CONFIG.read_text()).substitute(values))
        sidecar = SidecarServer(folder, config, telemetry=telemetry, admin=admin)
        opened.callback(sidecar.stop)
        envoy = TellingEnvoy(
            folder, sidecars=[f"unix://{socket}"], upstream=f"127.0.0.1:{upstream.port}", plain=True, timeout=ENVOY_TIMEOUT
        )
        opened.callback(envoy.stop)
        yield Lane(program, envoy)
