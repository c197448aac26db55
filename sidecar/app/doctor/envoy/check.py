"""All of an Envoy configuration: every ext_authz filter, wherever it stands, and what it hangs on."""

from sidecar.app.doctor.expected import Expected
from sidecar.app.doctor.findings import Findings

from .clusters import assignments_by_name, check_service, clusters_by_name
from .coverage import route_configurations, routes_behind
from .filters import EXT_AUTHZ, NETWORK_EXT_AUTHZ, check_filter
from .managers import MANAGER, asks, check_manager, filter_names
from .routes import check_overrides
from .source import BOOTSTRAP_DUMP, parts_in_use
from .tree import Node

OLDEST = (1, 30)


def check_envoy(root: Node, expected: Expected | None, findings: Findings) -> None:
    """Look at a whole configuration. ``expected``: None when the sidecar's own is not valid; then nothing is compared with it."""
    parts = list(parts_in_use(root))
    managers = [part for part in parts if part.type == MANAGER]
    filters = [part for part in parts if part.type == EXT_AUTHZ]
    _check_version(root, findings)
    _check_admin(root, findings)
    for part in parts:
        if part.type == NETWORK_EXT_AUTHZ:
            findings.warning(
                "envoy.network_filter",
                part.where,
                "asks about TCP connections: the sidecar denies all that is no HTTP request",
                "remove it",
            )
    if not filters and not any(asks(manager) for manager in managers):
        findings.error(
            "envoy.ext_authz", root.where, "has no ext_authz filter: the sidecar is never asked", "add the filter of envoy/envoy.yaml"
        )
        return
    outbound = [part.path for part in parts if part.get("traffic_direction").value == "OUTBOUND"]
    known = route_configurations(parts)
    for manager in managers:
        if asks(manager) or not any(manager.path[: len(path)] == path for path in outbound):
            check_manager(manager, routes_behind(manager, known), expected, findings)
    for node in filters:
        check_filter(node, expected, findings)
    names = set().union(*(filter_names(manager) for manager in managers))
    for part in parts:
        check_overrides(part, names, expected, findings)
    _check_services(filters, parts, expected, findings)


def _check_services(filters: list[Node], parts: list[Node], expected: Expected | None, findings: Findings) -> None:
    """Follow each way to a sidecar once, however many filters take it."""
    clusters, assignments = clusters_by_name(parts), assignments_by_name(parts)
    seen = set()
    for node in filters:
        service = node.message().get("grpc_service")
        target = str(service.get("envoy_grpc", "cluster_name").value), str(service.get("google_grpc", "target_uri").value)
        if target not in seen:
            seen.add(target)
            check_service(service, clusters, assignments, expected, findings)


def _check_version(root: Node, findings: Findings) -> None:
    """Only a config_dump says which Envoy it is."""
    for part in root.walk():
        version = part.get("user_agent_build_version", "version")
        if version.there:
            found = tuple(int(version.get(name).number or 0) for name in ("major_number", "minor_number"))
            words = ".".join(map(str, found))
            if found < OLDEST:
                findings.warning("envoy.version", version.where, f"Envoy {words} is older than what is supported", "Envoy 1.30 or newer")
            else:
                findings.ok("envoy.version", version.where, f"Envoy {words}")
            return


def _check_admin(root: Node, findings: Findings) -> None:
    for holder in (root, *(part.get("bootstrap") for part in root.walk() if part.type == BOOTSTRAP_DUMP)):
        host = holder.get("admin", "address", "socket_address", "address")
        if host.there and not str(host.value).startswith("127.") and host.word not in {"::1", "localhost"}:
            findings.warning("envoy.admin", host.where, "Envoy's admin interface can stop it, and others reach it here", "127.0.0.1")
