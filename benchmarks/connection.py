"""One HTTP/2 connection of the load generator: writes calls in batches, checks every reply. See ``driver``."""

import socket
import struct
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

from . import http2
from .corpus_file import Message

READ_SIZE = 1 << 18
MESSAGE_HEAD = struct.Struct(">BI")
"""gRPC's prefix of a message: compressed or not, length."""


class ServerFault(Exception):
    """The server broke the protocol, closed, or stopped answering."""


@dataclass(slots=True)
class Tally:
    """What came back. ``latencies`` in seconds, from before the send to after the read; ``first``: a reply to each message."""

    replies: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    first: dict[int, bytes] = field(default_factory=dict)


class Script:
    """The corpus as frames that lack only their stream ids; every connection goes through it from its own place."""

    def __init__(self, messages: list[Message], blocks: tuple[bytes, bytes], needle: bytes | None) -> None:
        """Frame ``messages`` with HPACK ``blocks`` (first call, later ones); ``needle``, if given, replaces what each expects.

        Raises ValueError when a message does not fit one frame.
        """
        first, later = blocks
        self.size = len(messages)
        self.needles = [needle or message.needle for message in messages]
        self.bodies = [MESSAGE_HEAD.pack(0, len(message.body)) + message.body for message in messages]
        self.longest = max(map(len, self.bodies))
        if self.longest > http2.MAX_FRAME:
            raise ValueError("a message does not fit one frame")
        data_heads = [http2.frame(http2.DATA, http2.END_STREAM, 0, body)[:5] for body in self.bodies]
        self.first_head = http2.frame(http2.HEADERS, http2.END_HEADERS, 0, first)[:5]
        self.first_middles = [first + head for head in data_heads]
        self.headers_head = http2.frame(http2.HEADERS, http2.END_HEADERS, 0, later)[:5]
        self.middles = [later + head for head in data_heads]


class Connection:
    """What it may still send, what it waits for."""

    def __init__(self, sock: socket.socket, script: Script, tally: Tally, start: int, streams: int) -> None:
        """Take a connected socket; ``start`` is where in the script to begin."""
        self.sock = sock
        self.script = script
        self.tally = tally
        self.cursor = start
        self.streams = streams
        self.next_stream = 1
        self.window = http2.DEFAULT_WINDOW
        self.taken = 0
        self.rest = b""
        self.waiting: dict[int, tuple[int, float]] = {}
        self.answered: set[int] = set()
        self.partial: dict[int, bytes] = {}
        self.control: list[bytes] = [http2.hello()]

    def fill(self) -> None:
        """Send as many calls as streams and the connection's window allow, in one write."""
        out, self.control = self.control, []
        script, now = self.script, time.perf_counter()
        for _ in range(self.streams - len(self.waiting)):
            index, stream = self.cursor, self.next_stream
            body = script.bodies[index]
            if len(body) > self.window:
                break
            number = stream.to_bytes(4, "big")
            if stream == 1:
                out += (script.first_head, number, script.first_middles[index], number, body)
            else:
                out += (script.headers_head, number, script.middles[index], number, body)
            self.window -= len(body)
            self.waiting[stream] = (index, now)
            self.next_stream = stream + 2
            self.cursor = index + 1 if index + 1 < script.size else 0
        if out:
            self.sock.sendall(b"".join(out))

    def flush(self) -> None:
        """Send what the protocol owes, but no new call."""
        if self.control:
            self.sock.sendall(b"".join(self.control))
            self.control = []

    def read(self) -> None:
        """Read once and take in every whole frame. Raises ServerFault when the server is gone or says so."""
        chunk = self.sock.recv(READ_SIZE)
        if not chunk:
            raise ServerFault("the server closed the connection")
        data = self.rest + chunk if self.rest else chunk
        position, end, now = 0, len(data), time.perf_counter()
        while end - position >= 9:
            high, low, kind, flags, stream = http2.FRAME_HEAD.unpack_from(data, position)
            start = position + 9
            stop = start + (high << 8 | low)
            if stop > end:
                break
            if kind == http2.DATA:
                self._on_data(stream, data, start, stop)
            elif kind != http2.HEADERS:
                self._on_control(kind, flags, stream, data[start:stop])
            elif flags & http2.END_STREAM:
                self._on_end(stream, now)
            position = stop
        self.rest = data[position:]

    def _on_data(self, stream: int, data: bytes, start: int, stop: int) -> None:
        self.taken += stop - start
        if self.taken > http2.MAX_WINDOW // 2:
            self.control.append(http2.window_update(0, self.taken))
            self.taken = 0
        if self.partial or stop - start != 5 + int.from_bytes(data[start + 1 : start + 5], "big"):
            data = self.partial.pop(stream, b"") + data[start:stop]
            start, stop = 0, len(data)
            if stop < 5 or stop != 5 + int.from_bytes(data[1:5], "big"):
                self.partial[stream] = data
                return
        index = self.waiting[stream][0]
        self.answered.add(stream)
        if data.find(self.script.needles[index], start, stop) < 0:
            self.tally.wrong[repr(data[start + 5 : stop][:300])] += 1
        if index not in self.tally.first:
            self.tally.first[index] = data[start + 5 : stop]

    def _on_end(self, stream: int, now: float) -> None:
        _index, sent = self.waiting.pop(stream)
        self.tally.replies += 1
        self.tally.latencies.append(now - sent)
        if stream in self.answered:
            self.answered.discard(stream)
        else:
            self.tally.wrong["ended without a message"] += 1

    def _on_control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == http2.WINDOW_UPDATE:
            if stream == 0:
                self.window += int.from_bytes(payload, "big")
        elif kind == http2.SETTINGS and not flags & http2.ACK:
            self._on_settings(payload)
            self.control.append(http2.frame(http2.SETTINGS, http2.ACK, 0))
        elif kind == http2.PING and not flags & http2.ACK:
            self.control.append(http2.frame(http2.PING, http2.ACK, 0, payload))
        elif kind == http2.RST_STREAM:
            self.tally.wrong[f"reset with code {int.from_bytes(payload, 'big')}"] += 1
            self.answered.add(stream)
            self._on_end(stream, time.perf_counter())
        elif kind == http2.GOAWAY:
            raise ServerFault(f"the server said GOAWAY: {payload!r}")

    def _on_settings(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HI", payload):
            if name == http2.SETTINGS_MAX_CONCURRENT and value < self.streams:
                raise ServerFault(f"the server admits {value} streams only")
            if name == http2.SETTINGS_INITIAL_WINDOW and value < self.script.longest:
                raise ServerFault(f"the server's stream window of {value} bytes is smaller than a message")


def connect(target: str) -> socket.socket:
    """Connect to ``host:port`` or ``unix:///path``."""
    if target.startswith("unix://"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(target.removeprefix("unix://"))
        return sock
    host, _, port = target.rpartition(":")
    sock = socket.create_connection((host, int(port)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
