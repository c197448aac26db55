import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.settings import ServerSettings
from sidecar.wire.front import Front
from sidecar.wire.server import start_front
from tests.support.server_settings import SETTINGS

from .stub import StubChecks, StubLoop

KINDS = ["native/tcp", "native/uds", "grpcio/tcp", "grpcio/uds"]


class RealClock:
    def now(self) -> Instant:
        return Instant(time.time(), time.monotonic())

    def mono(self) -> float:
        return time.monotonic()


@dataclass
class Serving:
    front: Front
    checks: StubChecks
    loop: StubLoop
    meter: Meter
    clock: RealClock
    settings: ServerSettings

    async def settled(self) -> None:
        """Wait until nothing is in flight; the counter must come back to zero whatever happened."""
        await eventually(lambda: self.front.in_flight() == 0)


async def eventually(holds: Callable[[], bool], within: float = 3.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "did not come true in time"
        await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session", autouse=True)
async def one_loop(anyio_backend: object) -> AsyncIterator[None]:
    """Keep one event loop for all of these tests: grpc.aio's poller is the process's own, and may still call a loop that a test has closed."""
    yield  # noqa: PT022 - a fixture that has ended would give the loop back


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "check.sock"


Start = Callable[..., AbstractAsyncContextManager[Serving]]


@asynccontextmanager
async def serving(settings: ServerSettings) -> AsyncIterator[Serving]:
    clock, meter, loop = RealClock(), Meter(), StubLoop()
    checks = StubChecks(clock)
    front = await start_front(settings, checks, loop, meter, clock)
    try:
        yield Serving(front, checks, loop, meter, clock, settings)
    finally:
        await front.close()


@pytest.fixture(params=KINDS)
def start(request: pytest.FixtureRequest, socket_path: Path) -> Start:
    """Starts the front under test, with changes to the settings."""
    transport, _, place = request.param.partition("/")
    base = replace(SETTINGS, transport=transport)
    if place == "uds":
        base = replace(base, listen=f"unix://{socket_path}")
    return lambda **changes: serving(replace(base, **changes))
