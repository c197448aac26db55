"""Our slim protos against Envoy's own descriptors: every field that we have is the wire's."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from sidecar.wire._gen import ext_authz_pb2, health_pb2

ROOT = Path(__file__).resolve().parents[3]
ENVOY = {
    "CheckRequest": "envoy.service.auth.v3",
    "AttributeContext": "envoy.service.auth.v3",
    "DeniedHttpResponse": "envoy.service.auth.v3",
    "OkHttpResponse": "envoy.service.auth.v3",
    "CheckResponse": "envoy.service.auth.v3",
    "Address": "envoy.config.core.v3",
    "SocketAddress": "envoy.config.core.v3",
    "Pipe": "envoy.config.core.v3",
    "Metadata": "envoy.config.core.v3",
    "HeaderMap": "envoy.config.core.v3",
    "HeaderValue": "envoy.config.core.v3",
    "HeaderValueOption": "envoy.config.core.v3",
    "QueryParameter": "envoy.config.core.v3",
    "HttpStatus": "envoy.type.v3",
    "StatusCode": "envoy.type.v3",
    "Status": "google.rpc",
}
"""Where each of our top-level names comes from."""

REAL = """
import json, sys
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import descriptor_pool
pool = descriptor_pool.Default()

def field(f):
    return [f.name, f.type, f.is_repeated, f.json_name, f.has_presence, f.containing_oneof.name if f.containing_oneof else "",
            f.message_type.full_name if f.message_type else "", f.enum_type.full_name if f.enum_type else ""]

out = {}
for name in json.load(sys.stdin)["messages"]:
    out[name] = {f.number: field(f) for f in pool.FindMessageTypeByName(name).fields}
json.dump(out, sys.stdout)
"""

REAL_ENUMS = """
import json, sys
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import descriptor_pool
pool = descriptor_pool.Default()
json.dump({name: {v.name: v.number for v in pool.FindEnumTypeByName(name).values} for name in json.load(sys.stdin)["enums"]}, sys.stdout)
"""


def ask(code: str, **names: list[str]):
    """Run ``code`` in a process of its own: both sets of descriptors in one pool would clash on well-known extensions."""
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(names), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def real_name(ours: str) -> str:
    if not ours.startswith("sidecar.wire.v3."):
        return ours
    name = ours.removeprefix("sidecar.wire.v3.")
    return f"{ENVOY[name.split('.')[0]]}.{name}"


def messages(descriptors: list[Descriptor]) -> list[Descriptor]:
    return [found for one in descriptors for found in (one, *messages(list(one.nested_types)))]


def described(f: FieldDescriptor) -> list[object]:
    return [
        f.name,
        f.type,
        f.is_repeated,
        f.json_name,
        f.has_presence,
        f.containing_oneof.name if f.containing_oneof else "",
        real_name(f.message_type.full_name) if f.message_type else "",
        real_name(f.enum_type.full_name) if f.enum_type else "",
    ]


OURS = messages(list(ext_authz_pb2.DESCRIPTOR.message_types_by_name.values()))


def test_every_field_is_the_wires():
    real = ask(REAL, messages=[real_name(message.full_name) for message in OURS])
    for message in OURS:
        for field in message.fields:
            theirs = real[real_name(message.full_name)].get(str(field.number))
            assert theirs == described(field), f"{message.full_name}.{field.name}"


def test_every_enum_value_is_the_wires():
    enums = [*ext_authz_pb2.DESCRIPTOR.enum_types_by_name.values(), *(enum for message in OURS for enum in message.enum_types)]
    real = ask(REAL_ENUMS, enums=[real_name(enum.full_name) for enum in enums])
    for enum in enums:
        assert {value.name: value.number for value in enum.values}.items() <= real[real_name(enum.full_name)].items()


def test_nothing_that_is_read_or_written_is_missing():
    """The fields that decoding and encoding rely on, by number, as Envoy's documentation lists them."""
    numbers = {message.full_name.removeprefix("sidecar.wire.v3."): {f.number for f in message.fields} for message in OURS}
    assert numbers["AttributeContext"] == {1, 2, 4, 10, 11, 12, 13}
    assert numbers["AttributeContext.Peer"] == {1, 2, 3, 4, 5}
    assert numbers["AttributeContext.HttpRequest"] == set(range(1, 14))
    assert numbers["CheckResponse"] == {1, 2, 3, 4, 5}
    assert numbers["OkHttpResponse"] == {2, 5, 6, 7, 8}
    assert numbers["HeaderValueOption"] == {1, 2, 3}


def test_the_package_is_private():
    """The real names would clash in the descriptor pool with other packages that register them."""
    assert {ext_authz_pb2.DESCRIPTOR.package, health_pb2.DESCRIPTOR.package} == {"sidecar.wire.v3", "sidecar.wire.health.v1"}
    assert ext_authz_pb2.DESCRIPTOR.name == "sidecar/wire/_gen/ext_authz.proto"


def test_both_sets_of_descriptors_can_live_in_one_process():
    code = "import sidecar.wire._gen.ext_authz_pb2, sidecar.wire._gen.health_pb2, envoy.service.auth.v3.external_auth_pb2"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_health_is_grpc_health_v1():
    """https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto"""
    request, response = health_pb2.HealthCheckRequest.DESCRIPTOR, health_pb2.HealthCheckResponse.DESCRIPTOR
    assert [(f.number, f.name, f.type) for f in request.fields] == [(1, "service", FieldDescriptor.TYPE_STRING)]
    assert [(f.number, f.name, f.type) for f in response.fields] == [(1, "status", FieldDescriptor.TYPE_ENUM)]
    values = {value.name: value.number for value in response.enum_types_by_name["ServingStatus"].values}
    assert values == {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3}


def test_the_lowest_protobuf_allowed_can_load_what_was_generated():
    """Generated code refuses a runtime older than its generator."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (bounds,) = [line for line in dependencies if line.startswith("protobuf")]
    found = re.search(r">=([\d.]+)", bounds)
    assert found is not None
    lowest = tuple(int(part) for part in found[1].split("."))
    for path in (ROOT / "sidecar/wire/_gen").glob("*_pb2.py"):
        version = re.search(r"^# Protobuf Python Version: ([\d.]+)$", path.read_text(), re.MULTILINE)
        assert version is not None
        assert tuple(int(part) for part in version[1].split(".")) <= lowest, f"{path.name} needs protobuf >= {version[1]}"


@pytest.mark.slow
def test_the_generated_code_is_what_the_generator_makes():
    done = subprocess.run([sys.executable, str(ROOT / "tools/gen_protos.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
