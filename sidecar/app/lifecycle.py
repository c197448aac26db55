"""From start to exit: signals, start, drain.

SIGTERM drains (exit 0): health NOT_SERVING and /readyz 503, everything still answered for ``shutdown_delay``, so
that Envoy and Kubernetes notice before anything is refused; then until quiet; ``shutdown_timeout`` bounds it all.
A second SIGTERM, or a SIGINT after one, exits 1 at once. SIGHUP reloads. Before it is serving, SIGTERM just ends.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from sidecar.model.errors import ConfigError, Problem, SidecarError

if TYPE_CHECKING:
    from sidecar.adapters.logs import LogWriter

    from .process import Process

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_CONFIG = 1
EXIT_FAILED = 3
EXIT_CUT_SHORT = 1
QUIET = 0.2
"""Seconds without a check after which a draining listener closes."""
FLUSH_TIMEOUT = 2.0
"""Seconds that decision records may take to be written at the end."""

LOG_TIMEOUT = 1.0
LOOK_EVERY = 1.0

_STOP = (signal.SIGTERM, signal.SIGINT)


def serve(config: str, shadow_config: str | None = None, shadow_share: float = 0.1) -> int:
    """Serve until told to stop; return the exit code. To be called once, on the main thread.

    ``shadow_config``: a candidate that is asked about ``shadow_share`` (0 to 1) of the checks and decides none.

    0: drained. 1: the configuration is invalid (printed on stderr). 3: a listener or file cannot be opened, or checks can
    no longer be decided.
    """
    for number in _STOP:
        # As PID 1 of a container a process has no default handlers: a SIGTERM during the imports would be lost.
        signal.signal(number, _leave_early)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload, once there is something to reload
    from sidecar.adapters import logs  # noqa: PLC0415 - after the signal handlers

    writer = logs.configure()
    try:
        return _run(partial(_live, config, writer, None if shadow_config is None else (shadow_config, shadow_share)))
    except ConfigError as error:
        return _refuse(writer, EXIT_CONFIG, *map(_line, error.problems))
    except (SidecarError, OSError) as error:
        return _refuse(writer, EXIT_FAILED, f"error: {error}")
    finally:
        writer.finish(LOG_TIMEOUT)


def _line(problem: Problem) -> str:
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{problem.where}: error: {problem.message}{hint}"


def _refuse(writer: "LogWriter", code: int, *lines: str) -> int:
    writer.finish(LOG_TIMEOUT)  # what was logged comes first
    print(*lines, sep="\n", file=sys.stderr)  # noqa: T201 - for people, who look at what happens at start
    return code


def _leave_early(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(EXIT_OK)


def _run(live: Callable[[], Coroutine[None, None, int]]) -> int:
    import uvloop  # noqa: PLC0415 - after the signal handlers

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(live())


async def _live(config: str, writer: "LogWriter", shadow: tuple[str, float] | None) -> int:
    stop = _stop_on_signals()
    from .build import ShadowConfig, start  # noqa: PLC0415 - begins validating before it imports the rest

    starting = asyncio.create_task(start(config, writer, None if shadow is None else ShadowConfig(*shadow)))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        # Nothing was promised to anybody yet; the validator child ends when nobody reads what it says.
        log.info("stopped before serving")
        writer.finish(LOG_TIMEOUT)
        os._exit(EXIT_OK)
    process = starting.result()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, process.reload)
    dying = asyncio.create_task(_death_of(process))
    await asyncio.wait({stopping, dying}, return_when=asyncio.FIRST_COMPLETED)
    if dying.done():
        log.critical("the deciding thread has ended: leaving, to be started again")
        await process.close(FLUSH_TIMEOUT)
        return EXIT_FAILED
    dying.cancel()
    await drain(process)
    return EXIT_OK


async def _death_of(process: "Process") -> None:
    """Return when checks are no longer decided, which nothing here can mend."""
    while process.front.alive():  # noqa: ASYNC110 - a thread has no event that a loop could wait for
        await asyncio.sleep(LOOK_EVERY)


def _stop_on_signals() -> asyncio.Event:
    """Let the first SIGTERM or SIGINT set the event that is returned, and any further one end the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopped() -> None:
        if stop.is_set():
            log.error("second signal: leaving at once, checks in flight are lost")
            os._exit(EXIT_CUT_SHORT)
        stop.set()

    for number in _STOP:
        loop.add_signal_handler(number, stopped)
    return stop


async def drain(process: "Process") -> None:
    """Stop without losing a check; see the module's text for the order."""
    began = process.clock.mono()
    server = process.settings.server
    until = began + server.shutdown_timeout
    process.readiness.draining = True
    process.front.set_serving(False)
    log.info("draining", extra={"shutdown_delay": server.shutdown_delay, "in_flight": process.front.in_flight()})
    await asyncio.sleep(min(server.shutdown_delay, server.shutdown_timeout))
    quiet = await process.front.drain(QUIET, until=until)
    await process.close(FLUSH_TIMEOUT)
    seconds = round(process.clock.mono() - began, 3)
    if quiet:
        log.info("drained", extra={"seconds": seconds})
    else:
        log.warning("shutdown_timeout reached: what was left was denied (not_ready)", extra={"seconds": seconds})
