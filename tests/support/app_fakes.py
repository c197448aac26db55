"""Fakes for the composition: a clock that tests move by hand."""

import asyncio
from collections.abc import Callable

from sidecar.model.instant import Instant


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, wall: float = 1_800_000_000.0, mono: float = 100.0) -> None:
        self.wall = wall
        self.seconds = mono

    def now(self) -> Instant:
        return Instant(self.wall, self.seconds)

    def mono(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.wall += seconds
        self.seconds += seconds


async def until(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    """Wait for a condition; TimeoutError when it does not come true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)
