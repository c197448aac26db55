"""A raw HTTP/1.1 client: sends a request line and headers byte for byte, which no well-meaning library would."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Header = tuple[str, str]
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Header names in lower case, repeats in order."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        """The id that Envoy gave the request (``always_set_request_id_in_response``)."""
        return self.get("x-request-id") or ""

    @property
    def seen(self) -> "Seen":
        """What the echo upstream received."""
        body = self.json
        return Seen(body["method"], body["target"], tuple((name.lower(), value) for name, value in body["headers"]))


@dataclass(frozen=True, slots=True)
class Seen:
    """The request as the upstream got it."""

    method: str
    target: str
    headers: tuple[Header, ...]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        """The only value of a header, or None; an assertion error when it is there twice."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def names(self) -> set[str]:
        """All header names in lower case."""
        return {name for name, _ in self.headers}


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int, timeout: float = TIMEOUT) -> None:
        """Connect to a loopback port."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Close it."""
        self._file.close()
        self._socket.close()

    def send(self, method: str, target: str, headers: Iterable[Header], body: bytes = b"") -> Reply:
        """Send exactly this (latin-1) and read the answer.

        Raises:
            ConnectionError: the peer closed before a whole answer.
        """
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        if body:
            lines.append(f"content-length: {len(body)}")
        self._socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self._read(head=method == "HEAD")

    def _read(self, *, head: bool) -> Reply:
        first = self._line()
        status = int(first.split()[1])
        headers: list[Header] = []
        while line := self._line():
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        named = dict(headers)
        if head or status in {204, 304}:
            return Reply(status, tuple(headers), b"")
        if "chunked" in named.get("transfer-encoding", ""):
            return Reply(status, tuple(headers), self._chunked())
        return Reply(status, tuple(headers), self._file.read(int(named.get("content-length", "0"))))

    def _line(self) -> str:
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("closed before a whole answer")
        return line.decode("latin-1").rstrip("\r\n")

    def _chunked(self) -> bytes:
        body = b""
        while size := int(self._line(), 16):
            body += self._file.read(size)
            self._line()
        self._line()
        return body


def send(
    port: int,
    target: str,
    headers: Mapping[str, str] | Iterable[Header] = (),
    *,
    method: str = "GET",
    host: str = "api.example.com",
    body: bytes = b"",
    timeout: float = TIMEOUT,
) -> Reply:
    """One request on a connection of its own; ``host`` comes first, ``headers`` follow as given."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    connection = Connection(port, timeout)
    try:
        return connection.send(method, target, [("host", host), *pairs], body)
    finally:
        connection.close()
