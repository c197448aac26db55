"""Istio's RBAC filters in the real Envoy: one route for each pair, chosen by the header ``x-case``."""

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers.client import Connection, send
from tests.servers.envoy import OPTIONS, START_TIMEOUT, binary
from tests.servers.ports import free_port
from tests.servers.proc import Proc
from tests.support.tokens import jwks, shared_key

from .requests import Request

EXTENSIONS = "type.googleapis.com/envoy.extensions.filters.http"
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
FILTERS = 2
"""The most that Istio makes of one pair."""


class _From(Connection):
    """A connection from an address of one's own."""

    def __init__(self, source: str, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10.0, (source, 0))
        self._file = self._socket.makefile("rb")


class Theirs:
    """Envoy with the filters of many pairs."""

    def __init__(self, folder: Path, filters: Mapping[str, Sequence[dict[str, Any]]], ports: Sequence[int]) -> None:
        """Start it and wait until it serves. ``filters``: RBAC configurations by case; ``ports``: to listen on."""
        self.ports = ports
        self._admin = free_port()
        self._open: dict[tuple[str, int], _From] = {}
        config = folder / "envoy.json"
        config.write_text(json.dumps(self._config(filters)))
        self._proc = Proc("envoy", [binary(), "-c", str(config), *OPTIONS], folder)
        self._proc.wait_ready(self._ready, START_TIMEOUT)

    def _ready(self) -> bool:
        try:
            return send(self._admin, "/ready", timeout=1).status == 200
        except (OSError, ValueError):
            return False

    def _config(self, filters: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
        routes = [_route(case, several) for case, several in filters.items()]
        manager = {
            "@type": MANAGER,
            "stat_prefix": "test",
            "use_remote_address": False,
            "http_protocol_options": {"allow_custom_methods": True},
            "http_filters": [
                {"name": "envoy.filters.http.jwt_authn", "typed_config": _jwt()},
                *({"name": f"rbac-{n}", "typed_config": {"@type": f"{EXTENSIONS}.rbac.v3.RBAC"}} for n in range(FILTERS)),
                {"name": "router", "typed_config": {"@type": f"{EXTENSIONS}.router.v3.Router"}},
            ],
            "route_config": {"name": "test", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        }
        listeners = [
            {
                "name": f"port-{port}",
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
            }
            for port in self.ports
        ]
        admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self._admin}}}
        return {"admin": admin, "static_resources": {"listeners": listeners}}

    def status(self, case: str, request: Request, bearer: str) -> int:
        """The status that Envoy gives: 200 or 403 of the filters, 401 for a bad token, 400 for what it refuses."""
        key = (request.source, request.port)
        headers = [("host", request.host), ("x-case", case), ("x-forwarded-for", request.forwarded), *request.headers]
        headers += [("authorization", f"Bearer {bearer}")] if bearer else []
        for fresh in (False, True):
            if fresh or key not in self._open:
                self._open[key] = _From(request.source, self.ports[request.port])
            try:
                reply = self._open[key].send(request.method, request.path, headers)
            except OSError:
                self._open.pop(key).close()
                continue
            if reply.get("connection") == "close":
                self._open.pop(key).close()
            return reply.status
        raise AssertionError(f"Envoy closes the connection on {request}")

    def stop(self) -> None:
        """Stop it."""
        for one in self._open.values():
            one.close()
        self._proc.stop()


def _route(case: str, filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    assert len(filters) <= FILTERS
    per_route = {f"rbac-{n}": {"@type": f"{EXTENSIONS}.rbac.v3.RBACPerRoute", "rbac": _untyped(one)} for n, one in enumerate(filters)}
    match = {"prefix": "/", "headers": [{"name": "x-case", "string_match": {"exact": case}}]}
    return {"match": match, "direct_response": {"status": 200}, "typed_per_filter_config": per_route}


def _untyped(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "@type"}


def _jwt() -> dict[str, Any]:
    """As Istio makes it of a RequestAuthentication (``policy_applier.go``), for any issuer."""
    provider = {
        "forward": True,
        "local_jwks": {"inline_string": jwks(shared_key("ES256")).decode()},
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["permission", "scope"]},
    }
    some = {"requires_any": {"requirements": [{"provider_name": "any"}, {"allow_missing": {}}]}}
    return {
        "@type": f"{EXTENSIONS}.jwt_authn.v3.JwtAuthentication",
        "providers": {"any": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": some}],
    }
