"""A small HTTP/1.1 server on a thread of its own, which hands its handler the request exactly as it was sent."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

from .threaded import Threaded

MAX_HEAD = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``target`` and header names as on the wire (latin-1), repeats in order."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The target before its query."""
        return self.target.partition("?")[0]

    def all(self, name: str) -> list[str]:
        """Every value of a header, whatever the case of its name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. ``headers`` beside content-length, which is added.

    ``parts``: the body as it becomes ready, instead of ``body``; the connection is closed after it, and no content-length is added.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())
    parts: AsyncIterator[bytes] | None = None


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class HttpServer(Threaded):
    """Serves ``handler`` on a loopback port until ``stop``. Connections are kept alive."""

    def __init__(self, handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Start listening; ``port`` 0 takes a free one."""
        self._handler = handler
        self._scheme = "http" if tls is None else "https"
        super().__init__("httpd")
        self.port = port
        self.up(tls)
        self._open = True

    def up(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        """Listen, again on the same port after ``down``; as at first, by TLS or without."""
        self._server = self._on_loop(asyncio.start_server(self._connection, host, self.port, limit=MAX_HEAD, ssl=tls))
        self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Close every connection and refuse new ones until ``up``."""
        self._on_loop(self._shut())

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, or https."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close every connection and end the thread. Does nothing the second time."""
        if self._open:
            self._open = False
            self._end()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ValueError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = tuple((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))
        request = Request(method, target, headers, b"")
        if length := request.all("content-length"):
            request = Request(method, target, headers, await reader.readexactly(int(length[0])))
        elif "chunked" in request.all("transfer-encoding"):
            request = Request(method, target, headers, await _chunks(reader))
        answer = await self._handler(request)
        length_line = [f"content-length: {len(answer.body)}"] if answer.parts is None else ["connection: close"]
        lines = [f"HTTP/1.1 {answer.status} -", *length_line, *(f"{name}: {value}" for name, value in answer.headers)]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else answer.body))
        await writer.drain()
        if answer.parts is not None:
            async for part in answer.parts:
                writer.write(part)
                await writer.drain()
            return False
        return "close" not in request.all("connection")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body
