"""Check: the fail-closed boundary.

Whatever happens behind it, what leaves is an answer, and an allow only because the engine gave an ``Allow`` in
time. Every exception, timeout, cancellation and malformed message becomes a denied_response with its reason: a gRPC
error would let ``failure_mode_allow`` decide, and an empty CheckResponse would allow.
"""

from types import GeneratorType

from sidecar.engine.check import Engine
from sidecar.engine.denials import answer
from sidecar.engine.ids import DecisionIds
from sidecar.engine.snapshot import Current, Snapshot
from sidecar.model.ask import Verify
from sidecar.model.decision import Allow, Deny
from sidecar.model.errors import MalformedRequest
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput, facts_of
from sidecar.ports import Clock, DecisionSink

from .candidate import Candidate
from .decode import decode, parse
from .encode import Encoder, last_resort
from .faults import report
from .seam import WAY_BACK, Pending
from .warm import MAX_WARM, Warm

_LAST_RESORT = last_resort()
PHASE_SAMPLE = 64
"""One check in this many goes the long way with its phases timed: timing each would cost more than some phases do."""


class CheckService:
    """Drives the engine for both fronts. All methods run on the deciding thread; none raises."""

    def __init__(
        self,
        engine: Engine,
        current: Current,
        clock: Clock,
        sink: DecisionSink,
        meter: Meter,
        ids: DecisionIds,
        candidate: Candidate | None = None,
    ) -> None:
        """Decide with ``engine`` under whatever snapshot is current when a check arrives; ``candidate`` looks on."""
        self._current = current
        self._check = engine.check
        self._warm = Warm(engine, clock, sink, meter, ids).answer
        self._now, self._mono = clock.now, clock.mono
        self._emit = sink.emit
        self._count, self._phases = meter.count, meter.phases
        self._count_unread, self._count_shadow = meter.count_unread, meter.count_shadow
        self._candidate = candidate
        self._sampled = False
        """The check at hand is one that the candidate is asked about, too."""
        self._next_id = ids.next
        self._new_encoder(None)
        self._until_sample = PHASE_SAMPLE
        self._decoded_at = 0.0
        """Monotonic seconds, of a check whose phases are timed; else 0."""

    def open(self, payload: bytes, time_left: float | None) -> bytes | Pending:
        """Begin a check; ``time_left``: seconds until Envoy gives up, or None."""
        snapshot = self._current.snapshot
        if snapshot is None:
            return self.refuse(Reason.NOT_READY, "no configuration yet")
        try:
            now = self._now()
        except Exception as error:  # noqa: BLE001 - the boundary
            return _without_time(error)
        budget = snapshot.check_deadline
        if time_left is not None and time_left - WAY_BACK < budget:
            budget = time_left - WAY_BACK
        deadline = now.mono + budget
        request = None
        try:
            attributes, size = parse(payload), len(payload)
            self._until_sample -= 1
            self._sampled = self._candidate is not None and self._candidate.due()
            usual = self._until_sample and not self._sampled and size <= MAX_WARM
            if usual and (reply := self._warm(attributes, snapshot, now, deadline)) is not None:
                return reply
            request = decode(attributes, size)
            if self._until_sample <= 0:
                self._decoded_at = self._mono()
            outcome = self._check(request, snapshot, now)
            if isinstance(outcome, GeneratorType):
                ask = outcome.send(None)
                self._forget_sample()  # waiting is no phase of ours
                return Pending(outcome, ask, deadline, Begun(request, snapshot, now, sampled=self._sampled))
        except StopIteration as done:
            outcome = done.value
        except MalformedRequest as fault:
            outcome = Deny(Reason.MALFORMED_REQUEST, detail=str(fault))
        except Exception as error:  # noqa: BLE001 - the boundary
            outcome = _fault(error)
        return self._conclude(outcome, request, snapshot, now, deadline)

    def resume(self, pending: Pending, answer_: object) -> bytes | Pending:
        """Go on with the answer to ``pending.ask``."""
        try:
            pending.ask = pending.generator.send(answer_)
        except StopIteration as done:
            return self._end(pending, done.value)
        except Exception as error:  # noqa: BLE001 - the boundary
            return self._end(pending, _fault(error))
        return pending

    def verify(self, pending: Pending) -> bytes | Pending:
        """Run the signature check that ``pending`` asks for, and go on with what it says."""
        ask = pending.ask
        assert isinstance(ask, Verify)
        try:
            holds = ask.run()
        except Exception as error:  # noqa: BLE001 - the boundary
            report("a signature could not be checked", error)
            return self.fail(pending, Reason.INTERNAL_ERROR)
        return self.resume(pending, holds)

    def fail(self, pending: Pending, reason: Reason) -> bytes:
        """Give up a check: its time is over, its caller is gone, or its ask could not be answered."""
        try:
            pending.generator.close()
        except Exception as error:  # noqa: BLE001 - the boundary
            return self._end(pending, _fault(error))
        return self._end(pending, Deny(reason, detail=f"given up while waiting: {type(pending.ask).__name__}"))

    def refuse(self, reason: Reason, detail: str, count: int = 1) -> bytes:
        """Deny a check unread, or ``count`` of them: all of these are counted, but share an answer, its decision id and its record."""
        if count > 1:
            detail = f"{detail} ({count} checks)"
            self._count_unread(reason, count - 1)
        try:
            now = self._now()
        except Exception as error:  # noqa: BLE001 - the boundary
            return _without_time(error)
        return self._conclude(Deny(reason, detail=detail), None, self._current.snapshot, now, float("inf"))

    def _end(self, pending: Pending, decision: object) -> bytes:
        begun = pending.state
        assert isinstance(begun, Begun)
        self._sampled = begun.sampled
        return self._conclude(decision, begun.request, begun.snapshot, begun.now, pending.deadline)

    def _conclude(self, decision: object, request: CheckInput | None, snapshot: Snapshot | None, now: Instant, deadline: float) -> bytes:
        """Answer. What is not a decision, or an allow that comes too late, is a denial."""
        try:
            if self._sampled:  # before the clock is read: an allow that this made late is none
                decision = self._compared(decision, request, now)
            ended = self._mono()
            if isinstance(decision, Allow):
                if ended > deadline:
                    decision = Deny(Reason.DEADLINE_EXCEEDED, decision.rule, route=decision.route, detail="decided too late")
            elif not isinstance(decision, Deny):
                decision = Deny(Reason.INTERNAL_ERROR, detail="the engine gave no decision")
            if decision.shadow:
                self._count_shadow(decision.shadow)
            if snapshot is not self._encoder_of:
                self._new_encoder(snapshot)
            decision_id = self._next_id()
            duration = ended - now.mono
            self._count(decision, duration)
            lasting = decision.lasting() if isinstance(decision, Allow) else decision
            self._emit(lasting, facts_of(request), decision_id, now.wall, duration, self._revision)
            if isinstance(decision, Allow):
                response = self._encoder.allow(decision, decision_id)
            else:
                response = self._encoder.deny(decision, answer(decision, request, decision_id), request, decision_id)
            if self._decoded_at:
                self._time_phases(now.mono, ended)
        except Exception as error:  # noqa: BLE001 - the boundary
            report("an answer could not be made", error)
            return _LAST_RESORT
        return response

    def _compared(self, decision: object, request: CheckInput | None, now: Instant) -> object:
        """Add what the candidate would do otherwise."""
        self._sampled = False
        if request is None or self._candidate is None or not isinstance(decision, Allow | Deny):
            return decision
        other = self._candidate.compare(decision, request, now)
        return decision.shadowed((*decision.shadow, *other)) if other else decision

    def _time_phases(self, began: float, decided: float) -> None:
        phases = self._phases
        phases["decode"].observe(self._decoded_at - began)
        phases["decide"].observe(decided - self._decoded_at)
        phases["answer"].observe(self._mono() - decided)
        self._forget_sample()

    def _forget_sample(self) -> None:
        if self._decoded_at:
            self._decoded_at = 0.0
            self._until_sample = PHASE_SAMPLE

    def _new_encoder(self, snapshot: Snapshot | None) -> None:
        self._encoder_of = snapshot
        self._revision = "" if snapshot is None else snapshot.revision
        metadata = () if snapshot is None else snapshot.settings.dynamic_metadata
        unsafe_error = snapshot is not None and snapshot.settings.server.unsafe_error
        self._encoder = Encoder(metadata, self._revision, unsafe_error=unsafe_error)


def _fault(error: Exception) -> Deny:
    """The one road of every surprise: logged with its place, and denied ``internal_error``, which counts it."""
    report("a check failed", error)
    return Deny(Reason.INTERNAL_ERROR)


def _without_time(error: Exception) -> bytes:
    """Deny although not even the clock could be read: nothing can be counted or recorded then."""
    report("the clock could not be read", error)
    return _LAST_RESORT


class Begun:
    """What a check that waits was begun with."""

    __slots__ = ("now", "request", "sampled", "snapshot")

    def __init__(self, request: CheckInput, snapshot: Snapshot, now: Instant, *, sampled: bool) -> None:
        """Keep what the answer is made from, and whether the candidate is asked about it."""
        self.request = request
        self.snapshot = snapshot
        self.now = now
        self.sampled = sampled
