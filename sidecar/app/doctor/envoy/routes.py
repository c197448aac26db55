"""What single routes, virtual hosts and clusters change about ext_authz (``typed_per_filter_config``)."""

from collections.abc import Set as AbstractSet

from sidecar.app.doctor.expected import Expected
from sidecar.app.doctor.findings import Findings

from .filters import check_body, check_timeout
from .tree import Node

PER_ROUTE = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
ANY_FILTER = "envoy.config.route.v3.FilterConfig"
USUAL_NAME = "envoy.filters.http.ext_authz"
_WAY_OUT = "remove it; say `authenticate: [anonymous]` in the sidecar's routes, which still removes forged identity headers"


def check_overrides(node: Node, names: AbstractSet[str], expected: Expected | None, findings: Findings) -> None:
    """Look at the ``typed_per_filter_config`` of one map. ``names``: what the ext_authz filters are called."""
    for name, override in node.get("typed_per_filter_config").fields():
        if override.type == ANY_FILTER:
            fields = override.message()
            inner = fields.get("config")
            if fields.get("disabled").is_true and (name in names or name == USUAL_NAME or inner.type == PER_ROUTE):
                findings.error("envoy.route_disabled", fields.get("disabled").where, "requests pass here unchecked", _WAY_OUT)
            override = inner  # noqa: PLW2901 - the same override, unwrapped
        if override.type == PER_ROUTE:
            _check_override(override.message(), expected, findings)


def _check_override(config: Node, expected: Expected | None, findings: Findings) -> None:
    if config.get("disabled").is_true:
        findings.error("envoy.route_disabled", config.get("disabled").where, "requests pass here unchecked", _WAY_OUT)
    settings = config.get("check_settings")
    check_body(settings.get("with_request_body"), expected, findings)
    # A route that names no timeout keeps the filter's.
    check_timeout(settings.get("grpc_service"), expected, findings, default=None)
    other = settings.get("http_service")
    if other.there:
        findings.error("envoy.route_service", other.where, "these requests are checked by an HTTP service instead", "remove it")
    if settings.get("grpc_service", "envoy_grpc").there or settings.get("grpc_service", "google_grpc").there:
        service = settings.get("grpc_service")
        findings.warning(
            "envoy.route_service", service.where, "these requests are checked by a service of their own", "see that it is a sidecar, too"
        )
