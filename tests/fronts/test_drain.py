"""Shutdown of both fronts: nothing that was accepted is lost."""

import asyncio
import time

import grpc
import pytest

from tests.support.grpc_client import NOT_SERVING, Client, connect

from .conftest import Serving, Start, eventually

pytestmark = pytest.mark.anyio


async def call_until_told(client: Client, server: Serving, replies: list[bytes]) -> None:
    """Like an Envoy that health-checks: goes on until health says NOT_SERVING, then stops calling."""
    while await client.health() != NOT_SERVING:
        replies += await asyncio.gather(*(client.check(b"ask:quick verify", timeout=5) for _ in range(20)))


async def test_drain_under_load_loses_nothing(start: Start):
    async with start() as server:
        server.front.set_serving(True)
        replies: list[bytes] = []
        async with connect(server.front.address) as one, connect(server.front.address) as two:
            load = [asyncio.create_task(call_until_told(client, server, replies)) for client in (one, two)]
            await asyncio.sleep(0.2)
            server.front.set_serving(False)
            assert await server.front.drain(0.1, until=server.clock.mono() + 5)
            await server.front.close()
            await asyncio.gather(*load)
        assert len(replies) > 20
        assert set(replies) == {b"done:ask:quick verify"}
        assert len(replies) == len(server.checks.opened)


async def test_replies_given_just_before_close_arrive(start: Start):
    async with start() as server, connect(server.front.address) as client:
        server.loop.gates = {"gate": asyncio.Event()}
        calls = [client.check(b"ask:gate", timeout=5) for _ in range(50)]
        await eventually(lambda: len(server.loop.asked) == 50)
        asyncio.get_running_loop().call_later(0.05, server.loop.gates["gate"].set)
        assert await server.front.drain(0.0, until=server.clock.mono() + 2)
        await server.front.close()
        assert await asyncio.gather(*calls) == [b"done:ask:gate"] * 50


async def test_at_the_bound_what_is_open_and_what_comes_is_denied_not_ready(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.fronts.stub.DEADLINE", 10.0)
    async with start() as server, connect(server.front.address) as client:
        held = [client.check(b"ask:never", timeout=20) for _ in range(3)]
        await eventually(lambda: len(server.loop.asked) == 3)
        begin = time.monotonic()
        assert not await server.front.drain(0.05, until=server.clock.mono() + 0.1)
        assert time.monotonic() - begin < 5
        assert await asyncio.gather(*held) == [b"failed:not_ready"] * 3
        assert server.front.in_flight() == 0
        assert await client.check(b"late") == b"refused:not_ready"
        assert server.checks.closed == 3
        await eventually(lambda: len(server.loop.cancelled) == 3)


async def test_a_check_keeps_a_drain_waiting(start: Start):
    async with start() as server, connect(server.front.address) as client:
        drain = asyncio.create_task(server.front.drain(0.1, until=server.clock.mono() + 5))
        for _ in range(10):
            assert await client.check(b"still here") == b"done:still here"
            await asyncio.sleep(0.03)
            assert not drain.done()
        assert await drain


async def test_close_answers_what_is_open_and_then_nobody_listens(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.fronts.stub.DEADLINE", 10.0)
    async with start() as server:
        async with connect(server.front.address) as client:
            call = client.check(b"ask:never", timeout=20)
            await eventually(lambda: server.loop.asked == ["never"])
            await server.front.close()
            assert await call == b"failed:not_ready"
            assert not server.front.alive()
            assert server.front.in_flight() == 0
        async with connect(server.front.address) as client:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await client.check(b"x", timeout=1)
            assert refused.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


async def test_close_with_open_watches_does_not_wait_for_them(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sidecar.wire.front_grpcio.STOP_GRACE", 60.0)
    async with start() as server, connect(server.front.address) as client:
        watch = client.watch()
        await watch.read()
        begin = time.monotonic()
        await server.front.close()
        assert time.monotonic() - begin < 10
        watch.cancel()


async def test_close_twice_is_harmless(start: Start):
    async with start() as server:
        await server.front.close()
        await server.front.close()
