"""grpc.health.v1 without a socket."""

import pytest

from sidecar.wire._gen.health_pb2 import HealthCheckRequest, HealthCheckResponse
from sidecar.wire.health import MAX_WATCHES, NO_SUCH_SERVICE, TOO_MANY_WATCHES, UNREADABLE, Health

AUTHORIZATION = "envoy.service.auth.v3.Authorization"


def request(service: str) -> bytes:
    return HealthCheckRequest(service=service).SerializeToString()


@pytest.mark.parametrize("service", ["", AUTHORIZATION])
def test_known_services_start_as_not_serving(service: str):
    health = Health()
    answer = health.check(request(service))
    assert isinstance(answer, bytes)
    assert HealthCheckResponse.FromString(answer).status == HealthCheckResponse.NOT_SERVING
    health.serving = True
    answer = health.check(request(service))
    assert isinstance(answer, bytes)
    assert HealthCheckResponse.FromString(answer).status == HealthCheckResponse.SERVING
    assert health.watch(request(service), 0) is True


def test_unknown_services():
    health = Health()
    assert health.check(request("other")) == NO_SUCH_SERVICE
    assert health.watch(request("other"), 0) is False


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
def test_what_is_no_request(payload: bytes):
    health = Health()
    assert health.check(payload) == UNREADABLE
    assert health.watch(payload, 0) == UNREADABLE


def test_watches_are_bounded():
    assert Health().watch(request(""), MAX_WATCHES - 1) is True
    assert Health().watch(request(""), MAX_WATCHES) == TOO_MANY_WATCHES
