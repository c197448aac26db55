"""What both fronts do with checks: answers, asks in any order, deadlines, limits, faults."""

import asyncio
import contextlib
import threading
import time
from dataclasses import replace

import grpc
import pytest

from sidecar.model.ask import RefreshResult
from sidecar.model.reason import Reason
from tests.support.grpc_client import CHECK, code_of, connect

from .conftest import Start, eventually
from .stub import DEADLINE

pytestmark = pytest.mark.anyio


async def test_many_at_once_each_get_their_own_answer(start: Start):
    async with start() as server, connect(server.front.address) as client:
        payloads = [b"n%d" % n for n in range(500)]
        replies = await asyncio.gather(*(client.check(payload, timeout=10) for payload in payloads))
        assert replies == [b"done:" + payload for payload in payloads]
        await server.settled()


async def test_an_empty_message_reaches_the_service(start: Start):
    async with start() as server, connect(server.front.address) as client:
        assert await client.check(b"") == b"done:"
        assert server.checks.opened[0][0] == b""


async def test_asks_are_answered_in_any_order(start: Start):
    async with start() as server, connect(server.front.address) as client:
        server.loop.gates = {"first": asyncio.Event(), "second": asyncio.Event()}
        first = client.check(b"ask:first", timeout=5)
        await eventually(lambda: "first" in server.loop.asked)
        second = client.check(b"ask:second", timeout=5)
        await eventually(lambda: "second" in server.loop.asked)
        assert await client.check(b"plain") == b"done:plain"
        assert server.front.in_flight() == 2
        server.loop.gates["second"].set()
        assert await second == b"done:ask:second"
        assert not first.done()
        server.loop.gates["first"].set()
        assert await first == b"done:ask:first"
        assert server.checks.answers == ["answer to second", "answer to first"]
        await server.settled()


async def test_verifications_and_asks_can_follow_each_other(start: Start):
    async with start() as server, connect(server.front.address) as client:
        assert await client.check(b"verify ask:a verify ask:b verify") == b"done:verify ask:a verify ask:b verify"
        assert server.checks.answers == [True, "answer to a", True, "answer to b", True]
        await server.settled()


async def test_many_verifications_are_all_run(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.fronts.stub.DEADLINE", 100.0)  # none is refused because its turn would come too late
    async with start(check_deadline=100.0) as server, connect(server.front.address) as client:
        replies = await asyncio.gather(*(client.check(b"verify %d" % n, timeout=10) for n in range(200)))
        assert replies == [b"done:verify %d" % n for n in range(200)]


async def test_an_ask_that_is_not_answered_ends_at_the_deadline(start: Start):
    async with start() as server, connect(server.front.address) as client:
        begin = time.monotonic()
        assert await client.check(b"ask:never", timeout=5) == b"failed:deadline_exceeded"
        assert DEADLINE - 0.05 < time.monotonic() - begin < 2.0
        assert server.checks.failed == [(b"ask:never", Reason.DEADLINE_EXCEEDED)]
        assert server.checks.closed == 1
        await eventually(lambda: server.loop.cancelled == ["never"])
        await server.settled()


async def test_a_refresh_that_is_cancelled_has_no_keys(start: Start):
    """By a reload, which anybody's token may be waiting through: no fault of ours, which ``unsafe_error`` would let in."""
    async with start() as server, connect(server.front.address) as client:
        assert await client.check(b"ask:stopped", timeout=5) == b"done:ask:stopped"
        assert server.checks.answers == [RefreshResult.UNAVAILABLE]
        await server.settled()


async def test_the_callers_deadline_is_told_and_ends_an_ask(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.fronts.stub.DEADLINE", 100.0)
    async with start() as server, connect(server.front.address) as client:
        assert await client.check(b"plain", timeout=2) == b"done:plain"
        assert await client.check(b"none") == b"done:none"
        (_, left), (_, none) = server.checks.opened
        assert left is not None
        assert 1.0 < left < 2.1  # grpc clients round up
        assert none is None
        with contextlib.suppress(grpc.aio.AioRpcError):  # who gives up first, the caller or we, is a race
            assert await client.check(b"ask:never", timeout=0.4) == b"failed:deadline_exceeded"
        await eventually(lambda: server.checks.failed == [(b"ask:never", Reason.DEADLINE_EXCEEDED)])
        await server.settled()


async def test_a_cancelled_check_is_failed_once_and_forgotten(start: Start):
    async with start() as server, connect(server.front.address) as client:
        call = client.check(b"ask:never")
        await eventually(lambda: server.loop.asked == ["never"])
        call.cancel()
        await eventually(lambda: server.checks.failed == [(b"ask:never", Reason.DEADLINE_EXCEEDED)])
        await server.settled()
        assert server.checks.closed == 1
        assert await client.check(b"after") == b"done:after"


async def test_a_check_above_max_check_size_is_denied_unread(start: Start):
    """Security rule 30. Four megabytes, too: above grpcio's default limit, which would be a gRPC error."""
    async with start(max_check_size=1000) as server, connect(server.front.address) as client:
        assert await client.check(b"x" * 1000) == b"done:" + b"x" * 1000
        assert await client.check(b"x" * 1001) == b"refused:malformed_request"
        assert await client.check(b"x" * 5_000_000) == b"refused:malformed_request"
        assert [reason for reason, _ in server.checks.refused] == [Reason.MALFORMED_REQUEST] * 2
        assert len(server.checks.opened) == 1
        await server.settled()


async def test_above_max_in_flight_checks_are_refused_at_once(start: Start):
    async with start(max_in_flight=3) as server, connect(server.front.address) as client:
        server.loop.gates = {"gate": asyncio.Event()}
        held = [client.check(b"ask:gate", timeout=5) for _ in range(3)]
        await eventually(lambda: len(server.loop.asked) == 3)
        assert await client.check(b"one more") == b"refused:overloaded"
        assert server.front.in_flight() == 3
        server.loop.gates["gate"].set()
        assert await asyncio.gather(*held) == [b"done:ask:gate"] * 3
        await server.settled()
        assert await client.check(b"again") == b"done:again"


async def test_new_limits_hold_from_the_next_check_on(start: Start):
    async with start() as server, connect(server.front.address) as client:
        server.loop.gates = {"gate": asyncio.Event()}
        held = client.check(b"ask:gate", timeout=5)
        await eventually(lambda: server.loop.asked == ["gate"])
        server.front.apply(replace(server.settings, max_in_flight=1, max_check_size=4))
        assert await client.check(b"one") == b"refused:overloaded"
        server.loop.gates["gate"].set()
        assert await held == b"done:ask:gate"
        await server.settled()
        assert await client.check(b"four") == b"done:four"
        assert await client.check(b"fives") == b"refused:malformed_request"


async def test_a_check_whose_time_is_up_is_not_begun(start: Start):
    """A check that waited behind a slow one until its caller's deadline was near is refused unread."""
    async with start() as server, connect(server.front.address) as client:
        busy = threading.Event()

        def stall(payload: bytes) -> None:
            if payload == b"slow":
                busy.set()
                time.sleep(0.3)

        def call_while_busy() -> list[grpc.StatusCode]:
            with grpc.insecure_channel(server.front.address.replace("unix://", "unix:")) as channel:
                grpc.channel_ready_future(channel).result(5)
                asyncio.run_coroutine_threadsafe(slow(), loop)
                assert busy.wait(5)
                calls = [channel.unary_unary(CHECK).future(b"late", timeout=0.1) for _ in range(5)]
                return [call.exception().code() for call in calls]

        async def slow() -> None:
            await client.check(b"slow", timeout=5)

        loop = asyncio.get_running_loop()
        server.checks.on_open = stall
        assert set(await asyncio.to_thread(call_while_busy)) == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert await client.check(b"next", timeout=5) == b"done:next"
        assert [payload for payload, _ in server.checks.opened] == [b"slow", b"next"]
        await server.settled()


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        (b"ask:raises", b"failed:internal_error"),
    ],
)
async def test_whatever_raises_is_denied_and_the_front_lives_on(
    start: Start, payload: bytes, reply: bytes, caplog: pytest.LogCaptureFixture
):
    """Security rule 22: the exception's text is neither sent nor logged."""
    async with start() as server, connect(server.front.address) as client:
        assert await client.check(payload, timeout=5) == reply
        assert await client.check(b"after") == b"done:after"
        assert server.front.alive()
        await server.settled()
        assert "RuntimeError" in caplog.text
        assert "secret" not in caplog.text


async def test_other_methods_are_unimplemented(start: Start):
    async with start() as server, connect(server.front.address) as client:
        other = client.channel.unary_unary("/envoy.service.auth.v2.Authorization/Check")
        assert await code_of(other(b"")) is grpc.StatusCode.UNIMPLEMENTED
        assert server.checks.opened == []


async def test_compressed_checks_stay_bounded(start: Start):
    """Security rule 24: grpcio takes none (Envoy sends none); native inflates, and the size that counts is the inflated one."""
    async with start(max_check_size=1000) as server, connect(server.front.address) as client:
        small, large = (client.check(b"x" * size, compression=grpc.Compression.Gzip) for size in (1000, 1_000_000))
        if server.front.transport == "grpcio":
            assert await code_of(small) is grpc.StatusCode.UNIMPLEMENTED
            assert await code_of(large) is grpc.StatusCode.UNIMPLEMENTED
        else:
            assert await small == b"done:" + b"x" * 1000
            assert await large == b"refused:malformed_request"


async def test_more_metadata_than_admitted_ends_the_call_and_no_other(start: Start):
    async with start() as server, connect(server.front.address) as client:
        with pytest.raises(grpc.aio.AioRpcError):
            await client.check(b"x", metadata=(("filler", "a" * 20_000),), timeout=5)
        assert await client.check(b"x") == b"done:x"
        assert len(server.checks.opened) == 1


async def test_replies_of_any_size_arrive_whole(start: Start):
    async with start() as server, connect(server.front.address) as client:
        for size in (0, 240, 250, 251, 5_000, 900_000):
            assert await client.check(b"x" * size) == b"done:" + b"x" * size
