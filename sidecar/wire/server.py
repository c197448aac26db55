"""Opens the check listener: chooses the transport, binds, and hands back a Front. Neither library loads unless used."""

import logging
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple

from sidecar.model.addresses import Listen, parse_listen
from sidecar.model.meter import Meter
from sidecar.model.settings import ServerSettings
from sidecar.ports import Clock

from .front import Front, FrontParts, StartError
from .listen import socket_file
from .seam import Answerer, Checks

if TYPE_CHECKING:
    from .front_grpcio import GrpcioFront
    from .front_native import NativeFront

_log = logging.getLogger(__name__)


class Transport(NamedTuple):
    """The transport chosen, and why, in words for the log and /status."""

    name: Literal["native", "grpcio"]
    reason: str


def choose_transport(settings: ServerSettings, listen: Listen, *, native_installed: bool) -> Transport:
    """Choose between the fronts; raise StartError when ``native`` is demanded where it cannot serve.

    Security rule 24: native has no TLS and bounds neither pings nor connections nor decompression, so it stays on
    loopback and Unix sockets.
    """
    wanted = settings.transport
    if wanted == "grpcio":
        return Transport("grpcio", "configured")
    obstacle = _obstacle(settings, listen, native_installed=native_installed)
    if wanted == "auto":
        return Transport("grpcio", obstacle) if obstacle else Transport("native", "loopback or Unix socket, no TLS")
    if obstacle:
        raise StartError(f"server.transport: native cannot be used: {obstacle}; use auto or grpcio")
    return Transport("native", "configured")


def _obstacle(settings: ServerSettings, listen: Listen, *, native_installed: bool) -> str:
    if settings.tls is not None:
        return "TLS is configured, which only grpcio has"
    if not listen.loopback:
        return "the listener is reachable from other machines, and only grpcio limits connections and pings"
    return "" if native_installed else "the package pygrpc-native is not installed"


async def start_front(settings: ServerSettings, checks: Checks, answer: Answerer, meter: Meter, clock: Clock) -> Front:
    """Open the listener of ``settings`` and begin to answer; health says NOT_SERVING until told otherwise.

    Raises StartError when it cannot be opened.
    """
    listen = parse_listen(settings.listen)
    if listen is None:
        raise StartError(f"server.listen: {settings.listen}: write host:port or unix:///path")
    transport = choose_transport(settings, listen, native_installed=find_spec("pygrpc_native") is not None)
    parts = FrontParts(settings=settings, checks=checks, answer=answer, meter=meter, clock=clock)
    try:
        with socket_file(listen.path, settings.socket_mode) if listen.path else nullcontext():
            front = _bind(transport, listen, parts)
    except (OSError, RuntimeError) as error:
        raise StartError(f"server.listen: cannot listen on {settings.listen}: {error}") from error
    if transport.name == "native" and not listen.path:
        _log.warning("native transport on TCP: what shares this loopback can open connections and send messages without limit")
    await front.start()
    return front


def _bind(transport: Transport, listen: Listen, parts: FrontParts) -> "NativeFront | GrpcioFront":
    if transport.name == "native":
        from .front_native import NativeFront  # noqa: PLC0415 - loaded only where it serves

        return NativeFront(listen, parts, reason=transport.reason)
    from .front_grpcio import GrpcioFront  # noqa: PLC0415 - grpc costs 25 MB and never loads for native

    return GrpcioFront(listen, parts, reason=transport.reason)
