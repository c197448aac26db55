"""A gRPC client over raw HTTP/2 that never waits: many unary calls on one connection, each answered, cancelled or failed on its own.

``benchmarks.connection`` keeps a fixed number of calls open and takes every surprise for the end of a measurement. Here refusals,
cancellations, resets and closed connections are what is looked for.
"""

import contextlib
import socket
import struct
from typing import NamedTuple

from benchmarks import http2
from benchmarks.connection import MESSAGE_HEAD, connect

CHECK_PATH = "/envoy.service.auth.v3.Authorization/Check"
READ_SIZE = 1 << 18
CANCEL = struct.pack(">I", 8)
"""The error code of a call that its caller gave up (RFC 9113, 7)."""
MAX_STREAM = 2**31 - 1


class Reply(NamedTuple):
    """The end of a call; ``message`` is None when it ended without one, which is a gRPC error.

    ``tag`` is what ``Caller.call`` was given, or None when the call had been cancelled.
    """

    stream: int
    tag: object
    message: bytes | None


class Closed(ConnectionError):
    """The server closed the connection."""


class Caller:
    """One connection to a check listener. Not for several threads."""

    def __init__(self, address: str, timeout_ms: int) -> None:
        """Connect to ``host:port`` or ``unix:///path``; every call says ``timeout_ms`` as its grpc-timeout."""
        self.sock = connect(address)
        self.sock.setblocking(False)
        extra = (("user-agent", "campaigns/1"), ("grpc-timeout", f"{timeout_ms}m"))
        self._first, self._later = http2.header_blocks(CHECK_PATH, "sidecar", extra)
        self._next = 1
        self._window = http2.DEFAULT_WINDOW
        self._streams = 100
        self._out = [http2.hello()]
        self._rest = b""
        self._messages: dict[int, bytes] = {}
        self._taken = 0
        self.waiting: dict[int, object] = {}
        """Tags of the calls that are neither answered nor cancelled, by stream."""
        self.going = False
        """The server said GOAWAY: no further calls here."""

    def room(self, size: int) -> bool:
        """Whether a call with a message of ``size`` bytes may be made now: streams, the connection's window, GOAWAY."""
        return not self.going and len(self.waiting) < self._streams and size + 5 <= self._window and self._next < MAX_STREAM

    def call(self, body: bytes, tag: object) -> int:
        """Begin a call; return its stream. It leaves with the next ``flush``; its reply brings ``tag`` back."""
        stream, self._next = self._next, self._next + 2
        block = self._first if stream == 1 else self._later
        message = MESSAGE_HEAD.pack(0, len(body)) + body
        self._window -= len(message)
        self._out.append(http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block))
        for at in range(0, len(message), http2.MAX_FRAME):
            last = at + http2.MAX_FRAME >= len(message)
            part = message[at : at + http2.MAX_FRAME]
            self._out.append(http2.frame(http2.DATA, http2.END_STREAM if last else 0, stream, part))
        self.waiting[stream] = tag
        return stream

    def cancel(self, stream: int) -> None:
        """Give a call up, as Envoy does when its timeout has passed."""
        self._out.append(http2.frame(http2.RST_STREAM, 0, stream, CANCEL))
        self._messages.pop(stream, None)
        self.waiting.pop(stream, None)

    def flush(self) -> None:
        """Send what the socket takes now. Raises Closed."""
        if not self._out:
            return
        data = b"".join(self._out)
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Closed(str(error)) from None
        self._out = [data[sent:]] if sent < len(data) else []

    def read(self) -> list[Reply]:
        """Read once; return the calls that have ended, also those cancelled before. Raises Closed."""
        try:
            chunk = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return []
        except OSError as error:
            raise Closed(str(error)) from None
        if not chunk:
            raise Closed("end of stream")
        data = self._rest + chunk if self._rest else chunk
        position, end = 0, len(data)
        replies: list[Reply] = []
        while end - position >= http2.FRAME_HEAD.size:
            high, low, kind, flags, stream = http2.FRAME_HEAD.unpack_from(data, position)
            start = position + http2.FRAME_HEAD.size
            stop = start + (high << 8 | low)
            if stop > end:
                break
            if kind == http2.DATA:
                self._taken += stop - start
                held = self._messages.get(stream)
                self._messages[stream] = data[start:stop] if held is None else held + data[start:stop]
            elif kind != http2.HEADERS:
                self._control(kind, flags, stream, data[start:stop], replies)
            if kind in {http2.DATA, http2.HEADERS} and flags & http2.END_STREAM:
                replies.append(self._ended(stream))
            position = stop
        self._rest = data[position:]
        if self._taken > http2.MAX_WINDOW // 4:
            self._out.append(http2.window_update(0, self._taken))
            self._taken = 0
        return replies

    def _ended(self, stream: int) -> Reply:
        message = self._messages.pop(stream, None)
        whole = message is not None and len(message) == MESSAGE_HEAD.size + int.from_bytes(message[1:5], "big")
        return Reply(stream, self.waiting.pop(stream, None), message[5:] if message is not None and whole else None)

    def _control(self, kind: int, flags: int, stream: int, payload: bytes, replies: list[Reply]) -> None:
        if kind == http2.WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == http2.SETTINGS and not flags & http2.ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == http2.SETTINGS_MAX_CONCURRENT:
                    self._streams = value
            self._out.append(http2.frame(http2.SETTINGS, http2.ACK, 0))
        elif kind == http2.PING and not flags & http2.ACK:
            self._out.append(http2.frame(http2.PING, http2.ACK, 0, payload))
        elif kind == http2.RST_STREAM:
            self._messages.pop(stream, None)
            replies.append(Reply(stream, self.waiting.pop(stream, None), None))
        elif kind == http2.GOAWAY:
            self.going = True

    def close(self) -> None:
        """Close without a word."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
