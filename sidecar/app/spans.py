"""Spans and moments as people write them on the command line."""

import re
from datetime import UTC, datetime

from sidecar.model.errors import SidecarError

_SPAN = re.compile(r"(-?)([0-9]{1,9})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class BadSpan(SidecarError):
    """Not a span of time."""


def seconds(text: str) -> int:
    """Read ``90s``, ``30m``, ``12h``, ``90d``, ``2w``, or the same with a minus. Raises BadSpan."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BadSpan(f"{text!r} is not a span of time: write a number and s, m, h, d or w, for example 90d")
    return int(found[2]) * _SECONDS[found[3]] * (-1 if found[1] else 1)


def rfc3339(wall: float) -> str:
    """Seconds since the epoch as ``2026-11-24T08:00:00Z``."""
    return datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_words(wall: float, now: float) -> str:
    """A moment with its distance from now: ``2026-11-24T08:00:00Z (5m 3s ago)``."""
    distance = int(abs(wall - now))
    days, rest = divmod(distance, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{amount}{unit}" for amount, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")) if amount][:2] or ["0s"]
    return f"{rfc3339(wall)} ({' '.join(parts)} ago)" if wall < now else f"{rfc3339(wall)} (in {' '.join(parts)})"
