"""When the process may get traffic: /readyz and the gRPC health service say the same.

Ready = configuration valid, listener open, every source tried once (ten seconds at most), those marked
``required_for_ready`` present. Once ready it stays so until it drains: a source that a reload adds is a 503 for
its own credentials, not a reason to take the whole pod out of service.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sidecar.ports import Clock

FIRST_TRY_LIMIT = 10.0
"""Seconds after which a source that is still being tried no longer holds readiness back."""

POLL = 0.02


class SourceState(NamedTuple):
    """One source of keys, as readiness sees it."""

    name: str
    tried: bool
    present: bool
    required: bool


class Readiness:
    """Whether and why not. Read by HTTP handlers and the health service on the loop."""

    def __init__(self, clock: Clock, sources: Callable[[], Iterable[SourceState]]) -> None:
        """``sources`` is asked anew each time, since a reload changes them."""
        self._clock = clock
        self._sources = sources
        self._serving_since: float | None = None
        self._was_ready = False
        self.draining = False

    def serving(self) -> None:
        """Say that the check listener is open."""
        self._serving_since = self._clock.mono()

    @property
    def ready(self) -> bool:
        """True when traffic is welcome."""
        return not self.reasons()

    def reasons(self) -> tuple[str, ...]:
        """Why not, in words; empty when ready."""
        if self.draining:
            return ("shutting down",)
        if self._serving_since is None:
            return ("starting",)
        if self._was_ready:
            return ()
        gave_up_waiting = self._clock.mono() - self._serving_since >= FIRST_TRY_LIMIT
        reasons = tuple(_waiting(self._sources(), gave_up_waiting=gave_up_waiting))
        self._was_ready = not reasons
        return reasons

    async def until_ready(self) -> None:
        """Return once ready or draining."""
        while not self.draining and self.reasons():  # noqa: ASYNC110 - the sources are plain values, without events
            await asyncio.sleep(POLL)


def _waiting(sources: Iterable[SourceState], *, gave_up_waiting: bool) -> Iterable[str]:
    for source in sources:
        if source.required and not source.present:
            yield f"{source.name}: required, and its keys are not there yet"
        elif not source.tried and not gave_up_waiting:
            yield f"{source.name}: not tried yet"
