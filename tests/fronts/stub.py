"""A Check service that does what the payload says, and remembers what the front did with it."""

import asyncio
from collections.abc import Callable

from sidecar.model.ask import Ask, RefreshKeys, Verify
from sidecar.model.reason import Reason
from sidecar.ports import Clock
from sidecar.wire.seam import Pending

DEADLINE = 0.15


class StubChecks:
    """Payloads, steps separated by spaces: ``ask:NAME`` (for the loop), ``verify``.

    What is left when no step is: the answer, ``done:`` and the payload. The rest of the steps is the Pending's state.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.opened: list[tuple[bytes, float | None]] = []
        self.failed: list[tuple[bytes, Reason]] = []
        self.refused: list[tuple[Reason, str]] = []
        self.answers: list[object] = []
        self.closed = 0
        self.on_open: Callable[[bytes], None] = lambda payload: None

    def open(self, payload: bytes, time_left: float | None) -> bytes | Pending:
        self.opened.append((payload, time_left))
        self.on_open(payload)
        deadline = self.clock.mono() + min(DEADLINE, time_left or DEADLINE)
        return self._step(payload, payload.split(b" "), deadline)

    def resume(self, pending: Pending, answer: object) -> bytes | Pending:
        self.answers.append(answer)
        payload, steps = pending.state
        return self._step(payload, steps, pending.deadline)

    def verify(self, pending: Pending) -> bytes | Pending:
        assert isinstance(pending.ask, Verify)
        return self.resume(pending, pending.ask.run())

    def fail(self, pending: Pending, reason: Reason) -> bytes:
        payload, _ = pending.state
        pending.generator.close()
        self.failed.append((payload, reason))
        return b"failed:" + reason.encode()

    def refuse(self, reason: Reason, detail: str, count: int = 1) -> bytes:
        self.refused.extend([(reason, detail)] * count)
        return b"refused:" + reason.encode()

    def _step(self, payload: bytes, steps: list[bytes], deadline: float) -> bytes | Pending:
        if not steps:
            return b"done:" + payload
        step, *rest = steps
        if step.startswith(b"ask:"):
            return self._pending(RefreshKeys(step[4:].decode(), "unknown_kid"), (payload, rest), deadline)
        if step == b"verify":
            return self._pending(Verify(lambda: True), (payload, rest), deadline)
        return self._step(payload, rest, deadline)

    def _pending(self, ask: Ask, state: object, deadline: float) -> Pending:
        generator = self._generator()
        next(generator)
        return Pending(generator, ask, deadline, state)

    def _generator(self):
        try:
            yield None
        finally:
            self.closed += 1


class StubLoop:
    """Answers asks by issuer name: at once, never, when told, or with an exception."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(self, ask: Ask) -> object:
        assert isinstance(ask, RefreshKeys)
        self.asked.append(ask.issuer)
        if ask.issuer == "stopped":
            raise asyncio.CancelledError
        try:
            if ask.issuer == "never":
                await asyncio.Event().wait()
            if ask.issuer == "raises":
                raise RuntimeError("a secret that must not leave the process")
            if ask.issuer in self.gates:
                await self.gates[ask.issuer].wait()
        except asyncio.CancelledError:
            self.cancelled.append(ask.issuer)
            raise
        return f"answer to {ask.issuer}"
