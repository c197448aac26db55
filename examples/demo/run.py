"""Sends the rows through Envoy and holds what came of each against what has to."""

import time
from dataclasses import dataclass

from tests.servers.client import Reply, send

from .parts import Parts
from .rows import IDENTITY, Row

PATIENCE = 5.0
"""Seconds in which a change that was made live has to show."""
BUSY = 503
"""Means: ask again. On a machine that is busy with other things, 150 ms for a decision can be too short."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row. ``wrong`` is empty when all is as expected; ``saw`` None when the upstream saw nothing."""

    row: Row
    status: int
    by: str
    reason: str
    rule: str
    saw: dict[str, str] | None
    wrong: tuple[str, ...]


def run(parts: Parts, row: Row) -> Outcome:
    """Do one row. After a live change, and when everybody is too busy, ask again until PATIENCE ends."""
    if row.before is not None:
        row.before(parts)
    until = time.monotonic() + PATIENCE
    while True:
        outcome = _once(parts, row)
        again = row.before is not None or outcome.status == BUSY
        if not (outcome.wrong and again) or time.monotonic() > until:
            return outcome
        time.sleep(0.1)


def _once(parts: Parts, row: Row) -> Outcome:
    served = parts.upstream.served.total()
    port = parts.envoy.plain_port if row.plain else parts.envoy.port
    reply = send(port, row.target, row.headers(parts), method=row.method)
    by, reason, rule = _decision(parts, reply)
    reached = parts.upstream.served.total() > served
    saw = {name: ", ".join(reply.seen.all(name)) for name in sorted(reply.seen.names)} if reached else None
    wrong = [
        f"{what} {found!r}, expected {expected!r}"
        for what, found, expected in (
            ("status", reply.status, row.status),
            ("answered by", by, row.by),
            ("reason", reason, row.reason),
            ("rule", rule, row.rule or rule),
        )
        if found != expected
    ]
    return Outcome(row, reply.status, by, reason, rule, saw, (*wrong, *_upstream(row, saw)))


def _decision(parts: Parts, reply: Reply) -> tuple[str, str, str]:
    """Who answered, why, and the deciding rule, as Envoy's access log has it from the sidecar's dynamic metadata."""
    if not reply.request_id:
        return "Envoy", "-", "-"  # refused while the request was still being read: not even an id
    line = parts.envoy.log_of(reply.request_id)
    if line["decision_id"] is None:
        return "Envoy", "-", "-"
    return "sidecar", line["reason"] or "permitted", line["rule"] or "-"


def _upstream(row: Row, saw: dict[str, str] | None) -> list[str]:
    if row.saw is None or saw is None:
        return [] if row.saw is saw else [f"the upstream saw {'nothing' if saw is None else 'the request'}"]
    wrong = [f"the upstream saw {name}: {saw.get(name)!r}, expected {value!r}" for name, value in row.saw.items() if saw.get(name) != value]
    wrong += [f"the upstream saw {name}: {saw[name]!r}" for name in row.hidden if name in saw]
    return wrong + [f"the upstream saw a forged value in {name}" for name in IDENTITY if "root" in saw.get(name, "")]
