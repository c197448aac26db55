"""A candidate configuration beside the active one: it decides a sample of the same checks, and nothing that it says changes an answer.

It has an engine, a memory and key tables of its own. What it would ask the loop for counts as not compared: a sample may
not wait, and not cost a fetch.
"""

from types import GeneratorType

from sidecar.engine.check import Engine
from sidecar.engine.snapshot import Current
from sidecar.model.ask import Ask, Verify
from sidecar.model.decision import Allow, Decision, Deny, Shadow, Would
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.request import CheckInput

from .faults import report

NAME = "candidate"
"""Stands in the place of a policy's name in records and metrics; policies cannot have it."""
SAME, OTHER_HEADERS, NOT_COMPARED = "same", "other_headers", "not_compared"


class Candidate:
    """Used by the deciding thread; ``current`` is replaced by the loop."""

    def __init__(self, engine: Engine, current: Current, share: float, meter: Meter) -> None:
        """Compare this ``share`` (0 to 1) of the checks; count into the active ``meter``."""
        self._check = engine.check
        self._current = current
        self._share = share
        self._count = meter.count_shadow
        self._due = 0.0

    def due(self) -> bool:
        """Tell whether the next check belongs to the sample: evenly, so that it costs its share and no more."""
        self._due += self._share
        if self._due < 1.0:
            return False
        self._due -= 1.0
        return self._current.snapshot is not None

    def compare(self, decision: Decision, request: CheckInput, now: Instant) -> Shadow:
        """Say what the candidate would do, if it is something else; counted in any case. Raises nothing."""
        try:
            other = self._decide(request, now)
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the check goes on
            report("the candidate configuration could not decide", error)
            other = None
        if other is None:
            self._count((Would(NAME, NOT_COMPARED),))
            return ()
        would = _difference(decision, other)
        if would == SAME:
            self._count((Would(NAME, SAME),))
            return ()
        return (Would(NAME, would, str(other.reason)),)

    def _decide(self, request: CheckInput, now: Instant) -> Decision | None:
        snapshot = self._current.snapshot
        if snapshot is None:
            return None
        outcome = self._check(request, snapshot, now)
        if not isinstance(outcome, GeneratorType):
            return outcome if isinstance(outcome, Allow | Deny) else None
        try:
            ask: Ask = outcome.send(None)
            while isinstance(ask, Verify):
                ask = outcome.send(ask.run())
        except StopIteration as done:
            return done.value if isinstance(done.value, Allow | Deny) else None
        outcome.close()
        return None


def _difference(decision: Decision, other: Decision) -> str:
    if isinstance(other, Allow):
        if not isinstance(decision, Allow):
            return "allow"
        return SAME if _headers(decision) == _headers(other) else OTHER_HEADERS
    return SAME if isinstance(decision, Deny) and (decision.reason, decision.status) == (other.reason, other.status) else "deny"


def _headers(allow: Allow) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    upstream, set_headers, removed, _ = allow.mutations
    return frozenset((*upstream.set_headers, *set_headers)), frozenset((*upstream.removed, *removed))
