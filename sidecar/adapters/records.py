"""Decision records: one JSON line for each decision, written off the decision path.

``emit`` runs on the deciding thread and costs it as little as can be: it picks the values (a request must not be
touched once its check is over). Many are made and encoded in one go, full batches where they were picked, what lingers
in the writing thread (``output.Pump``); a principal's ``recorded`` gets the same value from either.
"""

import logging
import re
from collections import deque
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from sidecar.model.decision import Allow, Decision
from sidecar.model.principal import Principal
from sidecar.model.request import Facts

from .output import BATCH, LINGER, Output, Pump, escape_json_text

log = logging.getLogger(__name__)

CAPACITY = 8192
"""Records that wait at most to be encoded; up to ``output.MAX_READY`` encoded batches wait on top. A quarter of it is
room that only denials may use: they are dropped last. From an eighth on, paths are cut to what a record shows."""

MAX_PATH = 1024
MAX_HOST = 256
MAX_NAME = 256
MAX_DETAIL = 512
MAX_ID = 128
MAX_UNCUT = MAX_ID
"""Characters of path, host, request id and method together that need no cutting: the least of their bounds."""

_is_traceparent = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
"""W3C Trace Context §3.2. No version with more fields exists; one that has them is not taken."""
_encoder = msgspec.json.Encoder()
_from_timestamp = datetime.fromtimestamp


class Shadowed(msgspec.Struct, gc=False, omit_defaults=True):
    """What something in shadow would have done."""

    policy: str
    would: str
    reason: str = ""


class Record(msgspec.Struct, gc=False, omit_defaults=True):
    """One line, its fields in the order in which they are written; empty ones are left out."""

    time: datetime
    decision_id: str
    request_id: str = ""
    trace_id: str = ""
    decision: str = ""
    reason: str = ""
    status: int = 0
    route: str = ""
    rule: str = ""
    principal: msgspec.Raw | None = None
    method: str = ""
    host: str = ""
    path: str = ""
    source_ip: str = ""
    revision: str = ""
    duration_us: int = 0
    detail: str = ""
    shadow: tuple[Shadowed, ...] = ()


Taken: TypeAlias = tuple[Decision, Facts, str, float, float, str]
"""What ``emit`` takes: decision, facts, decision id, wall time, duration, revision."""
RECENT = 1000
"""Decisions that are kept for ``/decisions`` and ``/explain``."""


class RecordWriter:
    """Implements ``ports.DecisionSink`` on a descriptor (standard output)."""

    __slots__ = ("_pump", "_queue", "_refused", "_room", "_room_for_allows", "_room_for_paths", "recent")

    def __init__(self, fd: int, *, capacity: int = CAPACITY, linger: float = LINGER) -> None:
        """Start the writing thread. ``capacity`` in records, ``linger`` in seconds that a record waits for others."""
        self.recent: deque[Taken] = deque(maxlen=RECENT)
        """The latest decisions, oldest first; at most ``linger`` behind. Read it from a copy: other threads append."""
        self._pump: Pump[Taken] = Pump(Output(fd, on_change=_report), self._encode, "records", linger=linger)
        self._queue = self._pump.queue
        self._room = capacity
        self._room_for_allows = capacity - capacity // 4
        self._room_for_paths = capacity // 8
        self._refused = 0
        self._pump.start()

    @property
    def dropped(self) -> int:
        """Records refused because the queue was full, and those that could not be written."""
        return self._refused + self._pump.lost

    def emit(
        self,
        decision: Decision,
        facts: Facts,
        decision_id: str,
        at: float,
        duration: float,
        revision: str,
    ) -> bool:
        """Take one decision without waiting; False when there is no room (it counts as dropped)."""
        queue = self._queue
        if len(queue) >= BATCH:
            self._pump.press()
        waiting = len(queue)
        if waiting >= self._room_for_paths:
            if waiting >= self._room_for_allows and (waiting >= self._room or isinstance(decision, Allow)):
                self._refused += 1
                return False
            facts = _shorter(facts) if len(facts[2]) > MAX_PATH else facts
        queue.append((decision, facts, decision_id, at, duration, revision))
        if self._pump.idle:
            self._pump.wake()
        return True

    def _encode(self, taken: list[Taken]) -> bytes:
        self.recent.extend(taken)
        return encode_records(taken)

    def close(self, timeout: float) -> bool:
        """Write what waits, for at most ``timeout`` seconds; return whether all of it was. Later decisions are refused."""
        self._room = self._room_for_allows = self._room_for_paths = 0
        done = self._pump.close(timeout)
        self._refused += len(self._queue)
        return done


def _shorter(facts: Facts) -> Facts:
    """Cut the path as its record does: nobody reads, and thousands that are longer would take what memory there is."""
    method, host, path, source_ip, request_id, traceparent = facts
    return method, host, path.partition("?")[0][:MAX_PATH], source_ip, request_id, traceparent


def _record(taken: Taken) -> Record:
    """Make a line of what was taken; in a loop over a batch, which is cheaper than one by one."""
    decision, (method, host, path, source_ip, request_id, traceparent), decision_id, at, duration, revision = taken
    if len(path) + len(host) + len(request_id) + len(method) > MAX_UNCUT or "#" in path:
        path, host, request_id, method = path.partition("#")[0], host[:MAX_HOST], request_id[:MAX_ID], method[:MAX_ID]
    if isinstance(decision, Allow):
        verdict, status, detail = "allow", 0, ""
    else:
        verdict, status, detail = "deny", decision.status, decision.detail[:MAX_DETAIL]
    principal = decision.principal
    who: Any = None
    if principal is not None and principal.identity.kind != "anonymous":
        who = principal.recorded or _describe(principal)
    return Record(
        _from_timestamp(at, UTC),
        decision_id,
        request_id,
        traceparent[3:35] if traceparent and _is_traceparent(traceparent) else "",
        verdict,
        decision.reason,
        status,
        decision.route,
        decision.rule,
        who,
        method,
        host,
        path.partition("?")[0][:MAX_PATH],
        source_ip,
        revision,
        int(duration * 1e6),
        detail,
        tuple(Shadowed(*one) for one in decision.shadow) if decision.shadow else (),
    )


def _describe(principal: Principal) -> msgspec.Raw:
    """Encode who it was, once for each principal."""
    identity = principal.identity
    fields = {
        "issuer": identity.issuer[:MAX_NAME],
        "subject": identity.subject[:MAX_NAME],
        "authenticator": identity.authenticator,
        "key_id": (identity.credential_id or "")[:MAX_ID] if identity.kind == "api_key" else "",
    }
    encoded = msgspec.Raw(_encoder.encode({name: _valid(value) for name, value in fields.items() if value}))
    principal.recorded = encoded
    return encoded


def _valid(text: str) -> str:
    """Replace lone surrogates, which UTF-8 has no form for."""
    return text.encode("utf-8", "replace").decode()


def encode_records(taken: list[Taken]) -> bytes:
    """Return one line for each; control characters that JSON lets through are escaped (security rule 23)."""
    records = [_record(one) for one in taken]
    try:
        lines = _encoder.encode_lines(records)
    except UnicodeEncodeError:
        for record in records:
            for name in Record.__struct_fields__:
                value = getattr(record, name)
                # Not isinstance: the reason is an enum, which the encoder writes as it is.
                if type(value) is str:
                    setattr(record, name, _valid(value))
        lines = _encoder.encode_lines(records)
    if lines.isascii() and b"\x7f" not in lines:
        return lines
    return escape_json_text(lines.decode()).encode()


def _report(trouble: str) -> None:
    """Say once that records get lost, and once that they don't any more."""
    if trouble:
        log.error("decision records cannot be written; they are dropped and counted", extra={"error": trouble})
    else:
        log.warning("decision records are written again")
