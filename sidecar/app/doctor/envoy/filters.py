"""The ext_authz filter itself: who is asked, how long, what is shown, and what happens when nobody answers."""

from sidecar.app.doctor.expected import Expected
from sidecar.app.doctor.findings import Findings

from .matchers import admits
from .tree import Node

EXT_AUTHZ = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
NETWORK_EXT_AUTHZ = "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"
ISTIO_RBAC = "envoy.filters.http.rbac"
DEFAULT_TIMEOUT = 0.2
LONG_TIMEOUT = 10.0
FORBIDDEN = frozenset({"Forbidden", 403})
FAULTS = frozenset(
    {
        *range(500, 600),
        "InternalServerError",
        "NotImplemented",
        "BadGateway",
        "ServiceUnavailable",
        "GatewayTimeout",
        "HTTPVersionNotSupported",
        "VariantAlsoNegotiates",
        "InsufficientStorage",
        "LoopDetected",
        "NotExtended",
        "NetworkAuthenticationRequired",
    }
)
"""Envoy's names of them, and numbers."""
NO_ERRORS = frozenset(
    {
        "Continue",
        "OK",
        "Created",
        "Accepted",
        "NonAuthoritativeInformation",
        "NoContent",
        "ResetContent",
        "PartialContent",
        "MultiStatus",
        "AlreadyReported",
        "IMUsed",
        "MultipleChoices",
        "MovedPermanently",
        "Found",
        "SeeOther",
        "NotModified",
        "UseProxy",
        "TemporaryRedirect",
        "PermanentRedirect",
    }
)
V3 = frozenset({"V3", 2})
PERCENT = {"HUNDRED": 100.0, "TEN_THOUSAND": 10_000.0, "MILLION": 1_000_000.0, 1: 10_000.0, 2: 1_000_000.0}


def check_filter(node: Node, expected: Expected | None, findings: Findings) -> None:
    """Look at one ext_authz filter (its typed_config)."""
    start, config = len(findings.all), node.message()
    if config.get("http_service").there:
        findings.error(
            "envoy.service",
            config.get("http_service").where,
            "asks over HTTP: the sidecar speaks gRPC only",
            "grpc_service: {envoy_grpc: {cluster_name: sidecar}, timeout: 0.25s}",
        )
    _check_failure(config, findings)
    _check_switches(config, findings)
    check_timeout(config.get("grpc_service"), expected, findings, default=DEFAULT_TIMEOUT)
    _check_view(config, findings)
    _check_hidden_headers(config, expected, findings)
    check_body(config.get("with_request_body"), expected, findings)
    if config.get("with_request_body").there:
        findings.warning(
            "envoy.with_request_body",
            config.get("with_request_body").where,
            "every request waits until its body is buffered, which stalls gRPC streams",
            "ask for the body on the routes that need it: check_settings.with_request_body under typed_per_filter_config",
        )
    _check_answers(config, findings)
    if findings.sound_since(start):
        certificates = "sees" if config.get("include_peer_certificate").is_true else "does not see"
        findings.ok("envoy.filter", node.where, f"ext_authz fails closed and shows all headers; the sidecar {certificates} certificates")


def _check_failure(config: Node, findings: Findings) -> None:
    allow = config.get("failure_mode_allow")
    if allow.is_true:
        findings.error(
            "envoy.failure_mode_allow",
            allow.where,
            "requests are let through unchecked when the sidecar cannot be asked",
            "set it to false",
        )
    code = config.get("status_on_error", "code")
    if not code.there or code.word in FORBIDDEN:
        findings.warning(
            "envoy.status_on_error",
            config.get("status_on_error").where,
            "a sidecar that cannot be asked looks like a denial (403)",
            "status_on_error: {code: ServiceUnavailable}",
        )
    elif code.word in NO_ERRORS or (code.number is not None and code.number < 400):  # noqa: PLR2004 - HTTP's own bound
        findings.error("envoy.status_on_error", code.where, "a fault is answered like a success", "{code: ServiceUnavailable}")
    elif code.word not in FAULTS and code.number not in FAULTS:
        findings.warning("envoy.status_on_error", code.where, "a fault is not answered like one (5xx)", "{code: ServiceUnavailable}")


def _check_switches(config: Node, findings: Findings) -> None:
    """What makes Envoy skip the question."""
    enabled, by_metadata = config.get("filter_enabled"), config.get("filter_enabled_metadata")
    default = enabled.get("default_value")
    share = (default.get("numerator").number or 0.0) / PERCENT.get(default.get("denominator").word or "HUNDRED", 100.0)
    if enabled.there and share < 1 and not _denies_when_disabled(config):
        findings.error(
            "envoy.filter_enabled", enabled.where, f"only {share:.0%} of the requests are checked, the others pass", "remove filter_enabled"
        )
    elif enabled.get("runtime_key").there and not _denies_when_disabled(config):
        findings.warning(
            "envoy.filter_enabled", enabled.where, "a runtime key can turn the check off", "remove filter_enabled, or set deny_at_disable"
        )
    if by_metadata.get("filter").value == ISTIO_RBAC:
        where = by_metadata.where
        findings.ok(
            "envoy.filter_enabled_metadata", where, "Istio's AuthorizationPolicy says which requests are checked: leave no path out of it"
        )
    elif by_metadata.there:
        findings.error(
            "envoy.filter_enabled_metadata",
            by_metadata.where,
            "requests without that metadata pass unchecked",
            "remove it; say `authenticate: [anonymous]` in the sidecar's routes instead",
        )
    version = config.get("transport_api_version")
    if version.word not in V3:
        findings.error("envoy.transport_api_version", version.where, "is not V3, the only version there is", "transport_api_version: V3")


def _denies_when_disabled(config: Node) -> bool:
    return config.get("deny_at_disable", "default_value").is_true


def check_timeout(service: Node, expected: Expected | None, findings: Findings, *, default: float | None) -> None:
    """Compare the timeout of a check with our deadline. ``default``: what counts without one; None: something outside."""
    field = service.get("timeout")
    timeout = field.seconds if field.there else default
    if service.get("retry_policy").there or service.get("envoy_grpc", "retry_policy").there:
        findings.warning(
            "envoy.retry_policy", service.get("retry_policy").where, "a second try doubles the load of a slow sidecar", "remove it"
        )
    if timeout is None:
        return
    if timeout == 0 or timeout > LONG_TIMEOUT:
        lasts = "without a bound" if timeout == 0 else f"for {timeout:g} s"
        findings.warning("envoy.timeout", field.where, f"a sidecar that hangs would hang every caller {lasts}", "timeout: 0.25s")
    elif expected is not None and timeout <= expected.check_deadline:
        said = f"{timeout * 1000:g} ms" if field.there else f"Envoy's default of {timeout * 1000:g} ms"
        findings.error(
            "envoy.timeout",
            field.where,
            f"{said} is not above server.check_deadline ({expected.check_deadline * 1000:g} ms): Envoy gives up first",
            f"timeout: {expected.check_deadline + 0.1:g}s, or a smaller server.check_deadline",
        )


def _check_view(config: Node, findings: Findings) -> None:
    """What the sidecar gets to see."""
    for name, why in (
        ("encode_raw_headers", "repeated headers arrive merged with commas, so that a second credential looks like one bad one"),
        ("validate_mutations", "an answer with an invalid header would not be refused"),
    ):
        if not config.get(name).is_true:
            findings.warning(f"envoy.{name}", config.get(name).where, f"is not set: {why}", f"{name}: true")
    cache = config.get("clear_route_cache")
    if cache.is_true:
        findings.warning(
            "envoy.clear_route_cache",
            cache.where,
            "Envoy chooses the route anew after the check: headers that the sidecar sets can lead to another one",
            "set it to false, unless routes match on those headers and none of them is weaker",
        )


def _check_hidden_headers(config: Node, expected: Expected | None, findings: Findings) -> None:
    allowed, disallowed = config.get("allowed_headers"), config.get("disallowed_headers")
    names = expected.credential_headers if expected is not None else ("authorization",)
    hops = expected is not None and expected.trusted_hops > 0
    for name in (*names, *(("x-forwarded-for",) if hops else ())):
        hiding = disallowed if disallowed.there and admits(disallowed, name) else allowed
        if hiding is disallowed or (allowed.there and not admits(allowed, name)):
            findings.error("envoy.hidden_headers", hiding.where, f"hides {name} from the sidecar, which needs it", "let the header through")
    for field in (allowed, disallowed):
        if field.there:
            findings.warning(
                "envoy.hidden_headers",
                field.where,
                "headers are hidden from the sidecar: look-alikes of its identity headers among them (x_user_id) reach the service",
                "remove it",
            )


def check_body(body: Node, expected: Expected | None, findings: Findings) -> None:
    """Compare the body that is sent along with what one check may hold."""
    size = body.get("max_request_bytes")
    if expected is not None and size.number is not None and size.number >= expected.max_check_size:
        findings.error(
            "envoy.max_request_bytes",
            size.where,
            f"with so large a body a check exceeds server.max_check_size ({expected.max_check_size} bytes) and is denied",
            "a smaller max_request_bytes, or a larger server.max_check_size",
        )


def _check_answers(config: Node, findings: Findings) -> None:
    rules = config.get("decoder_header_mutation_rules")
    if rules.get("disallow_all").is_true or rules.get("disallow_expression").there:
        findings.error(
            "envoy.header_mutation_rules",
            rules.where,
            "headers that the sidecar sets or removes may be left as the client sent them",
            "remove decoder_header_mutation_rules",
        )
