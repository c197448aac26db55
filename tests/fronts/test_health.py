"""grpc.health.v1 on both fronts: Check and Watch."""

import grpc
import pytest

from sidecar.wire.health import MAX_WATCHES
from tests.support.grpc_client import NOT_SERVING, SERVICE_UNKNOWN, SERVING, code_of, connect

from .conftest import Start, eventually

pytestmark = pytest.mark.anyio
AUTHORIZATION = "envoy.service.auth.v3.Authorization"


@pytest.mark.parametrize("service", ["", AUTHORIZATION])
async def test_check_follows_the_status_and_starts_as_not_serving(start: Start, service: str):
    async with start() as server, connect(server.front.address) as client:
        assert await client.health(service) == NOT_SERVING
        server.front.set_serving(True)
        assert await client.health(service) == SERVING
        server.front.set_serving(False)
        assert await client.health(service) == NOT_SERVING


async def test_check_of_an_unknown_service_is_not_found(start: Start):
    async with start() as server, connect(server.front.address) as client:
        assert await code_of(client.health("no.such.Service")) is grpc.StatusCode.NOT_FOUND


async def test_a_health_request_that_is_none_is_refused(start: Start):
    async with start() as server, connect(server.front.address) as client:
        raw = client.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await code_of(raw(b"\xff\xff\xff")) is grpc.StatusCode.INVALID_ARGUMENT


async def test_watch_tells_each_change_once(start: Start):
    async with start() as server, connect(server.front.address) as client:
        watch = client.watch(AUTHORIZATION)
        assert (await watch.read()).status == NOT_SERVING
        server.front.set_serving(True)
        assert (await watch.read()).status == SERVING
        server.front.set_serving(True)
        server.front.set_serving(False)
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()


async def test_watch_of_an_unknown_service_stays_open(start: Start):
    async with start() as server, connect(server.front.address) as client:
        watch = client.watch("no.such.Service")
        assert (await watch.read()).status == SERVICE_UNKNOWN
        server.front.set_serving(True)
        assert await client.health() == SERVING
        assert not watch.done()
        watch.cancel()


async def test_watches_are_bounded_and_a_left_one_makes_room(start: Start):
    async with start() as server, connect(server.front.address) as client:
        watches = [client.watch() for _ in range(MAX_WATCHES)]
        for watch in watches:
            assert (await watch.read()).status == NOT_SERVING
        assert await code_of(client.watch().read()) is grpc.StatusCode.RESOURCE_EXHAUSTED
        watches[0].cancel()

        async def admitted() -> bool:
            again = client.watch()
            try:
                return (await again.read()).status == NOT_SERVING
            except grpc.aio.AioRpcError:
                return False

        for _ in range(100):
            if await admitted():
                break
        else:
            pytest.fail("no room after a watch was left")
        for watch in watches:
            watch.cancel()


async def test_watchers_do_not_count_as_checks(start: Start):
    async with start() as server, connect(server.front.address) as client:
        watch = client.watch()
        await watch.read()
        assert server.front.in_flight() == 0
        assert await server.front.drain(0.05, until=server.clock.mono() + 2)
        await eventually(lambda: server.front.in_flight() == 0)
        watch.cancel()
