"""A TCP proxy between two loopback parties that cuts, corrupts or refuses, as told at any moment."""

import asyncio
import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.servers.threaded import Threaded

PIECE = 65536


@dataclass(frozen=True, slots=True)
class Bad:
    """What is wrong with the way from the target back to the client. Applies to connections that exist, too, except ``refuse``."""

    cut_after: int | None = None
    """Bytes of one connection after which it is cut."""
    corrupt_every: int = 0
    """Each n-th byte of a connection has a bit flipped; 0: none."""
    refuse: bool = False
    """A new connection is closed before a byte went through."""


WELL = Bad()


class TcpProxy(Threaded):
    """Listens on ``port``, a free one, and passes everything on to ``target``, a loopback port; ``bad`` and ``target`` can be assigned."""

    def __init__(self, target: int) -> None:
        """Start."""
        self.target = target
        self.bad = WELL
        super().__init__("proxy")
        self._server = self._on_loop(asyncio.start_server(self._connection, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close every connection and end the thread."""
        self._end()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        other: asyncio.StreamWriter | None = None
        try:
            if not self.bad.refuse:
                there, other = await asyncio.open_connection("127.0.0.1", self.target)
                await self._both(reader, writer, there, other)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for one in (writer, other):
                if one is not None:
                    one.transport.abort()

    async def _both(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, other: asyncio.StreamWriter
    ) -> None:
        ways = {asyncio.ensure_future(_forward(reader, other)), asyncio.ensure_future(self._back(there, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for result in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                    raise result

    async def _back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = 0
        while piece := await there.read(PIECE):
            bad = self.bad
            if bad.corrupt_every:
                piece = bytes(byte ^ 1 if (sent + at + 1) % bad.corrupt_every == 0 else byte for at, byte in enumerate(piece))
            if bad.cut_after is not None:
                piece = piece[: max(0, bad.cut_after - sent)]
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            if bad.cut_after is not None and sent >= bad.cut_after:
                return
        with contextlib.suppress(OSError):
            writer.write_eof()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
    await asyncio.sleep(3600)  # half closed: the answer may still come
