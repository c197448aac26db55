"""What the core needs from the outside. Adapters implement these; ``tests/ports`` holds one suite for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .model.decision import Decision
from .model.instant import Instant
from .model.request import Facts
from .model.secret import Secret


class Clock(Protocol):
    """The only source of time (``adapters/clock.py``; tests inject their own)."""

    def now(self) -> Instant:
        """Both times, read together."""

    def mono(self) -> float:
        """Monotonic seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A successful GET (status 200). ``headers`` in lower case; ``body`` is decompressed and bounded."""

    body: bytes
    headers: Mapping[str, str]


class Fetcher(Protocol):
    """Bounded GETs for key sets and discovery documents."""

    async def get(self, url: str, *, ca_file: str | None, max_bytes: int, timeout: float) -> Fetched:  # noqa: ASYNC109 - bounds the whole fetch
        """Fetch ``url`` within ``timeout`` seconds in all, following redirects on the same host only.

        Raises:
            FetchError: anything but a 200 whose decompressed body has at most ``max_bytes`` bytes.
        """


class FetchError(Exception):
    """Why a fetch failed, in words for the log. ``retry_after``: seconds the server asked us to wait, or None."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Take the words and the server's wish."""
        super().__init__(message)
        self.retry_after = retry_after


class AttributeClient(Protocol):
    """Quick GETs of one attribute source, as part of a check; its host, headers and authorities are fixed."""

    async def get(self, url: str, timeout: float) -> bytes | None:  # noqa: ASYNC109 - bounds the whole fetch
        """Return the body of a 200, at most 64 KiB, or None for a 404; no redirect is followed.

        Raises:
            FetchError: anything else, within ``timeout`` seconds in all; its words show nothing of the URL.
        """

    async def close(self) -> None:
        """Close all connections; what is being fetched fails."""


class DecisionSink(Protocol):
    """Takes decisions for the record without ever waiting."""

    def emit(
        self,
        decision: Decision,
        facts: Facts,
        decision_id: str,
        at: float,
        duration: float,
        revision: str,
    ) -> bool:
        """Accept a decision, or return False when the queue is full (the drop is counted).

        ``facts`` are those of the request; ``at`` is wall time in seconds, ``duration`` seconds.
        """


class SecretSource(Protocol):
    """Reads secrets by reference."""

    def read(self, kind: str, value: str) -> Secret:
        """Return what the file or environment variable holds; raise SourceError naming it, never its content."""
