"""When to fetch again, as arithmetic: HTTP cache headers, back-off, budgets (security rules 9 and 10)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random

MIN_LIFETIME = 60.0
"""Seconds that a key set is kept at least, whatever the server's cache headers say."""
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 60.0
MAX_RETRY_AFTER = 3600.0
"""A server that asks for more would cost its own users their sign-in."""
BURST = 3
REFILL_SECONDS = 30.0


class Bucket:
    """``BURST`` tokens, refilled evenly, one per ``REFILL_SECONDS``."""

    __slots__ = ("_at", "_level")

    def __init__(self) -> None:
        """Start full."""
        self._level = float(BURST)
        self._at: float | None = None

    def take(self, mono: float) -> bool:
        """Spend one token at ``mono`` seconds if there is one."""
        if self._at is not None:
            self._level = min(BURST, self._level + max(0.0, mono - self._at) / REFILL_SECONDS)
        self._at = mono
        if self._level < 1:
            return False
        self._level -= 1
        return True


def next_refresh(headers: Mapping[str, str], every: float, random: Random) -> float:
    """Seconds until a successful fetch is repeated: the response's lifetime within [60 s, every], with jitter.

    The jitter only shortens, by up to a tenth: pods that started together must not ask together.
    """
    lifetime = _lifetime(headers)
    kept = every if lifetime is None else min(every, max(lifetime, MIN_LIFETIME))
    return kept * random.uniform(0.9, 1.0)


def next_try(failures: int, retry_after: float | None, random: Random) -> float:
    """Seconds until the next attempt after ``failures`` (≥ 1) in a row; at least what the server asked for."""
    backoff = min(MAX_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)
    return max(backoff, hold(retry_after))


def hold(retry_after: float | None) -> float:
    """Seconds for which the server does not want to be asked at all."""
    return 0.0 if retry_after is None else min(max(0.0, retry_after), MAX_RETRY_AFTER)


def _lifetime(headers: Mapping[str, str]) -> float | None:
    """Freshness lifetime in seconds by RFC 9111 §4.2.1 and §5.1, or None where the response says nothing."""
    directives = {}
    for part in headers.get("cache-control", "").lower().split(","):
        name, _, value = part.strip().partition("=")
        directives[name] = value.strip('"')
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    if "max-age" in directives:
        age = _seconds(headers.get("age", "0")) or 0.0
        return max(0.0, (_seconds(directives["max-age"]) or 0.0) - age)
    if "expires" in headers:
        expires, date = _date(headers["expires"]), _date(headers.get("date", ""))
        return max(0.0, expires - date) if expires is not None and date is not None else 0.0
    return None


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= len("2147483648") else None


def _date(text: str) -> float | None:
    """An IMF-fixdate (RFC 9110 §5.6.7) as seconds since the epoch."""
    try:
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
