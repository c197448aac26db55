"""The way from Envoy to the sidecar: address, TLS, health checks."""

from collections.abc import Iterator, Mapping

from sidecar.app.doctor.expected import Expected
from sidecar.app.doctor.findings import Findings
from sidecar.model.addresses import is_loopback, parse_listen

from .tree import Node

UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
MAX_REQUESTS = 128
"""Checks that may be open, as shipped (docs/adr/0012)."""
DEFAULT_PRIORITY = frozenset({None, "DEFAULT", 0})
_PLAIN = "a Unix socket or loopback in the same pod, or TLS on both sides (server.tls, transport_socket)"


def clusters_by_name(parts: list[Node]) -> Mapping[str, Node]:
    """Every cluster of the configuration, in a bootstrap file or a config_dump."""
    found: dict[str, Node] = {}
    for part in parts:
        for node in (*part.get("clusters").items(), part.get("cluster")):
            name = node.get("name").value
            if isinstance(node.value, dict) and isinstance(name, str):
                found.setdefault(name, node)
    return found


def assignments_by_name(parts: list[Node]) -> Mapping[str, Node]:
    """Endpoints that a config_dump lists apart from their clusters."""
    named = ((part.get("cluster_name").value, part) for part in parts if part.get("endpoints").there)
    return {name: part for name, part in named if isinstance(name, str)}


def check_service(
    service: Node, clusters: Mapping[str, Node], assignments: Mapping[str, Node], expected: Expected | None, findings: Findings
) -> None:
    """Follow a filter's ``grpc_service`` to the sidecar."""
    name = service.get("envoy_grpc", "cluster_name")
    target = service.get("google_grpc", "target_uri")
    if target.there:
        _check_google(service.get("google_grpc"), findings)
    elif name.there:
        cluster = clusters.get(name.value) if isinstance(name.value, str) else None
        if cluster is None:
            findings.warning(
                "envoy.cluster", name.where, f"the cluster {name.text!r} is not in this configuration", "give the whole /config_dump"
            )
        else:
            _check_cluster(cluster, assignments, expected, findings)


def _check_google(google: Node, findings: Findings) -> None:
    target = google.get("target_uri")
    address = str(target.value).removeprefix("dns:").lstrip("/")
    listen = parse_listen(address)
    local = str(target.value).startswith(("unix:", "unix-abstract:")) or (listen is not None and listen.loopback)
    if not local and not google.get("channel_credentials", "ssl_credentials").there:
        findings.error("envoy.plaintext", target.where, "the sidecar is asked over the network without TLS", _PLAIN)
    findings.warning(
        "envoy.health_checks",
        google.where,
        "Google's gRPC client checks no health: a draining sidecar is asked until it is gone",
        "envoy_grpc",
    )


def _check_cluster(cluster: Node, assignments: Mapping[str, Node], expected: Expected | None, findings: Findings) -> None:
    start = len(findings.all)
    name = cluster.get("name")
    assignment = cluster.get("load_assignment")
    if not assignment.there:
        assignment = assignments.get(str(name.value), assignment)
    endpoints = list(_addresses(assignment))
    for address in endpoints:
        _check_address(address, cluster, findings)
    if expected is not None and endpoints and not any(_is_ours(address, expected.listen) for address in endpoints):
        findings.warning(
            "envoy.address", assignment.where, f"no endpoint is where the sidecar listens ({expected.listen})", "correct one of the two"
        )
    _check_protocol(cluster, findings)
    _check_health(cluster, expected, findings)
    _check_bound(cluster, findings)
    if findings.sound_since(start):
        where = f"{len(endpoints)} endpoint{'' if len(endpoints) == 1 else 's'}" if endpoints else "endpoints come by discovery"
        findings.ok("envoy.cluster", cluster.where, f"the cluster {name.text!r} reaches the sidecar safely; {where}")


def _addresses(assignment: Node) -> Iterator[Node]:
    for locality in assignment.get("endpoints").items():
        for endpoint in locality.get("lb_endpoints").items():
            yield endpoint.get("endpoint", "address")


def _check_address(address: Node, cluster: Node, findings: Findings) -> None:
    host = address.get("socket_address", "address")
    if not host.there or is_loopback(str(host.value)):
        return
    if not cluster.get("transport_socket").there and not cluster.get("transport_socket_matches").there:
        findings.error(
            "envoy.plaintext",
            address.where,
            "the sidecar is asked over the network without TLS: whoever sits on the way reads credentials and writes answers",
            _PLAIN,
        )
        return
    tls = cluster.get("transport_socket", "typed_config")
    common = tls.get("common_tls_context")
    verified = any(
        common.get(field).there for field in ("validation_context", "validation_context_sds_secret_config", "combined_validation_context")
    )
    if tls.type == UPSTREAM_TLS and not verified:
        findings.error(
            "envoy.tls",
            tls.where,
            "the sidecar's certificate is not verified: whoever sits on the way can answer in its place",
            "common_tls_context: {validation_context: {trusted_ca: …, match_typed_subject_alt_names: […]}}",
        )


def _is_ours(address: Node, text: str) -> bool:
    listen = parse_listen(text)
    pipe, there = address.get("pipe", "path"), address.get("socket_address")
    if listen is None or pipe.there or listen.kind == "unix":
        return listen is not None and listen.kind == "unix" and pipe.value == listen.path
    host = str(there.get("address").value)
    everywhere = listen.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    reached = everywhere or host == listen.host or (listen.loopback and is_loopback(host))
    return reached and there.get("port_value").number == listen.port


def _check_protocol(cluster: Node, findings: Findings) -> None:
    """GRPC needs HTTP/2, which Envoy speaks to an upstream only where it is told to."""
    options = cluster.get("typed_extension_protocol_options")
    typed = next((value for name, value in options.fields() if HTTP_OPTIONS in {name, value.type}), options)
    explicit = typed.get("explicit_http_config")
    ways = (cluster.get("http2_protocol_options"), explicit.get("http2_protocol_options"), typed.get("auto_config"))
    if not any(way.there for way in (*ways, typed.get("use_downstream_protocol_config", "http2_protocol_options"))):
        findings.error(
            "envoy.http2",
            cluster.where,
            "does not speak HTTP/2, which gRPC needs",
            "typed_extension_protocol_options with explicit_http_config: {http2_protocol_options: {}}",
        )


def _check_health(cluster: Node, expected: Expected | None, findings: Findings) -> None:
    checks = list(cluster.get("health_checks").items())
    if not checks:
        findings.warning(
            "envoy.health_checks",
            cluster.get("health_checks").where,
            "are missing: a sidecar that shuts down is asked until it is gone",
            "health_checks with grpc_health_check: {}, interval 1s, unhealthy_threshold 2",
        )
    for check in checks:
        if not check.get("grpc_health_check").there:
            findings.warning(
                "envoy.health_checks", check.where, "is no gRPC check: a sidecar that drains counts as healthy", "grpc_health_check: {}"
            )
            continue
        interval = check.get("interval").seconds or 0.0
        until = (check.get("unhealthy_threshold").number or 1) * (interval + (check.get("timeout").seconds or 0.0))
        if expected is not None and until > expected.shutdown_delay:
            findings.warning(
                "envoy.health_checks",
                check.where,
                f"take up to {until:g} s to notice a sidecar that shuts down, which answers for server.shutdown_delay "
                f"({expected.shutdown_delay:g} s) only",
                "interval 1s, unhealthy_threshold 2, or a longer shutdown_delay",
            )


def _check_bound(cluster: Node, findings: Findings) -> None:
    """Without a bound at Envoy each check that comes costs the sidecar time, refused or not."""
    breakers = cluster.get("circuit_breakers")
    bounds = [one.get("max_requests") for one in breakers.get("thresholds").items() if one.get("priority").word in DEFAULT_PRIORITY]
    if not bounds or any(bound.number is None or bound.number > MAX_REQUESTS for bound in bounds):
        findings.warning(
            "envoy.circuit_breakers",
            breakers.where,
            f"more than {MAX_REQUESTS} checks may be open (1024 unless it is said): under overload none is answered in time",
            f"circuit_breakers: {{thresholds: [{{max_requests: {MAX_REQUESTS}}}]}} (docs/explanation/performance.md#overload)",
        )
