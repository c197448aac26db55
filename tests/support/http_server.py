"""A small HTTP(S) server on loopback that misbehaves on demand: raw sockets, one thread for each connection."""

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self


class Request(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]


Behaviour = Callable[[socket.socket, Request], None]


class MisbehavingServer:
    """``with MisbehavingServer() as server: server.on("/x", answer(body=b"…")); server.url("/x")``."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.tls = tls
        self._behaviours: dict[str, Behaviour] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._listener.settimeout(0.05)
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def on(self, path: str, behaviour: Behaviour) -> None:
        self._behaviours[path] = behaviour

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        # Whatever the client does to the connection is the client's business here.
        with contextlib.suppress(OSError), connection:
            if self.tls is not None:
                with self.tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._answer(wrapped)
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received and (part := connection.recv(65536)):
            received += part
        if not received:
            return
        first, *lines = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(method, target, headers)
        self.requests.append(request)
        self._behaviours.get(target.partition("?")[0], answer(404))(connection, request)


def answer(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A well-formed answer."""

    def behave(connection: socket.socket, _request: Request) -> None:
        fields = {"content-length": str(len(body)), "connection": "close", **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection.sendall(f"HTTP/1.1 {status} Words\r\n{head}\r\n".encode() + body)

    return behave


def redirect(location: str, status: int = 302) -> Behaviour:
    return answer(status, headers={"location": location})


def raw(*parts: bytes, pause: float = 0.0) -> Behaviour:
    """Exactly these bytes, with ``pause`` seconds between them, then the end of the connection."""

    def behave(connection: socket.socket, _request: Request) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return behave


def drip(body: bytes, pause: float) -> Behaviour:
    """The body byte by byte: each read succeeds, the whole takes for ever."""
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    return raw(head, *(body[at : at + 1] for at in range(len(body))), pause=pause)


def endless(part: bytes, megabytes: int) -> Behaviour:
    """A body of this many megabytes without a length, as fast as it goes."""

    def behave(connection: socket.socket, _request: Request) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(megabytes * 1024 * 1024 // len(part)):
            connection.sendall(part)

    return behave


def gzip_bomb(megabytes: int) -> Behaviour:
    """Zeros, a thousandth of their size on the wire."""
    return answer(200, gzip.compress(bytes(megabytes * 1024 * 1024)), {"content-encoding": "gzip"})
