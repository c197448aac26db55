"""The files in ``envoy/`` and ``deploy/``: valid, hardened, and agreeing with each other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest.drivers import find
from tests.servers.envoy import SHIPPED, binary, ext_authz, manager

ROOT = SHIPPED.parents[1]
MANIFESTS = sorted([*(ROOT / "envoy").rglob("*.yaml"), *(ROOT / "deploy").rglob("*.yaml")])
SOCKET = "/run/sidecar/check.sock"

PARSE = """
import json, sys
from google.protobuf import any_pb2, json_format
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
for patch in json.load(sys.stdin):
    json_format.ParseDict(patch, any_pb2.Any())
"""
"""In a process of its own: Envoy's real protobuf names and ours must not meet in one descriptor pool."""


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def shipped() -> dict[str, Any]:
    return documents(SHIPPED)[0]


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


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_manifest_is_yaml_with_a_kind(path):
    if path == SHIPPED or path.name == "mesh-config.yaml":
        return
    for document in documents(path):
        assert {"apiVersion", "kind", "metadata", "spec" if document["kind"] != "ConfigMap" else "data"} <= set(document)


def test_the_patches_for_istio_are_messages_that_envoy_knows():
    """Each ``typed_config`` is parsed strictly: an unknown or misspelt field is an error."""
    (document,) = documents(ROOT / "envoy/istio/envoy-filter.yaml")
    patches = [patch["patch"]["value"]["typed_config"] for patch in document["spec"]["configPatches"]]
    assert len(patches) == 2
    result = subprocess.run(
        [sys.executable, "-c", PARSE], input=json.dumps(patches), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    broken = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps([{**patches[0], "no_such_field": 1}]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert broken.returncode != 0


def test_the_patches_for_envoy_gateway_set_fields_that_the_shipped_file_sets():
    """Those fields were validated by Envoy there, with the same values."""
    (document,) = documents(ROOT / "envoy/envoy-gateway/envoy-patch-policy.yaml")
    settings = ext_authz(listener())
    for patch in document["spec"]["jsonPatches"]:
        assert settings[patch["operation"]["path"]] == patch["operation"]["value"]


def test_everyone_means_the_same_socket():
    (config,) = documents(ROOT / "deploy/kubernetes/configmap.yaml")
    assert yaml.safe_load(config["data"]["config.yaml"])["server"]["listen"] == f"unix://{SOCKET}"
    cluster = next(cluster for cluster in shipped()["static_resources"]["clusters"] if cluster["name"] == "sidecar")
    assert cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["pipe"]["path"] == SOCKET
    (entry,) = documents(ROOT / "envoy/istio/service-entry.yaml")
    assert entry["spec"]["endpoints"] == [{"address": f"unix://{SOCKET}"}]
    _, backend = documents(ROOT / "envoy/envoy-gateway/security-policy.yaml")
    assert backend["spec"]["endpoints"] == [{"unix": {"path": SOCKET}}]


def test_the_example_configuration_of_the_manifests_is_valid(tmp_path):
    (config,) = documents(ROOT / "deploy/kubernetes/configmap.yaml")
    (tmp_path / "config.yaml").write_text(config["data"]["config.yaml"])
    result = subprocess.run(
        [sys.executable, "-m", "sidecar", "validate", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_pod_is_consistent():
    (deployment,) = documents(ROOT / "deploy/kubernetes/deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    containers = {container["name"]: container for container in [*pod["initContainers"], *pod["containers"]]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in containers.values():
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert "@sha256:" in container["image"]
    assert not any(mount["name"] == "socket" for mount in containers["posts"].get("volumeMounts", []))
    sidecar = containers["ext-authz-sidecar"]
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True
    assert sidecar["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert sidecar["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["terminationGracePeriodSeconds"] > 25 + 5


@pytest.mark.skipif(find("egctl") is None, reason="needs egctl")
def test_envoy_gateway_translates_its_files(tmp_path):
    """``egctl x translate`` makes the real xDS of them; every policy is accepted and every patch has taken effect."""
    files = ["gateway", "security-policy", "client-traffic-policy", "envoy-patch-policy", "envoy-proxy"]
    (tmp_path / "all.yaml").write_text("\n---\n".join((ROOT / f"envoy/envoy-gateway/{name}.yaml").read_text() for name in files))
    command = [find("egctl"), "x", "translate", "--from", "gateway-api", "--to", "gateway-api,xds", "-t", "all", "-o", "yaml"]
    command += ["-f", str(tmp_path / "all.yaml"), "--add-missing-resources", "-n", "gateway"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert 'status: "False"' not in done.stdout
    for line in ("encodeRawHeaders: true", "validateMutations: true", "code: ServiceUnavailable", "timeout: 0.250s", f"path: {SOCKET}"):
        assert line in done.stdout
    for line in ("headersWithUnderscoresAction: REJECT_REQUEST", "pathWithEscapedSlashesAction: REJECT_REQUEST", "grpcHealthCheck: {}"):
        assert line in done.stdout
    assert "failureModeAllow: true" not in done.stdout


@pytest.mark.skipif(find("istioctl") is None, reason="needs istioctl")
def test_istioctl_finds_nothing_wrong(tmp_path):
    """Without a cluster: the resources against each other and against Istio's schemas."""
    (mesh,) = documents(ROOT / "envoy/istio/mesh-config.yaml")
    (tmp_path / "mesh.yaml").write_text(yaml.safe_dump(mesh["meshConfig"]))
    files = sorted(str(path) for path in (ROOT / "envoy/istio").glob("*.yaml") if path.name != "mesh-config.yaml")
    command = [
        find("istioctl"),
        "analyze",
        "--use-kube=false",
        "--failure-threshold",
        "Warning",
        "--meshConfigFile",
        str(tmp_path / "mesh.yaml"),
    ]
    command += ["--suppress", "IST0133=EnvoyFilter shop/ext-authz-sidecar"]  # every EnvoyFilter gets that warning
    done = subprocess.run([*command, "-A", *files], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
