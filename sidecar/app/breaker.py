"""A circuit breaker: what keeps failing is left alone for a while, then tried with one request."""

from sidecar.ports import Clock

FAILURES = 5
"""In a row, after which it opens."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds; each failed trial doubles the pause."""


class Breaker:
    """Used on the event loop. Whoever was let through says how it ended, exactly once."""

    __slots__ = ("_clock", "_failures", "_open_until", "_pause", "_trying")

    def __init__(self, clock: Clock) -> None:
        """Start closed."""
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until: float | None = None
        self._trying = False

    @property
    def state(self) -> str:
        """``closed``: all go through; ``open``: none; ``half-open``: the next one is a trial, or one is on its way."""
        if self._open_until is None:
            return "closed"
        return "half-open" if self._trying or self._clock.mono() >= self._open_until else "open"

    def admits(self) -> bool:
        """Let a request through, or not; the first one after the pause is a trial, and alone."""
        if self._open_until is None:
            return True
        if self._trying or self._clock.mono() < self._open_until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """Close: it works."""
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until = None
        self._trying = False

    def failed(self) -> bool:
        """Count a failure; True when it opens by it, or stays open after a trial."""
        self._failures += 1
        if self._trying:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        elif self._open_until is not None or self._failures < FAILURES:
            return False  # let through before it opened, or not enough yet
        self._trying = False
        self._open_until = self._clock.mono() + self._pause
        return True

    def given_up(self) -> None:
        """Nobody knows how it would have ended: another trial may follow at once."""
        self._trying = False
