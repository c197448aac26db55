"""Decision records as ``docs/reference/records.md`` has them, and the request and caller that can be made of one again."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sidecar.model.request import CheckInput

MAX_LINE = 64 * 1024
MAX_PATH = 1024
"""Characters of a path that a record keeps: a longer one is not whole."""
NOT_OF_THE_RULES = frozenset(
    {
        "malformed_request", "multiple_credentials", "invalid_token", "expired_token", "invalid_api_key", "credential_not_allowed_here",
        "overloaded", "deadline_exceeded", "keys_unavailable", "dependency_unavailable", "internal_error", "not_ready", "preflight",
    }
)  # fmt: skip
"""Reasons that lie in a credential, a fault or a header: none of them is in a record, so none can be decided again."""


class Recorded(NamedTuple):
    """What of a record decides. ``authenticator`` empty: nobody. Times in seconds since the epoch."""

    wall: float
    decision_id: str
    allowed: bool
    reason: str
    route: str
    authenticator: str
    issuer: str
    subject: str
    key_id: str
    method: str
    host: str
    path: str
    source_ip: str

    @property
    def caller(self) -> str:
        """As people read it."""
        if not self.authenticator:
            return "anonymous"
        return f"key:{self.authenticator}/{self.key_id}" if self.key_id else f"{self.authenticator}:{self.subject}"

    @property
    def situation(self) -> tuple[object, ...]:
        """All that the answer depends on; the time to the minute, as conditions look at it."""
        return (*self[2:], int(self.wall // 60))

    def request(self, context: Mapping[str, str]) -> CheckInput:
        """The request again, without what a record does not keep."""
        return CheckInput(self.method, self.host, self.path, NoHeaders(), "", self.source_ip, context)


class NoHeaders:
    """Nothing is known of headers; whoever decides again has to see to that."""

    merged = False

    def names(self) -> tuple[str, ...]:
        """None."""
        return ()

    def get(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return None

    def all(self, name: str) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing."""
        return ()


class Unread(NamedTuple):
    """A line that cannot be decided again, and why."""

    why: str


def read_records(path: str) -> Iterator[Recorded | Unread]:
    """Read a file of records, line by line. Raises OSError."""
    with Path(path).open("rb") as file:
        for line in iter(lambda: file.readline(MAX_LINE), b""):
            if line.strip():
                yield _read(line)


def _read(line: bytes) -> Recorded | Unread:
    try:
        found = json.loads(line)
        if not isinstance(found, dict) or found.get("decision") not in {"allow", "deny"}:
            return Unread("not a decision record")
        who = found.get("principal") or {}
        texts = [found.get(name, "") for name in ("decision_id", "reason", "route", "method", "host", "path", "source_ip")]
        texts += [who.get(name, "") for name in ("authenticator", "issuer", "subject", "key_id")]
        wall = datetime.fromisoformat(found["time"]).timestamp()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Unread("not a decision record")
    if not all(isinstance(text, str) for text in texts):
        return Unread("not a decision record")
    decision_id, reason, route, method, host, path, source_ip, authenticator, issuer, subject, key_id = texts
    if reason in NOT_OF_THE_RULES:
        return Unread(f"{reason}: it lies in what a record does not keep")
    if len(path) >= MAX_PATH or not path:
        return Unread("the path is not whole")
    allowed = found["decision"] == "allow"
    return Recorded(wall, decision_id, allowed, reason, route, authenticator, issuer, subject, key_id, method, host, path, source_ip)
