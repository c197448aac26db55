"""What the fronts and the Check service know of each other: bytes in, bytes out, and asks in between."""

from collections.abc import Awaitable, Callable, Generator
from typing import Protocol, TypeAlias

from sidecar.model.ask import Ask
from sidecar.model.decision import Decision
from sidecar.model.reason import Reason

CHECK_SERVICE = "envoy.service.auth.v3.Authorization"
WAY_BACK = 0.002
"""Seconds that an answer needs to reach the caller before its own deadline; later it would be a gRPC error to it."""


class Pending:
    """A check that memory did not answer. Made by the service only; the front answers ``ask`` and resumes it.

    Owned by the thread that decides. ``deadline`` is in monotonic seconds.
    """

    __slots__ = ("ask", "deadline", "generator", "state")

    def __init__(self, generator: Generator[Ask, object, Decision], ask: Ask, deadline: float, state: object = None) -> None:
        """Hold the suspended engine; ``state`` is the service's own (what the record needs)."""
        self.generator = generator
        self.ask = ask
        self.deadline = deadline
        self.state = state


class Checks(Protocol):
    """The Check service, as the fronts drive it. No method raises; each returned ``bytes`` is a CheckResponse.

    All of them are called on the deciding thread only.
    """

    def open(self, payload: bytes, time_left: float | None) -> bytes | Pending:
        """Begin a check. ``time_left``: seconds until the caller's own deadline, or None when it set none."""

    def resume(self, pending: Pending, answer: object) -> bytes | Pending:
        """Go on with the answer to ``pending.ask``."""

    def verify(self, pending: Pending) -> bytes | Pending:
        """Run the ``Verify`` that ``pending`` asks for, here and now, and go on with what it says."""

    def fail(self, pending: Pending, reason: Reason) -> bytes:
        """Give up: close the generator, record, deny. For a cancelled check nobody reads the bytes."""

    def refuse(self, reason: Reason, detail: str, count: int = 1) -> bytes:
        """Deny a check unread: overloaded, not ready, too large; or ``count`` of them at once, with one answer and one record."""


Answerer: TypeAlias = Callable[[Ask], Awaitable[object]]
"""Runs on the event loop and answers what the loop answers (not ``Verify``, which the front runs itself)."""
