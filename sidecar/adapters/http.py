"""An HTTP listener on the running event loop: uvicorn without signals, access log and unbounded connections."""

import asyncio
import functools
import logging
import socket
from collections import Counter

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from sidecar.model.addresses import parse_listen
from sidecar.model.errors import SidecarError

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
"""An older connection gives way to a new one, so that whoever holds many can't keep out the kubelet's probes …"""
FAIR = 8
"""… nor end one that is under way: it is the oldest of the address that holds the most, if these are more than this; else of all."""
LIFETIME = 10.0
"""Seconds after which a connection is closed: at once when no request is being answered (a request that drips in
hasn't begun), after the answer otherwise."""
GRACE = 10.0
"""Seconds more for an answer that is being read slowly."""
CLOSE_TIMEOUT = 1
"""Seconds for answers under way when the listener closes."""


class HttpListener:
    """One bound address and the application that answers on it."""

    def __init__(self, app: ASGIApp, listen: str, name: str, *, lifetime: float = LIFETIME) -> None:
        """Bind ``listen`` (``host:port``); nothing is accepted before :meth:`start`.

        Raises:
            SidecarError: the address can't be bound; names ``name`` and the address.
        """
        self._name = name
        self._socket = _bind(listen, name)
        gate = _Gate(lifetime)
        config = uvicorn.Config(
            app,
            http=functools.partial(_BoundedProtocol, gate),  # type: ignore[arg-type] # called like the class
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSE_TIMEOUT,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._ticking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The bound port (of use when ``listen`` said 0)."""
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        """Begin to accept. ``uvicorn.Server.serve`` isn't used since it takes over the process's signals."""
        await self._server.startup(sockets=[self._socket])
        self._ticking = asyncio.create_task(self._server.main_loop(), name=f"{self._name} listener")
        log.info("listening", extra={"listener": self._name, "port": self.port})

    async def close(self) -> None:
        """Stop accepting, finish what is being answered (CLOSE_TIMEOUT at most)."""
        if self._ticking is None:
            self._socket.close()
            return
        self._server.should_exit = True
        self._ticking.cancel()
        await asyncio.wait([self._ticking])
        await self._server.shutdown(sockets=[self._socket])


class _Gate:
    """The open connections of one listener, oldest first."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.open: dict[_BoundedProtocol, None] = {}

    def victim(self) -> "_BoundedProtocol":
        """Return the connection that gives way."""
        address, held = Counter(one.address for one in self.open).most_common(1)[0]
        return next(one for one in self.open if held <= FAIR or one.address == address)


class _BoundedProtocol(H11Protocol):
    """uvicorn bounds neither how many connections there are nor how long a request may take to arrive."""

    def __init__(self, gate: _Gate, **uvicorn_arguments: object) -> None:
        super().__init__(**uvicorn_arguments)  # type: ignore[arg-type] # passed through
        self._gate = gate
        self._timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """The peer's, without its port."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._gate.open[self] = None
        if len(self._gate.open) > MAX_CONNECTIONS:
            victim = self._gate.victim()
            victim.transport.abort()
            del self._gate.open[victim]
        self._timer = self.loop.call_later(self._gate.lifetime, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.open.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _expire(self) -> None:
        self._timer = self.loop.call_later(GRACE, self.transport.abort)
        self.shutdown()


def _bind(listen: str, name: str) -> socket.socket:
    """Return a listening socket."""
    place = parse_listen(listen)
    if place is None or place.kind != "tcp":
        raise SidecarError(f"{name}.listen {listen}: not host:port")
    try:
        family, kind, _, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise SidecarError(f"{name}.listen {listen}: {(error.strerror or 'cannot be bound').lower()}") from error
    return bound
