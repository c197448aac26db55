"""Requests whose path is sent byte for byte, by HTTP/1.1 and by HTTP/2."""

import asyncio
import contextlib
import re
from typing import NamedTuple, Protocol

import h2.config
import h2.connection
import h2.events
import h2.exceptions

HOST = b"api.example.com"
TIMEOUT = 20.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_BREAKS_LINES = re.compile(rb"[\x00-\x20\x7f]")


class Answer(NamedTuple):
    """``status`` 0: the connection or stream was closed instead. Header names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


CLOSED = Answer(0, {}, b"")
NOBODY = Answer(503, {}, b"")
"""Nothing listens, or nothing came in time."""


class Client(Protocol):
    """Sends one request at a time and connects again where the peer has closed."""

    async def get(self, path: bytes, token: str = "") -> Answer:
        """The answer to a GET of exactly this path."""
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


class Http1:
    """HTTP/1.1 on a kept-alive connection. A path that could end the request line early gets a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: bytes, token: str = "") -> Answer:
        """The first answer to what was sent."""
        lonely = _BREAKS_LINES.search(path) is not None
        fresh = self._streams is None or lonely
        if fresh:
            self.close()
        answer = await self._try(path, token)
        if answer is CLOSED and not fresh:  # the peer may have closed a connection that waited
            answer = await self._try(path, token)
        if lonely:
            self.close()
        return answer

    async def _try(self, path: bytes, token: str) -> Answer:
        try:
            async with asyncio.timeout(TIMEOUT):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                bearer = f"authorization: Bearer {token}\r\n".encode() if token else b""
                writer.write(b"GET " + path + b" HTTP/1.1\r\nhost: " + HOST + b"\r\n" + bearer + b"\r\n")
                return await self._read(reader)
        except (ConnectionRefusedError, TimeoutError):
            self.close()
            return NOBODY
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            self.close()
            return CLOSED

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = await reader.readuntil(b"\r\n\r\n")
        if _CHUNKED.search(head):
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
        first, *lines = head[:-4].split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
        return Answer(int(first.split(b" ", 2)[1]), headers, body)

    def close(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Http2:
    """HTTP/2 with prior knowledge, one stream at a time; what is sent is not checked."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._state: h2.connection.H2Connection | None = None

    async def get(self, path: bytes, token: str = "") -> Answer:
        """The answer, ``CLOSED`` after a reset."""
        fresh = self._streams is None
        answer = await self._try(path, token)
        if answer is CLOSED and not fresh and self._streams is None:
            answer = await self._try(path, token)
        return answer

    async def _try(self, path: bytes, token: str) -> Answer:
        try:
            async with asyncio.timeout(TIMEOUT):
                if self._streams is None:
                    await self._connect()
                assert self._streams is not None
                assert self._state is not None
                stream = self._state.get_next_available_stream_id()
                headers = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", HOST), (b":path", path)]
                if token:
                    headers.append((b"authorization", f"Bearer {token}".encode()))
                self._state.send_headers(stream, headers, end_stream=True)
                return await self._read(stream)
        except (ConnectionRefusedError, TimeoutError):
            self.close()
            return NOBODY
        except (OSError, h2.exceptions.ProtocolError, ValueError):
            self.close()
            return CLOSED

    async def _connect(self) -> None:
        self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        config = h2.config.H2Configuration(
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self._state = h2.connection.H2Connection(config)
        self._state.initiate_connection()

    async def _read(self, stream: int) -> Answer:
        assert self._streams is not None
        assert self._state is not None
        reader, writer = self._streams
        headers: dict[bytes, bytes] = {}
        body = b""
        while True:
            writer.write(self._state.data_to_send())
            data = await reader.read(65536)
            events = self._state.receive_data(data)
            if not data or any(isinstance(event, h2.events.ConnectionTerminated) for event in events):
                self.close()
                return CLOSED
            for event in events:
                match event:
                    case h2.events.ResponseReceived(stream_id=of) if of == stream:
                        headers = dict(event.headers)
                    case h2.events.DataReceived(stream_id=of):
                        self._state.acknowledge_received_data(event.flow_controlled_length, of)
                        body += event.data if of == stream else b""
                    case h2.events.StreamReset(stream_id=of) if of == stream:
                        return CLOSED
                    case h2.events.StreamEnded(stream_id=of) if of == stream:
                        return Answer(int(headers.get(b":status", b"0")), headers, body)

    def close(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].close()
            self._streams = None
            self._state = None
