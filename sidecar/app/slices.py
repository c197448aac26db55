"""Work beside a serving process: in slices, each followed by a real pause."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

from sidecar.model.steps import PAUSE
from sidecar.ports import Clock

T = TypeVar("T")

SLICE = 0.0005
"""Seconds. With 0.2 ms, 10,000 routes took three times as long to be in use; a check waits for one slice at most."""


async def in_slices(steps: Generator[None, None, T], clock: Clock, *, paced: bool) -> T:
    """Drive a generator to its result; ``paced`` pauses whenever SLICE seconds were used. Raises what it raises."""
    while True:
        until = clock.mono() + SLICE
        while not paced or clock.mono() < until:
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
        await asyncio.sleep(PAUSE)
