"""Background tasks that have to go on: a crash is logged, counted, and the task started again after a pause."""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

from sidecar.ports import Clock

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0
"""A task that ran this many seconds before it crashed starts again with the first pause."""


class Supervisor:
    """Owns the background tasks of the process. Used on the event loop only."""

    def __init__(self, clock: Clock, *, first_pause: float = FIRST_PAUSE) -> None:
        """Start with none; ``first_pause`` in seconds."""
        self.crashes: Counter[str] = Counter()
        """Task name → how often it crashed; for the metrics and /status."""
        self._clock = clock
        self._first_pause = first_pause
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        """Run ``body()`` until it returns or is stopped. A task of the same name must have been stopped."""
        assert name not in self._tasks, name
        task = asyncio.create_task(self._keep_running(name, body), name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))

    async def stop(self, name: str) -> None:
        """Cancel a task and wait for its end; nothing happens when there is none."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop all of them."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, name: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is done:
            del self._tasks[name]

    async def _keep_running(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        pause = self._first_pause
        while True:
            began = self._clock.mono()
            try:
                await body()
            except Exception:  # the supervised-task boundary: logged, counted, allows nothing
                self.crashes[name] += 1
                log.exception("background task crashed", extra={"task": name, "crashes": self.crashes[name]})
            else:
                return
            if self._clock.mono() - began >= HEALTHY_AFTER:
                pause = self._first_pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class LoopLag:
    """How late the event loop wakes up, in seconds: ``value`` is the worst of the last measurements.

    Beside a deciding thread that is never idle the loop gets the interpreter after Python's switch interval (5 ms) only, and needs it
    many times for one key fetch or /readyz: 125 ms late under a flood of tokens, 16 with 1 ms. That costs each check a tenth more,
    so it is for as long as the loop is late.
    """

    INTERVAL = 0.25
    KEPT = 20
    LATE, ON_TIME = 0.020, 0.005
    SWITCH_LATE, SWITCH = 0.001, 0.005
    """Seconds for which one thread may keep the interpreter from another that wants it."""

    def __init__(self, clock: Clock, switch: Callable[[float], None] = sys.setswitchinterval) -> None:
        """Start at 0; ``switch`` sets the interpreter's switch interval."""
        self.value = 0.0
        self._clock = clock
        self._switch = switch
        self._recent: list[float] = []

    async def measure(self) -> None:
        """Measure forever."""
        while True:
            due = self._clock.mono() + self.INTERVAL
            await asyncio.sleep(self.INTERVAL)
            self.note(max(0.0, self._clock.mono() - due))

    def note(self, late: float) -> None:
        """Take in one measurement, in seconds."""
        self._recent = [*self._recent[1 - self.KEPT :], late]
        self.value = max(self._recent)
        if self.value >= self.LATE:
            self._switch(self.SWITCH_LATE)
        elif self.value <= self.ON_TIME:
            self._switch(self.SWITCH)
