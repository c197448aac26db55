"""The grpcio front: grpc.aio, raw bytes, every check decided on the event loop.

The handler is registered without a deserializer, so that bytes that are no CheckRequest reach us and are denied and
recorded (protobuf's own parser would end the call with a gRPC error, which Envoy may let through). grpc.aio cancels a
handler when its caller's deadline passes: what is awaited here ends the check on cancellation.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import TypeAlias

import grpc
from grpc import aio

from sidecar.model.addresses import Listen
from sidecar.model.ask import Verify
from sidecar.model.reason import Reason
from sidecar.model.settings import ServerSettings

from .asks import when_cancelled
from .faults import report
from .front import STOPPING, TOO_MANY, Desk, FrontParts, Limits, wait_quiet
from .health import UNKNOWN_SERVICE, Health, Refusal
from .listen import bindable, bound, change_mode
from .seam import CHECK_SERVICE, Pending
from .tls import server_credentials

Context: TypeAlias = "aio.ServicerContext[bytes, bytes]"

HEALTH_SERVICE = "grpc.health.v1.Health"

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes. Above ``max_check_size`` a check is denied and recorded; above this, grpc ends the call before any handler."""
STOP_GRACE = 1.0
OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.optimization_target", "throughput"),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1024),
    # identity only: Envoy does not compress checks, and a message's size is bounded before decompression only
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcioFront:
    """A Front on grpc.aio; see ``front.Front`` for its methods."""

    transport = "grpcio"

    def __init__(self, listen: Listen, parts: FrontParts, *, reason: str) -> None:
        """Bind ``listen``. Raises RuntimeError when that cannot be done, StartError for unreadable certificates."""
        settings = parts.settings
        self.reason = reason
        self._listen = listen
        self._checks = parts.checks
        self._answer = parts.answer
        self._meter = parts.meter
        self._clock = parts.clock
        self._desk = Desk(parts.checks, Limits.of(settings))
        self._received = 0
        self._refusing = False
        self._closing = False
        self._asked: set[asyncio.Future[object]] = set()
        self._health = Health()
        self._changed = asyncio.Event()
        self._watches = 0
        self._server = aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers(self._services())
        name = bindable(listen)
        tls = settings.tls
        port = self._server.add_insecure_port(name) if tls is None else self._server.add_secure_port(name, server_credentials(tls))
        self.address = bound(listen, port)

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    def _services(self) -> tuple[grpc.GenericRpcHandler, grpc.GenericRpcHandler]:
        return (
            grpc.method_handlers_generic_handler(CHECK_SERVICE, {"Check": grpc.unary_unary_rpc_method_handler(self._check)}),
            grpc.method_handlers_generic_handler(
                HEALTH_SERVICE,
                {
                    "Check": grpc.unary_unary_rpc_method_handler(self._health_check),
                    "Watch": grpc.unary_stream_rpc_method_handler(self._health_watch),
                },
            ),
        )

    # --- checks ---

    async def _check(self, payload: bytes, context: Context) -> bytes:
        """Flat on purpose: what memory answers costs one coroutine and no task."""
        limits = self._desk.limits
        if limits.allowed_peers:
            await self._require_peer(context)
        self._received += 1
        if self._meter.in_flight >= limits.max_in_flight:
            return self._checks.refuse(Reason.OVERLOADED, TOO_MANY)
        if self._refusing:
            return self._checks.refuse(Reason.NOT_READY, STOPPING)
        self._meter.in_flight += 1
        try:
            outcome = self._desk.open(payload, context.time_remaining())
            return outcome if type(outcome) is bytes else await self._asking(outcome)
        finally:
            self._meter.in_flight -= 1

    async def _asking(self, outcome: bytes | Pending) -> bytes:
        """Run verifications here, have the loop answer everything else, until there is an answer."""
        while isinstance(outcome, Pending):
            outcome = self._checks.verify(outcome) if isinstance(outcome.ask, Verify) else await self._ask(outcome)
        return outcome

    async def _ask(self, pending: Pending) -> bytes | Pending:
        task = asyncio.ensure_future(self._answer(pending.ask))
        self._asked.add(task)
        try:
            await asyncio.wait((task,), timeout=max(0.0, pending.deadline - self._clock.mono()))
        except asyncio.CancelledError:
            self._checks.fail(pending, Reason.DEADLINE_EXCEEDED)
            raise
        finally:
            self._asked.discard(task)
            late = not task.done()
            task.cancel()
        if late:
            return self._checks.fail(pending, Reason.DEADLINE_EXCEEDED)
        if task.cancelled():
            value = None if self._refusing else when_cancelled(pending.ask)
            if value is not None:
                return self._checks.resume(pending, value)
            return self._checks.fail(pending, Reason.NOT_READY if self._refusing else Reason.INTERNAL_ERROR)
        error = task.exception()
        if error is not None:
            report("what a check waits for failed", error)
            return self._checks.fail(pending, Reason.INTERNAL_ERROR)
        return self._checks.resume(pending, task.result())

    # --- health ---

    async def _health_check(self, payload: bytes, context: Context) -> bytes:
        await self._require_peer(context)
        answer = self._health.check(payload)
        if isinstance(answer, Refusal):
            await context.abort(_CODES[answer.code], answer.message)
        return answer

    async def _health_watch(self, payload: bytes, context: Context) -> AsyncGenerator[bytes, None]:
        await self._require_peer(context)
        known = self._health.watch(payload, self._watches)
        if isinstance(known, Refusal):
            await context.abort(_CODES[known.code], known.message)
        self._watches += 1
        try:
            sent = b""
            while not self._closing:
                changed = self._changed
                status = self._health.current() if known else UNKNOWN_SERVICE
                if status != sent:
                    yield status
                    sent = status
                await changed.wait()
        finally:
            self._watches -= 1

    def set_serving(self, serving: bool) -> None:  # noqa: D102 - Front
        if serving != self._health.serving:
            self._health.serving = serving
            self._wake_watches()

    def _wake_watches(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # --- peers ---

    async def _require_peer(self, context: Context) -> None:
        """End the call unless the peer's verified certificate has one of ``allowed_peers`` among its SANs.

        Not a denial: who is not an allowed peer is not asked for as an enforcement point, and gets no decision.
        """
        allowed = self._desk.limits.allowed_peers
        if not allowed:
            return
        names: Iterable[bytes] = context.auth_context().get("x509_subject_alternative_name", ())
        if allowed.isdisjoint(names):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "peer not in server.allowed_peers")

    # --- life ---

    def in_flight(self) -> int:  # noqa: D102 - Front
        return self._meter.in_flight

    def alive(self) -> bool:  # noqa: D102 - Front
        return not self._closing

    def apply(self, settings: ServerSettings) -> None:  # noqa: D102 - Front
        self._desk.limits = Limits.of(settings)
        change_mode(self._listen, settings.socket_mode)

    async def drain(self, quiet: float, *, until: float) -> bool:  # noqa: D102 - Front
        done = await wait_quiet(lambda: self._received, self.in_flight, self._clock, quiet, until)
        if not done:
            await self._refuse_rest()
        return done

    async def close(self) -> None:  # noqa: D102 - Front
        if self.in_flight() > 0:
            await self._refuse_rest()
        self._closing = True
        self._wake_watches()
        await self._server.stop(STOP_GRACE)

    async def _refuse_rest(self) -> None:
        """Cancel what the loop was asked: each check that waits for it is then denied ``not_ready``."""
        self._refusing = True
        for task in tuple(self._asked):
            task.cancel()
        await wait_quiet(lambda: 0, self.in_flight, self._clock, 0.0, self._clock.mono() + STOP_GRACE)
