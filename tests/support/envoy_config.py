"""The shipped Envoy configuration with changes, and what the doctor says of it. Nothing is started."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sidecar.app.doctor.envoy.check import check_envoy
from sidecar.app.doctor.envoy.source import read_envoy
from sidecar.app.doctor.expected import Expected, expected_of
from sidecar.app.doctor.findings import Finding, Findings, Severity

from .settings import make_settings

SHIPPED = Path(__file__).parents[2] / "envoy" / "envoy.yaml"
PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
_DOCUMENT = yaml.safe_load(SHIPPED.read_text())

Change = Callable[["Parts"], object]


class Parts:
    """A copy of the shipped configuration by its parts, to be changed."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = copy.deepcopy(_DOCUMENT)
        resources = self.document["static_resources"]
        self.listener = resources["listeners"][0]
        self.manager = self.listener["filter_chains"][0]["filters"][0]["typed_config"]
        self.item = self.manager["http_filters"][0]
        self.filter = self.item["typed_config"]
        self.service = self.filter["grpc_service"]
        self.host = self.manager["route_config"]["virtual_hosts"][0]
        self.route = self.host["routes"][0]
        self.cluster = resources["clusters"][0]
        self.address = self.cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]

    def move_to(self, host: str, port: int = 9191) -> None:
        """Let the sidecar be somewhere else."""
        self.address.clear()
        self.address["socket_address"] = {"address": host, "port_value": port}


def expected(**server: Any) -> Expected:
    """Our side: the defaults on the shipped socket, with changes to ``server``."""
    return expected_of(make_settings(server={"listen": "unix:///run/sidecar/check.sock", **server}))


def diagnosed(folder: Path, change: Change, side: Expected | None) -> list[Finding]:
    """What the doctor says of a changed configuration."""
    parts = Parts()
    change(parts)
    return of_document(folder, parts.document, side)


def of_document(folder: Path, document: object, side: Expected | None) -> list[Finding]:
    """What the doctor says of a whole document."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(document, indent=1))
    findings = Findings()
    check_envoy(read_envoy(str(path)), side, findings)
    return findings.all


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    """(severity, check) of what is not as it should be."""
    return [(str(finding.severity), finding.check) for finding in findings if finding.severity is not Severity.OK]
