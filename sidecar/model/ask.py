"""What the engine yields when memory does not answer. The front or the loop answers; the engine goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

from .principal import JsonValue


class Verify(NamedTuple):
    """Run a signature check on the deciding thread, after the checks that need none. Answer: its bool."""

    run: Callable[[], bool]


TURN = Verify(lambda: True)
"""Asked for before a new token is even read, so that reading it waits with the verifications and not before cached tokens."""


class RefreshResult(Enum):
    """How an on-demand refresh of an issuer's keys ended."""

    FRESH = "fresh"
    """The current key set was fetched within the last 30 s: what it lacks does not exist."""
    UNAVAILABLE = "unavailable"
    """No fresh set could be had in time or within the budget."""


@dataclass(frozen=True, slots=True)
class RefreshKeys:
    """Fetch ``issuer``'s keys because of a token. Answer: a RefreshResult; then read the key table again."""

    issuer: str
    why: str
    """``unknown_kid`` or ``bad_signature``: each has its own budget (security rule 9)."""


class Got(NamedTuple):
    """What an attribute source answered. ``value``: None is *missing*; ``size``: bytes of the answer; ``at``: monotonic seconds."""

    value: JsonValue
    size: int
    at: float


class Failed(NamedTuple):
    """Why an attribute source gave no answer, in words without a value of the request."""

    why: str


class AttributeFetcher(Protocol):
    """Gets one source's attribute from where it lies. Lives on the loop; the engine only passes it on."""

    async def fetch(self, url: str, timeout: float) -> Got | Failed:  # noqa: ASYNC109 - bounds all of it
        """Ask for ``url``, at most ``timeout`` seconds long. Never raises for what the other side does."""


class AttributeRequest(NamedTuple):
    """One question to one attribute source; ``source``: its name; ``timeout``: seconds."""

    source: str
    fetcher: AttributeFetcher | None
    url: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Attributes:
    """Ask several sources at once. Answer: a tuple of Got or Failed, in the same order.

    ``until``: monotonic seconds after which a missing answer counts as failed, so that the check can still say so.
    """

    requests: tuple[AttributeRequest, ...]
    until: float


Ask: TypeAlias = Verify | RefreshKeys | Attributes
