"""A gRPC client without generated stubs: raw bytes over grpc.aio, to either front, on TCP or a Unix socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from sidecar.wire._gen.health_pb2 import HealthCheckRequest, HealthCheckResponse

CHECK = "/envoy.service.auth.v3.Authorization/Check"
SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


class Client:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.check = channel.unary_unary(CHECK)
        self._health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        self._watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )

    async def health(self, service: str = "") -> int:
        return (await self._health(HealthCheckRequest(service=service), timeout=5)).status

    def watch(self, service: str = "") -> grpc.aio.UnaryStreamCall:
        return self._watch(HealthCheckRequest(service=service))


@asynccontextmanager
async def connect(address: str, credentials: grpc.ChannelCredentials | None = None, **options: object) -> AsyncIterator[Client]:
    """``address`` as a Front gives it. A channel of its own, so that tests do not share connections."""
    target = address.replace("unix://", "unix:")
    pairs = [("grpc.use_local_subchannel_pool", 1), *((name.replace("__", "."), value) for name, value in options.items())]
    if credentials is None:
        channel = grpc.aio.insecure_channel(target, options=pairs)
    else:
        channel = grpc.aio.secure_channel(target, credentials, options=pairs)
    async with channel:
        yield Client(channel)


async def code_of(call: object) -> grpc.StatusCode:
    """The status that a call which must fail ends with."""
    try:
        result = await call  # type: ignore[misc]
    except grpc.aio.AioRpcError as error:
        return error.code()
    raise AssertionError(f"the call was answered: {result!r}")
