"""The way of an ask from the deciding thread of the native front to the event loop, and of its answer back."""

import asyncio
from collections import deque
from collections.abc import Callable

from sidecar.model.ask import Ask, RefreshKeys, RefreshResult

from .faults import report
from .seam import Answerer, Pending


def when_cancelled(ask: Ask) -> RefreshResult | None:
    """Return the answer to an ask whose task was cancelled, though not by who waits for it; None where there is none.

    A reload that replaces an issuer cancels the fetch of its keys. That is no fault of ours, which ``unsafe_error`` may let in:
    a token of that issuer is all it takes to wait for it.
    """
    return RefreshResult.UNAVAILABLE if isinstance(ask, RefreshKeys) else None


class LoopAsks:
    """Hands asks to the event loop and their answers back. ``put cancel take`` are for the deciding thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Answerer) -> None:
        """Take the loop that answers."""
        self._loop = loop
        self._answer = answer
        self._tasks: dict[int, asyncio.Future[object]] = {}
        """By call id; the loop's."""
        self._answers: deque[tuple[int, Pending, bool, object]] = deque()

    def put(self, call_id: int, pending: Pending) -> bool:
        """Have ``pending.ask`` answered; False when the loop is gone."""
        return self._call(self._begin, call_id, pending)

    def cancel(self, call_id: int) -> None:
        """Nobody waits for the answer any more."""
        self._call(self._end, call_id)

    def take(self) -> tuple[int, Pending, bool, object] | None:
        """Return one answer (call id, what it is for, whether there is one, the answer), or None."""
        return self._answers.popleft() if self._answers else None

    def _call(self, step: Callable[..., None], *args: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(step, *args)
        except RuntimeError:  # the loop was closed under a front that still runs
            return False
        return True

    def _begin(self, call_id: int, pending: Pending) -> None:
        task = self._tasks[call_id] = asyncio.ensure_future(self._answer(pending.ask))
        task.add_done_callback(lambda done: self._done(call_id, pending, done))

    def _done(self, call_id: int, pending: Pending, task: asyncio.Future[object]) -> None:
        self._tasks.pop(call_id, None)
        if task.cancelled():
            value = when_cancelled(pending.ask)
            self._answers.append((call_id, pending, value is not None, value))
        elif (error := task.exception()) is not None:
            report("what a check waits for failed", error)
            self._answers.append((call_id, pending, False, None))
        else:
            self._answers.append((call_id, pending, True, task.result()))

    def _end(self, call_id: int) -> None:
        task = self._tasks.get(call_id)
        if task is not None:
            task.cancel()
