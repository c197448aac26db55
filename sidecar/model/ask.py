"""What the engine yields when memory does not answer. The front or the loop answers; the engine goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias


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


Ask: TypeAlias = Verify | RefreshKeys
