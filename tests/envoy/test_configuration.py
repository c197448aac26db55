"""The shipped ``envoy/envoy.yaml``: valid and hardened. The manifests beside it: tests/project/test_manifests.py."""

import subprocess
from typing import Any

import yaml

from tests.servers.envoy import SHIPPED, binary, ext_authz, manager


def shipped() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED.read_text())


def listener() -> dict[str, Any]:
    return shipped()["static_resources"]["listeners"][0]


def test_envoy_accepts_the_shipped_file_as_it_stands():
    result = subprocess.run(
        [binary(), "--mode", "validate", "-c", SHIPPED, "-l", "warning"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "deprecated" not in result.stderr.lower()


def test_it_fails_closed():
    settings = ext_authz(listener())
    assert settings["failure_mode_allow"] is False
    assert settings["status_on_error"] == {"code": "ServiceUnavailable"}
    assert settings["validate_mutations"] is True
    assert settings["encode_raw_headers"] is True
    assert settings["grpc_service"]["timeout"] == "0.25s"
    assert "retry_policy" not in settings["grpc_service"]


def test_it_leaves_one_meaning_for_each_path():
    http = manager(listener())
    assert (http["normalize_path"], http["merge_slashes"], http["path_with_escaped_slashes_action"]) == (True, True, "REJECT_REQUEST")
    assert http["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"
    assert http["use_remote_address"] is True


def test_no_route_goes_around_the_sidecar():
    http = manager(listener())
    assert [item["name"] for item in http["http_filters"]] == ["envoy.filters.http.ext_authz", "envoy.filters.http.router"]
    routes = [route for host in http["route_config"]["virtual_hosts"] for route in host["routes"]]
    assert routes
    assert not any("typed_per_filter_config" in route or "retry_policy" in route["route"] for route in routes)


def test_health_checks_notice_a_drain_within_the_shutdown_delay():
    """Failures needed times (interval + timeout) has to stay below the default shutdown_delay of 5 s."""
    (check,) = next(cluster for cluster in shipped()["static_resources"]["clusters"] if cluster["name"] == "sidecar")["health_checks"]
    seconds = check["unhealthy_threshold"] * (float(check["interval"][:-1]) + float(check["timeout"][:-1]))
    assert seconds < 5
    assert check["no_traffic_interval"] == check["interval"]
