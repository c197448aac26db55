"""The HTTP listener on a real socket: what uvicorn alone does not bound."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from sidecar.adapters import http as module
from sidecar.adapters.http import HttpListener
from sidecar.adapters.pages import AdminPages, admin_app, telemetry_app
from sidecar.model.errors import SidecarError


def telemetry() -> object:
    return telemetry_app(lambda: (True, "ok"), lambda: (True, "ready"), lambda: [b"a 1\n"], Counter())


@contextlib.asynccontextmanager
async def listening(app: object, **options: float) -> AsyncIterator[HttpListener]:
    listener = HttpListener(app, "127.0.0.1:0", "telemetry", **options)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()


def run(body: Callable[[HttpListener], Awaitable[None]], app: object = None, **options: float) -> None:
    async def live() -> None:
        async with listening(app or telemetry(), **options) as listener:
            await body(listener)

    uvloop.run(live())


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answered = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answered


def get(path: str, host: str = "localhost") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()


def test_it_answers_and_leaves_signals_alone() -> None:
    async def body(listener: HttpListener) -> None:
        before = signal.getsignal(signal.SIGTERM)
        answered = await ask(listener.port, get("/livez"))
        assert answered.startswith(b"HTTP/1.1 200 ")
        assert answered.endswith(b"ok\n")
        assert b"server:" not in answered
        assert signal.getsignal(signal.SIGTERM) is before is signal.SIG_DFL

    run(body)


def test_admin_by_loopback_only() -> None:
    """Security rules 24 and 24a."""

    async def body(listener: HttpListener) -> None:
        ours = await ask(listener.port, get("/status", f"127.0.0.1:{listener.port}"))
        assert json.loads(ours.partition(b"\r\n\r\n")[2]) == {"revision": "abc"}
        assert (await ask(listener.port, get("/status", "evil.example"))).startswith(b"HTTP/1.1 421 ")
        assert (await ask(listener.port, b"GET /status HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 421 ")

    pages = AdminPages(status=lambda: {"revision": "abc"}, decisions=lambda _: {}, explain=lambda _: None)
    run(body, admin_app(pages, "127.0.0.1:9192", Counter()))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: x\r\n\r\n",
    ],
)
def test_malformed_requests(request_bytes: bytes) -> None:
    async def body(listener: HttpListener) -> None:
        with contextlib.suppress(ConnectionError):
            answered = await ask(listener.port, request_bytes)
            assert answered[:13] in {b"HTTP/1.1 400 ", b""}
        assert (await ask(listener.port, get("/livez"))).endswith(b"ok\n")

    run(body)


@pytest.mark.parametrize("beginning", [b"", b"GET /livez HTTP/1.1\r\nhost: a\r\n"])
def test_a_request_that_does_not_arrive_is_given_up(beginning: bytes) -> None:
    async def body(listener: HttpListener) -> None:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(beginning)

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 3) == b""
        dripping.cancel()
        writer.close()
        assert 0.2 < time.monotonic() - began < 2

    run(body, lifetime=0.3)


def test_whoever_holds_connections_does_not_keep_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 5)

    async def body(listener: HttpListener) -> None:
        held = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(20)]
        for _ in range(3):
            assert (await asyncio.wait_for(ask(listener.port, get("/livez")), 2)).endswith(b"ok\n")
        closed = 0
        for reader, _ in held:
            with contextlib.suppress(TimeoutError):
                with contextlib.suppress(ConnectionError):
                    await asyncio.wait_for(reader.read(), 0.02)
                closed += 1
        assert 15 <= closed < 20
        for _, writer in held:
            writer.close()

    run(body)


async def connect(port: int, source: str, count: int = 1) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    return [await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)) for _ in range(count)]


async def is_open(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    with contextlib.suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(connection[0].read(), 0.02)
        return False
    return not connection[0].at_eof() and connection[0].exception() is None


def test_who_holds_many_connections_loses_them_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet's probe is under way while somebody opens one connection after the other."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 10)
    monkeypatch.setattr(module, "FAIR", 3)

    async def body(listener: HttpListener) -> None:
        probes = await connect(listener.port, "127.0.0.2", 2)
        flood = await connect(listener.port, "127.0.0.1", 50)
        assert [await is_open(one) for one in probes] == [True, True]
        assert sum([await is_open(one) for one in flood]) == 8
        probes[0][1].write(get("/livez"))
        assert (await asyncio.wait_for(probes[0][0].read(), 2)).endswith(b"ok\n")
        for _, writer in (*probes, *flood):
            writer.close()

    run(body)


def test_among_many_who_hold_few_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose second connection has just come holds no more than its share: it may be the next probe."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 10)
    monkeypatch.setattr(module, "FAIR", 3)

    async def body(listener: HttpListener) -> None:
        many = [one for number in range(8) for one in await connect(listener.port, f"127.0.1.{number + 1}")]
        probes = await connect(listener.port, "127.0.0.2", 3)
        assert [await is_open(one) for one in (*many, *probes)] == [False] + [True] * 10
        for _, writer in (*many, *probes):
            writer.close()

    run(body)


def test_an_answer_under_way_outlives_the_lifetime() -> None:
    async def slow(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await asyncio.sleep(0.4)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    async def body(listener: HttpListener) -> None:
        assert (await ask(listener.port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")).endswith(b"late\r\n0\r\n\r\n")

    run(body, slow, lifetime=0.2)


def test_an_address_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SidecarError, match=f"admin.listen {listen}: address already in use"):
            HttpListener(telemetry(), listen, "admin")


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:x", "no-such-host.invalid:1", "192.0.2.1:80"])
def test_an_address_that_cannot_be_bound_is_named(listen: str) -> None:
    with pytest.raises(SidecarError, match=f"admin.listen {listen}: "):
        HttpListener(telemetry(), listen, "admin")


def test_ipv6() -> None:
    async def live() -> None:
        listener = HttpListener(telemetry(), "[::1]:0", "telemetry")
        await listener.start()
        reader, writer = await asyncio.open_connection("::1", listener.port)
        writer.write(get("/livez"))
        assert (await reader.read()).endswith(b"ok\n")
        writer.close()
        await listener.close()

    uvloop.run(live())


def test_closing_ends_idle_connections_and_frees_the_port() -> None:
    async def live() -> None:
        async with listening(telemetry()) as listener:
            port = listener.port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
            await reader.readuntil(b"ok\n")
            began = time.monotonic()
        assert time.monotonic() - began < 2
        assert await reader.read() == b""
        writer.close()
        again = HttpListener(telemetry(), f"127.0.0.1:{port}", "telemetry")
        await again.close()

    uvloop.run(live())
