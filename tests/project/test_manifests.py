"""The manifests in ``deploy/`` and ``envoy/``: valid to Kubernetes and Istio, as restricted as they say, agreeing with each other and the pages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from loadtest.drivers import find
from tests.docs.pages import blocks
from tests.servers.envoy import SHIPPED, ext_authz

from .tree import ROOT

KUBERNETES = ("1.30", "1.37")
"""The oldest version that the manifests need, and the newest whose schemas are here."""
DEPLOY = ROOT / "deploy" / "kubernetes.yaml"
ISTIO = ROOT / "envoy" / "istio"
MESH = ISTIO / "mesh-config.yaml"
MANIFESTS = sorted({*(ROOT / "envoy").rglob("*.yaml"), *(ROOT / "deploy").rglob("*.yaml")} - {SHIPPED, MESH})
WORKLOADS = {"deploy": DEPLOY, "istio": ISTIO / "workload.yaml"}
SOCKET = "/run/sidecar/check.sock"
SIDECAR = "ext-authz-sidecar"
RESTRICTED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

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


def of_kind(path: Path, kind: str) -> dict[str, Any]:
    (found,) = (document for document in documents(path) if document["kind"] == kind)
    return found


def pod(name: str) -> dict[str, Any]:
    return of_kind(WORKLOADS[name], "Deployment")["spec"]["template"]["spec"]


def containers(name: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in [*pod(name)["initContainers"], *pod(name)["containers"]]}


def is_kubernetes(document: dict[str, Any]) -> bool:
    """Whether Kubernetes itself defines this kind, and not an extension."""
    group = document["apiVersion"].rpartition("/")[0]
    return "." not in group or (group.endswith(".k8s.io") and not group.startswith("gateway."))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_manifest_is_yaml_with_a_kind(path: Path) -> None:
    for document in documents(path):
        content = {"ConfigMap": {"data"}, "Namespace": set()}.get(document["kind"], {"spec"})
        assert {"apiVersion", "kind", "metadata", *content} <= set(document)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    """Against the strict schemas of that version's API: an unknown field is an error."""
    for document in filter(is_kubernetes, documents(path)):
        kubernetes_validate.validate(document, version, strict=True)


def test_an_unknown_field_would_be_noticed() -> None:
    document = of_kind(DEPLOY, "Deployment")
    document["spec"]["template"]["spec"]["initContainers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_pod_is_restricted(name: str) -> None:
    """The *restricted* pod security standard, control by control."""
    spec = pod(name)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for volume in spec["volumes"]:
        assert set(volume) - {"name"} <= RESTRICTED_VOLUMES
    for container in containers(name).values():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsUser"] > 0
        assert "privileged" not in context
        assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_pod_is_consistent(name: str) -> None:
    spec, known = pod(name), containers(name)
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in known.values():
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
        assert "@sha256:" in container["image"]
        assert not any("subPath" in mount for mount in container.get("volumeMounts", []))
    assert not any(mount["name"] == "socket" for mount in known["posts"].get("volumeMounts", []))
    assert spec["terminationGracePeriodSeconds"] > 25 + 5


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_sidecar_is_a_native_one_with_probes(name: str) -> None:
    (sidecar,) = (one for one in pod(name)["initContainers"] if one["name"] == SIDECAR)
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True
    assert sidecar["securityContext"]["runAsGroup"] == pod(name)["securityContext"]["fsGroup"]
    assert sidecar["startupProbe"]["httpGet"]["path"] == sidecar["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert sidecar["livenessProbe"]["httpGet"]["path"] == "/livez"
    port = str(sidecar["ports"][0]["containerPort"])
    assert yaml.safe_load(of_kind(DEPLOY, "ConfigMap")["data"]["config.yaml"])["telemetry"]["listen"].endswith(f":{port}")


def test_both_workloads_run_the_same_sidecar() -> None:
    assert containers("deploy")[SIDECAR] == containers("istio")[SIDECAR]


def test_only_who_scrapes_reaches_the_telemetry_listener() -> None:
    policy = of_kind(DEPLOY, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= of_kind(DEPLOY, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    named = {port["name"] for one in containers("deploy").values() for port in one.get("ports", ())}
    open_to = {port["port"]: rule.get("from") for rule in policy["ingress"] for port in rule["ports"]}
    assert set(open_to) == named
    assert open_to["http"] is None
    assert open_to["telemetry"]


def test_istio_gives_its_proxy_the_socket_and_leaves_the_probes_alone() -> None:
    template = of_kind(WORKLOADS["istio"], "Deployment")["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    (mount,) = json.loads(annotations["sidecar.istio.io/userVolumeMount"])
    assert mount in containers("istio")[SIDECAR]["volumeMounts"]
    assert annotations["traffic.sidecar.istio.io/excludeInboundPorts"] == str(containers("istio")[SIDECAR]["ports"][0]["containerPort"])
    for name in ("authorization-policy", "envoy-filter"):
        (document,) = documents(ISTIO / f"{name}.yaml")
        selected = document["spec"].get("selector", document["spec"].get("workloadSelector"))
        labels = selected.get("matchLabels", selected.get("labels"))
        assert labels.items() <= template["metadata"]["labels"].items()


def test_everyone_means_the_same_socket() -> None:
    assert yaml.safe_load(of_kind(DEPLOY, "ConfigMap")["data"]["config.yaml"])["server"]["listen"] == f"unix://{SOCKET}"
    (envoy,) = documents(SHIPPED)
    cluster = next(cluster for cluster in envoy["static_resources"]["clusters"] if cluster["name"] == "sidecar")
    assert cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["pipe"]["path"] == SOCKET
    (entry,) = documents(ISTIO / "service-entry.yaml")
    assert entry["spec"]["endpoints"] == [{"address": f"unix://{SOCKET}"}]
    _, backend = documents(ROOT / "envoy/envoy-gateway/security-policy.yaml")
    assert backend["spec"]["endpoints"] == [{"unix": {"path": SOCKET}}]


def test_istio_refuses_what_cannot_be_asked() -> None:
    (provider,) = documents(MESH)[0]["meshConfig"]["extensionProviders"]
    settings = provider["envoyExtAuthzGrpc"]
    assert (settings["failOpen"], settings["statusOnError"], settings["timeout"]) == (False, "503", "0.25s")
    policy = of_kind(ISTIO / "authorization-policy.yaml", "AuthorizationPolicy")["spec"]
    assert (policy["action"], policy["provider"], policy["rules"]) == ("CUSTOM", {"name": provider["name"]}, [{}])
    (entry,) = documents(ISTIO / "service-entry.yaml")
    assert entry["spec"]["hosts"] == [settings["service"]]
    assert entry["spec"]["ports"][0]["number"] == settings["port"]


def test_the_example_configuration_of_the_manifests_is_valid(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(of_kind(DEPLOY, "ConfigMap")["data"]["config.yaml"])
    command = [sys.executable, "-m", "sidecar", "validate", str(tmp_path), "--strict"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_patches_for_istio_are_messages_that_envoy_knows() -> None:
    """Each ``typed_config`` is parsed strictly: an unknown or misspelt field is an error."""
    (document,) = documents(ISTIO / "envoy-filter.yaml")
    patches = [patch["patch"]["value"]["typed_config"] for patch in document["spec"]["configPatches"]]
    assert len(patches) == 2
    assert parsed(patches) == ""
    assert "no_such_field" in parsed([{**patches[0], "no_such_field": 1}])


def parsed(patches: list[dict[str, Any]]) -> str:
    """What Envoy's own message definitions say against ``patches``."""
    command = [sys.executable, "-c", PARSE]
    return subprocess.run(command, input=json.dumps(patches), capture_output=True, text=True, timeout=60, check=False).stderr


def test_the_patches_for_envoy_gateway_set_fields_that_the_shipped_file_sets() -> None:
    """Those fields were validated by Envoy there, with the same values."""
    (document,) = documents(ROOT / "envoy/envoy-gateway/envoy-patch-policy.yaml")
    settings = ext_authz(documents(SHIPPED)[0]["static_resources"]["listeners"][0])
    for patch in document["spec"]["jsonPatches"]:
        assert settings[patch["operation"]["path"]] == patch["operation"]["value"]


def shown(info: str) -> Any:
    """The block ```` ```yaml INFO ```` of the pages."""
    (block,) = (block for block in blocks("yaml") if block.info[1:] == (info,))
    return yaml.safe_load(block.text)


def test_the_pages_show_what_the_files_say() -> None:
    assert shown("kubernetes") == {"initContainers": [containers("deploy")[SIDECAR]]}
    assert shown("istio-mesh-config") == documents(MESH)[0]["meshConfig"]
    assert shown("istio-policy") == of_kind(ISTIO / "authorization-policy.yaml", "AuthorizationPolicy")
    annotations = of_kind(WORKLOADS["istio"], "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert shown("istio-annotations") == annotations


@pytest.mark.mesh
def test_istioctl_finds_nothing_wrong(tmp_path: Path) -> None:
    """Without a cluster: the resources against each other and against Istio's schemas, annotations included."""
    mesh = tmp_path / "mesh.yaml"
    mesh.write_text(yaml.safe_dump(documents(MESH)[0]["meshConfig"]))
    files = sorted(str(path) for path in ISTIO.glob("*.yaml") if path != MESH)
    assert analysed(mesh, files) == ""
    broken = tmp_path / "broken.yaml"
    broken.write_text((ISTIO / "authorization-policy.yaml").read_text().replace("action: CUSTOM", "action: CUSTOMS"))
    assert "CUSTOMS" in analysed(mesh, [str(broken)])


def analysed(mesh: Path, files: list[str]) -> str:
    """What ``istioctl analyze`` has to say, down to informations."""
    command = [find("istioctl") or "istioctl", "analyze", "--use-kube=false", "--failure-threshold", "Info", "--meshConfigFile", str(mesh)]
    command += ["--suppress", "IST0133=EnvoyFilter shop/ext-authz-sidecar"]  # every EnvoyFilter gets that warning
    done = subprocess.run([*command, "-A", *files], capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.mesh
def test_envoy_gateway_translates_its_files(tmp_path: Path) -> None:
    """``egctl x translate`` makes the real xDS of them; every policy is accepted and every patch has taken effect."""
    files = ["gateway", "security-policy", "client-traffic-policy", "envoy-patch-policy", "envoy-proxy"]
    (tmp_path / "all.yaml").write_text("\n---\n".join((ROOT / f"envoy/envoy-gateway/{name}.yaml").read_text() for name in files))
    command = [find("egctl") or "egctl", "x", "translate", "--from", "gateway-api", "--to", "gateway-api,xds", "-t", "all", "-o", "yaml"]
    command += ["-f", str(tmp_path / "all.yaml"), "--add-missing-resources", "-n", "gateway"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert 'status: "False"' not in done.stdout
    for line in ("encodeRawHeaders: true", "validateMutations: true", "code: ServiceUnavailable", "timeout: 0.250s", f"path: {SOCKET}"):
        assert line in done.stdout
    for line in ("headersWithUnderscoresAction: REJECT_REQUEST", "pathWithEscapedSlashesAction: REJECT_REQUEST", "grpcHealthCheck: {}"):
        assert line in done.stdout
    assert "failureModeAllow: true" not in done.stdout
