"""Why a check is decided as it is: the engine's own trace of a request that is asked about (``sidecar explain``)."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from sidecar.adapters.clock import SystemClock
from sidecar.engine.check import Engine
from sidecar.engine.denials import answer
from sidecar.engine.nearest import nearest
from sidecar.engine.snapshot import Snapshot
from sidecar.engine.trace import Step, Trace, document
from sidecar.model.decision import Decision, Deny
from sidecar.model.errors import MalformedRequest
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from sidecar.wire.decode import decode, parse
from sidecar.wire.saved import compose, read_saved

from .offline import driven, offline_snapshot
from .validation import validate_sync

SOME_ID = "0" * 16
"""Stands in answers that are only shown."""


class Asked(NamedTuple):
    """A request in the parts that a command line gives."""

    method: str
    host: str
    path: str
    headers: Sequence[tuple[str, str]]
    source_ip: str
    context: Mapping[str, str]


class Explanation(NamedTuple):
    """``answer``: what Envoy is told, ready to print. ``policies``: each with the tree of its condition, in the order of the steps.

    ``keys``: issuers whose keys could not be had, and why.
    """

    decision: str
    reason: str
    status: int
    route: str
    rule: str
    detail: str
    steps: Sequence[Step]
    policies: Sequence[Mapping[str, object]]
    nearest: Sequence[str]
    answer: Sequence[str]
    keys: Mapping[str, str]


def explain(config: str, asked: Asked | bytes, wall: float | None = None) -> Explanation:
    """Decide one request under a configuration, tracing it; ``asked`` is a saved CheckRequest or the parts of one.

    ``wall``: seconds since the epoch at which it is decided, else now. Raises ConfigError, SourceError, MalformedRequest.
    """
    payload = read_saved(asked) if isinstance(asked, bytes) else compose(*asked)
    snapshot = asyncio.run(offline_snapshot(validate_sync(config)))
    now = SystemClock().now()
    return explain_with(snapshot, payload, Instant(wall, now.mono) if wall is not None else now)


def explain_with(snapshot: Snapshot, payload: bytes, now: Instant) -> Explanation:
    """Decide and trace a serialised CheckRequest. What cannot be read as a check is a decision, too."""
    trace = Trace()
    try:
        request = decode(parse(payload), len(payload))
    except MalformedRequest as fault:
        decision: Decision = Deny(Reason.MALFORMED_REQUEST, detail=str(fault))
        trace.decided(decision)
        return _explanation(decision, trace, None, snapshot)
    decision = _decide(request, snapshot, now, trace)
    trace.decided(decision)
    return _explanation(decision, trace, request, snapshot)


def _decide(request: CheckInput, snapshot: Snapshot, now: Instant, trace: Trace) -> Decision:
    outcome = Engine(Meter()).check(request, snapshot, now, trace)
    return driven(outcome) if isinstance(outcome, Generator) else outcome


def _explanation(decision: Decision, trace: Trace, request: CheckInput | None, snapshot: Snapshot) -> Explanation:
    denied = isinstance(decision, Deny)
    return Explanation(
        decision="deny" if denied else "allow",
        reason=str(decision.reason),
        status=decision.status if isinstance(decision, Deny) else 0,
        route=decision.route,
        rule=decision.rule,
        detail=decision.detail if isinstance(decision, Deny) else "",
        steps=tuple(trace.steps),
        policies=tuple(document(*one) for one in trace.policies),
        nearest=nearest(decision, request, snapshot) if isinstance(decision, Deny) and request is not None else (),
        answer=tuple(_answer(decision, request)),
        keys={name: issuer.table.last_error for name, issuer in snapshot.issuers.items() if issuer.table.last_error},
    )


def _answer(decision: Decision, request: CheckInput | None) -> list[str]:
    if isinstance(decision, Deny):
        told = answer(decision, request, SOME_ID)
        return [f"status {told.status}", *(f"{name}: {value}" for name, value in told.headers)]
    upstream, set_headers, removed, query_removed = decision.mutations
    lines = [f"set {name}: {value}" for name, value in (*upstream.set_headers, *set_headers) if name != "cookie"]
    lines += ["set cookie: what is left without the credential" for name, _ in set_headers if name == "cookie"]
    lines += [f"remove {name}" for name in (*upstream.removed, *removed)]
    return lines + [f"remove query parameter {name}" for name in query_removed]
