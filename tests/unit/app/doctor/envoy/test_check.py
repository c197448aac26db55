"""Every doubt that the doctor has about an Envoy configuration: the shipped one has none, and each change makes its finding."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.app.doctor.findings import Severity
from tests.support.envoy_config import PER_ROUTE, SHIPPED, Change, Parts, bad, diagnosed, expected, of_document

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
NAME = "envoy.filters.http.ext_authz"


def override(**config: Any) -> dict[str, Any]:
    return {"typed_per_filter_config": {NAME: {"@type": PER_ROUTE, **config}}}


def over_tls(parts: Parts, **common: Any) -> None:
    parts.move_to("10.0.0.7")
    parts.cluster["transport_socket"] = {"name": "tls", "typed_config": {"@type": TLS, "common_tls_context": common}}


def test_the_shipped_configuration_is_clean(tmp_path: Path) -> None:
    findings = diagnosed(tmp_path, lambda parts: None, expected())
    assert bad(findings) == []
    assert {finding.check for finding in findings} == {"envoy.filter", "envoy.manager", "envoy.cluster"}


FILTER: list[tuple[str, Change, str, str]] = [
    ("lets through", lambda p: p.filter.update(failure_mode_allow=True), "error", "envoy.failure_mode_allow"),
    ("yes", lambda p: p.filter.update(failure_mode_allow="yes"), "error", "envoy.failure_mode_allow"),
    (
        "camel case",
        lambda p: p.filter.update(failureModeAllow=p.filter.pop("failure_mode_allow") is False),
        "error",
        "envoy.failure_mode_allow",
    ),
    ("no status", lambda p: p.filter.pop("status_on_error"), "warning", "envoy.status_on_error"),
    ("403", lambda p: p.filter.update(status_on_error={"code": "Forbidden"}), "warning", "envoy.status_on_error"),
    ("200", lambda p: p.filter.update(status_on_error={"code": 200}), "error", "envoy.status_on_error"),
    ("OK", lambda p: p.filter.update(status_on_error={"code": "OK"}), "error", "envoy.status_on_error"),
    ("a redirect", lambda p: p.filter.update(status_on_error={"code": "TemporaryRedirect"}), "error", "envoy.status_on_error"),
    ("404", lambda p: p.filter.update(status_on_error={"code": "NotFound"}), "warning", "envoy.status_on_error"),
    ("429", lambda p: p.filter.update(status_on_error={"code": 429}), "warning", "envoy.status_on_error"),
    ("no name of a status", lambda p: p.filter.update(status_on_error={"code": "serviceunavailable"}), "warning", "envoy.status_on_error"),
    ("600", lambda p: p.filter.update(status_on_error={"code": 600}), "warning", "envoy.status_on_error"),
    ("too short", lambda p: p.service.update(timeout="0.150s"), "error", "envoy.timeout"),
    ("much too long", lambda p: p.service.update(timeout="600s"), "warning", "envoy.timeout"),
    ("for ever", lambda p: p.service.update(timeout="0s"), "warning", "envoy.timeout"),
    ("retries", lambda p: p.service.update(retry_policy={"num_retries": 2}), "warning", "envoy.retry_policy"),
    ("merged headers", lambda p: p.filter.pop("encode_raw_headers"), "warning", "envoy.encode_raw_headers"),
    ("mutations", lambda p: p.filter.update(validate_mutations=False), "warning", "envoy.validate_mutations"),
    ("route cache", lambda p: p.filter.update(clear_route_cache=True), "warning", "envoy.clear_route_cache"),
    ("V2", lambda p: p.filter.update(transport_api_version="AUTO"), "error", "envoy.transport_api_version"),
    ("no version", lambda p: p.filter.pop("transport_api_version"), "error", "envoy.transport_api_version"),
    ("body", lambda p: p.filter.update(with_request_body={"max_request_bytes": 8192}), "warning", "envoy.with_request_body"),
    (
        "share",
        lambda p: p.filter.update(filter_enabled={"default_value": {"numerator": 50}}),
        "error",
        "envoy.filter_enabled",
    ),
    (
        "runtime",
        lambda p: p.filter.update(filter_enabled={"default_value": {"numerator": 100}, "runtime_key": "check"}),
        "warning",
        "envoy.filter_enabled",
    ),
    (
        "metadata",
        lambda p: p.filter.update(filter_enabled_metadata={"filter": "mine", "path": [{"key": "check"}]}),
        "error",
        "envoy.filter_enabled_metadata",
    ),
    ("rules", lambda p: p.filter.update(decoder_header_mutation_rules={"disallow_all": True}), "error", "envoy.header_mutation_rules"),
    ("off", lambda p: p.item.update(disabled=True), "error", "envoy.disabled"),
]
MANAGER: list[tuple[str, Change, str, str]] = [
    ("dots", lambda p: p.manager.update(normalize_path=False), "warning", "envoy.normalize_path"),
    ("slashes", lambda p: p.manager.pop("merge_slashes"), "warning", "envoy.merge_slashes"),
    ("%2F kept", lambda p: p.manager.pop("path_with_escaped_slashes_action"), "warning", "envoy.escaped_slashes"),
    (
        "%2F undone",
        lambda p: p.manager.update(path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD"),
        "warning",
        "envoy.escaped_slashes",
    ),
    ("underscores", lambda p: p.manager.pop("common_http_protocol_options"), "warning", "envoy.underscores"),
    ("address", lambda p: p.manager.pop("use_remote_address"), "warning", "envoy.use_remote_address"),
    ("hops", lambda p: p.manager.update(xff_num_trusted_hops=1), "warning", "envoy.trusted_hops"),
    ("admin", lambda p: p.document["admin"]["address"]["socket_address"].update(address="0.0.0.0"), "warning", "envoy.admin"),
]
ROUTES: list[tuple[str, Change, str, str]] = [
    ("route", lambda p: p.route.update(override(disabled=True)), "error", "envoy.route_disabled"),
    ("host", lambda p: p.host.update(override(disabled=True)), "error", "envoy.route_disabled"),
    (
        "any filter",
        lambda p: p.route.update({"typed_per_filter_config": {NAME: {"@type": FILTER_CONFIG, "disabled": True}}}),
        "error",
        "envoy.route_disabled",
    ),
    (
        "wrapped",
        lambda p: p.route.update(
            {"typed_per_filter_config": {"x": {"@type": FILTER_CONFIG, "config": {"@type": PER_ROUTE, "disabled": True}}}}
        ),
        "error",
        "envoy.route_disabled",
    ),
    ("time", lambda p: p.route.update(override(check_settings={"grpc_service": {"timeout": "0.1s"}})), "error", "envoy.timeout"),
    (
        "body",
        lambda p: p.route.update(override(check_settings={"with_request_body": {"max_request_bytes": 2_000_000}})),
        "error",
        "envoy.max_request_bytes",
    ),
    (
        "other service",
        lambda p: p.route.update(override(check_settings={"grpc_service": {"envoy_grpc": {"cluster_name": "other"}}})),
        "warning",
        "envoy.route_service",
    ),
    ("over HTTP", lambda p: p.route.update(override(check_settings={"http_service": {}})), "error", "envoy.route_service"),
]
CLUSTER: list[tuple[str, Change, str, str]] = [
    ("no checks", lambda p: p.cluster.pop("health_checks"), "warning", "envoy.health_checks"),
    ("slow checks", lambda p: p.cluster["health_checks"][0].update(interval="10s"), "warning", "envoy.health_checks"),
    (
        "HTTP checks",
        lambda p: p.cluster.update(health_checks=[{"http_health_check": {"path": "/"}}]),
        "warning",
        "envoy.health_checks",
    ),
    ("no bound", lambda p: p.cluster.pop("circuit_breakers"), "warning", "envoy.circuit_breakers"),
    ("Envoy's bound", lambda p: p.cluster.update(circuit_breakers={"thresholds": [{}]}), "warning", "envoy.circuit_breakers"),
    (
        "a wide bound",
        lambda p: p.cluster.update(circuit_breakers={"thresholds": [{"max_requests": 1024}]}),
        "warning",
        "envoy.circuit_breakers",
    ),
    (
        "a bound for others",
        lambda p: p.cluster.update(circuit_breakers={"thresholds": [{"priority": "HIGH", "max_requests": 128}]}),
        "warning",
        "envoy.circuit_breakers",
    ),
    ("HTTP/1", lambda p: p.cluster.pop("typed_extension_protocol_options"), "error", "envoy.http2"),
    ("elsewhere", lambda p: p.address.update(pipe={"path": "/run/other.sock"}), "warning", "envoy.address"),
    ("unknown", lambda p: p.service.update(envoy_grpc={"cluster_name": "gone"}), "warning", "envoy.cluster"),
]


@pytest.mark.parametrize(
    ("change", "severity", "check"),
    [row[1:] for row in [*FILTER, *MANAGER, *ROUTES, *CLUSTER]],
    ids=[row[0] for row in [*FILTER, *MANAGER, *ROUTES, *CLUSTER]],
)
def test_each_weakness_is_found(tmp_path: Path, change: Change, severity: str, check: str) -> None:
    found = diagnosed(tmp_path, change, expected())
    assert bad(found) == [(severity, check)]
    (finding,) = (one for one in found if one.severity is not Severity.OK)
    assert finding.hint
    assert finding.where.file.endswith("envoy.json")
    assert finding.where.line > 1
    assert "static_resources" in finding.where.key or finding.where.key.startswith("admin")


def test_the_default_timeout_counts_where_none_is_said(tmp_path: Path) -> None:
    assert bad(diagnosed(tmp_path, lambda p: p.service.pop("timeout"), expected())) == []
    assert bad(diagnosed(tmp_path, lambda p: p.service.pop("timeout"), expected(check_deadline="200ms"))) == [("error", "envoy.timeout")]


def test_a_longer_timeout_of_a_route_is_fine(tmp_path: Path) -> None:
    """Login paths need it."""
    change = override(check_settings={"grpc_service": {"timeout": "5s"}, "context_extensions": {"tier": "internal"}})
    assert bad(diagnosed(tmp_path, lambda p: p.route.update(change), expected())) == []


def test_what_is_not_compared_needs_no_configuration_of_ours(tmp_path: Path) -> None:
    assert bad(diagnosed(tmp_path, lambda p: p.filter.update(failure_mode_allow=True), None)) == [("error", "envoy.failure_mode_allow")]


@pytest.mark.parametrize(
    ("use", "proxies", "hops", "wanted"),
    [
        (True, 0, 0, []),
        (True, 0, 1, []),
        (True, 1, 2, []),
        (False, 0, 0, []),
        (True, 1, 1, [("warning", "envoy.trusted_hops")]),
        (True, 0, 2, [("error", "envoy.trusted_hops")]),
        (False, 0, 1, [("error", "envoy.trusted_hops")]),
        (False, 1, 2, []),
        (False, 1, 3, [("error", "envoy.trusted_hops")]),
    ],
)
def test_trusted_hops_are_compared(tmp_path: Path, use: bool, proxies: int, hops: int, wanted: list[tuple[str, str]]) -> None:
    side = expected(client_address={"trusted_hops": hops, "from": ["10.0.0.0/8"]} if hops else {})
    change = {"use_remote_address": use, "xff_num_trusted_hops": proxies}
    assert bad(diagnosed(tmp_path, lambda p: p.manager.update(change), side)) == wanted


def test_an_envoy_that_does_not_append_makes_hops_a_lie(tmp_path: Path) -> None:
    side = expected(client_address={"trusted_hops": 1, "from": ["10.0.0.0/8"]})
    assert ("error", "envoy.trusted_hops") in bad(diagnosed(tmp_path, lambda p: p.manager.update(skip_xff_append=True), side))


HIDDEN = ("error", "envoy.hidden_headers")
SOME = ("warning", "envoy.hidden_headers")


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"disallowed_headers": {"patterns": [{"exact": "x-api-key"}]}}, [HIDDEN, SOME]),
        ({"disallowed_headers": {"patterns": [{"prefix": "AUTH", "ignore_case": True}]}}, [HIDDEN, SOME]),
        ({"disallowed_headers": {"patterns": [{"exact": "x-large"}]}}, [SOME]),
        ({"allowed_headers": {"patterns": [{"exact": "authorization"}]}}, [HIDDEN, SOME]),
        ({"allowed_headers": {"patterns": [{"safe_regex": {"regex": "x-.*|auth.*"}}]}}, [SOME]),
        ({"allowed_headers": {"patterns": [{"suffix": "-key"}, {"contains": "thori"}]}}, [SOME]),
        ({"allowed_headers": {"patterns": [{"safe_regex": {"regex": "("}}]}}, [HIDDEN, HIDDEN, SOME]),
    ],
)
def test_hidden_credentials_are_found(tmp_path: Path, config: dict[str, Any], wanted: list[tuple[str, str]]) -> None:
    """The configuration reads authorization and x-api-key."""
    assert bad(diagnosed(tmp_path, lambda p: p.filter.update(config), expected())) == wanted


def test_forwarded_for_must_not_be_hidden_where_it_counts(tmp_path: Path) -> None:
    hide = {"disallowed_headers": {"patterns": [{"exact": "x-forwarded-for"}]}}
    side = expected(client_address={"trusted_hops": 1, "from": ["10.0.0.0/8"]})
    assert bad(diagnosed(tmp_path, lambda p: p.filter.update(hide), expected())) == [SOME]
    assert bad(diagnosed(tmp_path, lambda p: p.filter.update(hide), side)) == [HIDDEN, SOME]


def test_plain_tcp_is_for_loopback(tmp_path: Path) -> None:
    side = expected(listen="127.0.0.1:9191")
    assert bad(diagnosed(tmp_path, lambda p: p.move_to("127.0.0.1"), side)) == []
    assert bad(diagnosed(tmp_path, lambda p: p.move_to("127.0.0.1", 9999), side)) == [("warning", "envoy.address")]
    far = bad(diagnosed(tmp_path, lambda p: p.move_to("10.0.0.7"), side))
    assert far == [("error", "envoy.plaintext"), ("warning", "envoy.address")]


@pytest.mark.parametrize("code", [503, "503", 500, "ServiceUnavailable", "GatewayTimeout", "LoopDetected"])
def test_each_fault_is_a_good_status(tmp_path: Path, code: object) -> None:
    assert bad(diagnosed(tmp_path, lambda p: p.filter.update(status_on_error={"code": code}), expected())) == []


@pytest.mark.parametrize(
    "threshold", [{"max_requests": 64}, {"priority": "DEFAULT", "max_requests": 128}, {"priority": 0, "maxRequests": "128"}]
)
def test_each_narrow_bound_is_a_good_one(tmp_path: Path, threshold: dict[str, object]) -> None:
    thresholds = [{"priority": "HIGH", "max_requests": 1024}, threshold]
    assert bad(diagnosed(tmp_path, lambda p: p.cluster.update(circuit_breakers={"thresholds": thresholds}), expected())) == []


def test_tls_has_to_verify(tmp_path: Path) -> None:
    side = expected(listen="0.0.0.0:9191", tls={"cert_file": "/c", "key_file": "/k", "client_ca_file": "/a"})
    assert bad(diagnosed(tmp_path, over_tls, side)) == [("error", "envoy.tls")]
    assert bad(diagnosed(tmp_path, lambda p: over_tls(p, validation_context={"trusted_ca": {"filename": "/ca"}}), side)) == []


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("unix:/run/sidecar/check.sock", ["envoy.health_checks"]),
        ("dns:///sidecar.example:9191", ["envoy.plaintext", "envoy.health_checks"]),
    ],
)
def test_googles_client_is_followed(tmp_path: Path, target: str, wanted: list[str]) -> None:
    service = {"google_grpc": {"target_uri": target, "stat_prefix": "x"}, "timeout": "0.25s"}
    assert [check for _, check in bad(diagnosed(tmp_path, lambda p: p.filter.update(grpc_service=service), expected()))] == wanted


def test_a_filter_over_http_is_not_ours(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        del parts.filter["grpc_service"]
        parts.filter["http_service"] = {"server_uri": {"uri": "http://127.0.0.1:1", "cluster": "sidecar", "timeout": "0.25s"}}

    assert ("error", "envoy.service") in bad(diagnosed(tmp_path, change, expected()))


def test_a_second_listener_that_asks_nobody_is_found(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        other = copy.deepcopy(parts.listener)
        other["name"] = "other"
        del other["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0]
        parts.document["static_resources"]["listeners"].append(other)

    found = diagnosed(tmp_path, change, expected())
    assert bad(found) == [("warning", "envoy.unasked")]
    assert any("listeners[1]" in finding.where.key for finding in found)


def test_an_envoy_that_never_asks_is_an_error(tmp_path: Path) -> None:
    assert bad(diagnosed(tmp_path, lambda p: p.manager["http_filters"].pop(0), expected())) == [("error", "envoy.ext_authz")]


def test_connections_are_no_requests(tmp_path: Path) -> None:
    config = {"@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz", "stat_prefix": "x"}
    network = {"name": "tcp", "typed_config": config}
    change: Change = lambda p: p.listener["filter_chains"][0]["filters"].insert(0, network)  # noqa: E731
    assert bad(diagnosed(tmp_path, change, expected())) == [("warning", "envoy.network_filter")]


def test_istios_way_to_choose_is_named_and_no_error(tmp_path: Path) -> None:
    choice = {"filter": "envoy.filters.http.rbac", "path": [{"key": "istio-ext-authz-shadow-effective-policy-id"}]}
    found = diagnosed(tmp_path, lambda p: p.filter.update(filter_enabled_metadata=choice), expected())
    assert bad(found) == []
    assert any("AuthorizationPolicy" in finding.message for finding in found)


def test_a_dump_counts_each_part_once_and_leaves_out_what_drains(tmp_path: Path) -> None:
    parts = Parts()
    resources = copy.deepcopy(parts.document["static_resources"])
    bootstrap = {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"static_resources": resources}}
    old = copy.deepcopy(parts.listener)
    old["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]["failure_mode_allow"] = True
    dynamic = {"name": "ingress", "active_state": {"listener": parts.listener}, "draining_state": {"listener": old}}
    listeners = {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [dynamic]}
    cluster = {key: value for key, value in parts.cluster.items() if key != "load_assignment"} | {"type": "EDS"}
    clusters = {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [{"cluster": cluster}]}
    endpoint = {"endpoint_config": parts.cluster["load_assignment"]}
    endpoints = {"@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "dynamic_endpoint_configs": [endpoint]}
    found = of_document(tmp_path, {"configs": [bootstrap, clusters, endpoints, listeners]}, expected())
    assert bad(found) == []
    assert sorted(finding.check for finding in found) == ["envoy.cluster", "envoy.filter", "envoy.manager"]
    assert any("1 endpoint" in finding.message for finding in found)
    parts.address["pipe"]["path"] = "/elsewhere.sock"
    assert bad(of_document(tmp_path, {"configs": [bootstrap, clusters, endpoints, listeners]}, expected())) == [
        ("warning", "envoy.address")
    ]


def test_an_old_envoy_is_named(tmp_path: Path) -> None:
    node = {"user_agent_build_version": {"version": {"major_number": 1, "minor_number": 29}}}
    assert bad(diagnosed(tmp_path, lambda p: p.document.update(node=node), expected())) == [("warning", "envoy.version")]


def test_settings_inside_a_typed_struct_count(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        config = {**parts.filter, "failure_mode_allow": True}
        name = config.pop("@type")
        parts.item["typed_config"] = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": name, "value": config}

    assert bad(diagnosed(tmp_path, change, expected())) == [("error", "envoy.failure_mode_allow")]


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    """Whatever stands where: no value that could be a secret comes out, of a finding or of an error."""
    canary = "c4n4ry-of-this-test"

    def change(parts: Parts) -> None:
        parts.service["initial_metadata"] = [{"key": "authorization", "value": canary}]
        parts.service["timeout"] = canary
        parts.filter["status_on_error"] = {"code": canary}
        parts.filter["failure_mode_allow"] = canary
        parts.filter["allowed_headers"] = {"patterns": [{"safe_regex": {"regex": f"({canary}"}}]}
        parts.manager["path_with_escaped_slashes_action"] = canary
        parts.cluster["health_checks"] = [{"interval": canary, "grpc_health_check": {"initial_metadata": canary}}]
        over_tls(parts, tls_certificates=[{"private_key": {"inline_string": canary}}])

    found = diagnosed(tmp_path, change, expected())
    assert len(bad(found)) > 5
    assert canary not in repr(found)


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    document = yaml.safe_load(SHIPPED.read_text())
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert bad(of_document(tmp_path, document, expected())) == []
