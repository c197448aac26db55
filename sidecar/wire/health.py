"""grpc.health.v1 on messages of our own, so that neither front needs grpcio-health-checking (or grpc at all).

https://github.com/grpc/grpc/blob/master/doc/health-checking.md: Check of an unknown service is NOT_FOUND; Watch of one
answers SERVICE_UNKNOWN and stays open.
"""

from typing import NamedTuple

from google.protobuf.message import DecodeError

from ._gen.health_pb2 import HealthCheckRequest, HealthCheckResponse
from .seam import CHECK_SERVICE

CHECK_METHOD = "/grpc.health.v1.Health/Check"
WATCH_METHOD = "/grpc.health.v1.Health/Watch"
SERVICES = frozenset({"", CHECK_SERVICE})
MAX_WATCHES = 64
"""Open Watch streams in all; each Envoy that watches holds one per connection."""

INVALID_ARGUMENT = 3
NOT_FOUND = 5
RESOURCE_EXHAUSTED = 8

SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
NOT_SERVING = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING).SerializeToString()
UNKNOWN_SERVICE = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


class Refusal(NamedTuple):
    """A gRPC status to end the call with: ``code`` is never 0."""

    code: int
    message: str


UNREADABLE = Refusal(INVALID_ARGUMENT, "not a HealthCheckRequest")
NO_SUCH_SERVICE = Refusal(NOT_FOUND, "unknown service")
TOO_MANY_WATCHES = Refusal(RESOURCE_EXHAUSTED, "too many health watches")


class Health:
    """Whether this listener serves. Not serving until told so."""

    __slots__ = ("serving",)

    def __init__(self) -> None:
        """Start as not serving."""
        self.serving = False

    def current(self) -> bytes:
        """Return the encoded status of a known service."""
        return SERVING if self.serving else NOT_SERVING

    def check(self, payload: bytes) -> bytes | Refusal:
        """Answer Health/Check."""
        service = _service(payload)
        if service is None:
            return UNREADABLE
        return self.current() if service in SERVICES else NO_SUCH_SERVICE

    def watch(self, payload: bytes, open_watches: int) -> bool | Refusal:
        """Admit a Health/Watch stream: True for a service whose status can change, False for an unknown one."""
        service = _service(payload)
        if service is None:
            return UNREADABLE
        return service in SERVICES if open_watches < MAX_WATCHES else TOO_MANY_WATCHES


def _service(payload: bytes) -> str | None:
    try:
        return HealthCheckRequest.FromString(payload).service
    except DecodeError:
        return None
