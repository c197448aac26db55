"""The latest decisions, for operators: a list of them, and why one was made."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sidecar.adapters.records import Taken, encode_records
from sidecar.engine.check import retrace
from sidecar.engine.nearest import nearest
from sidecar.engine.snapshot import Snapshot
from sidecar.engine.trace import document
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.instant import Instant
from sidecar.model.request import CheckInput, Facts

if TYPE_CHECKING:
    from .process import Process

MOST = 100
"""Decisions in one answer: encoding them holds the interpreter for less than a millisecond."""


def recent_decisions(process: "Process", asked: Mapping[str, str]) -> Mapping[str, object]:
    """List the latest decisions as they were recorded, newest first; ``asked`` may filter by decision, reason, route."""
    found = (taken for taken in reversed(tuple(process.records.recent)) if _fits(taken, asked))
    return {"decisions": _recorded(taken for taken, _ in zip(found, range(MOST), strict=False))}


def explained_decision(process: "Process", decision_id: str) -> Mapping[str, object] | None:
    """Explain a decision by its id, or return None when it is not among those that are kept."""
    taken = next((taken for taken in reversed(tuple(process.records.recent)) if taken[2] == decision_id), None)
    if taken is None:
        return None
    decision, facts, _, at, _, revision = taken
    (record,) = _recorded([taken])
    if revision != process.revision:
        return {"record": record, "note": f"decided under revision {revision}, which is not in use any more: only the record is left"}
    return {"record": record, **_explained(decision, facts, at, process.core.snapshot)}


def _recorded(taken: Iterable[Taken]) -> list[object]:
    """As the records have it: cut, escaped, without a query or a credential."""
    return [json.loads(line) for line in encode_records(list(taken)).splitlines()]


def _fits(taken: Taken, asked: Mapping[str, str]) -> bool:
    decision = taken[0]
    values = {"decision": "allow" if isinstance(decision, Allow) else "deny", "reason": str(decision.reason), "route": decision.route}
    return all(value == asked[name] for name, value in values.items() if name in asked)


class _NoHeaders:
    """Of a request that is over; nobody kept them."""

    merged = False

    def names(self) -> tuple[str, ...]:
        return ()

    def get(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's
        return None

    def all(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        return ()


def _explained(decision: Decision, facts: Facts, at: float, snapshot: Snapshot) -> Mapping[str, object]:
    """Explain a decision made under ``snapshot`` from what is kept of it."""
    method, host, path, source_ip, request_id, _ = facts
    request = CheckInput(method, host, path, _NoHeaders(), request_id, source_ip, {})
    trace = retrace(decision, request, snapshot, Instant(at, 0.0))
    near = nearest(decision, request, snapshot) if isinstance(decision, Deny) else ()
    policies = [document(*one) for one in trace.policies]
    return {"steps": [step._asdict() for step in trace.steps], "policies": policies, "nearest": list(near)}
