"""A clock that tests move, and a sleep that hangs on it: virtual time for code that runs on the loop."""

import asyncio
import heapq
import itertools

from sidecar.model.instant import Instant


async def settle(turns: int = 50) -> None:
    """Let every task that is ready run, ``turns`` times round the loop."""
    loop = asyncio.get_running_loop()
    for _ in range(turns):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


class FakeClock:
    """Stands still until ``advance``."""

    def __init__(self, wall: float = 1_800_000_000.0, mono: float = 1000.0) -> None:
        self.wall = wall
        self.seconds = mono
        self.slept: list[float] = []
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> Instant:
        return Instant(self.wall, self.seconds)

    def mono(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """``asyncio.sleep`` in virtual time."""
        assert seconds > 0, "a sleep of nothing lets no other thread run"
        self.slept.append(seconds)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Move on, waking sleepers one by one at their own time."""
        await settle()
        end = self.seconds + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, waiter = heapq.heappop(self._sleepers)
            self._move_to(at)
            if not waiter.done():
                waiter.set_result(None)
            await settle()
        self._move_to(end)
        await settle()

    def _move_to(self, mono: float) -> None:
        self.wall += mono - self.seconds
        self.seconds = mono
