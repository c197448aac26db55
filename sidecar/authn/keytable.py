"""The live keys of one issuer. Written by the loop, read by the deciding thread, joined by one reference."""

import logging
from typing import NamedTuple

from .keyset import KeySet

_log = logging.getLogger(__name__)

NEVER = float("-inf")
ALWAYS = float("inf")
"""``fetched_at`` of keys that cannot go stale: inline, from a file, a shared secret."""


class Held(NamedTuple):
    """A key set and the monotonic second at which its source last confirmed it: always read together."""

    keys: KeySet
    fetched_at: float


class KeyTable:
    """Outlives reloads while the issuer's key source stays the same. ``tried``: the source was asked once at least."""

    __slots__ = ("held", "last_error", "tried")

    def __init__(self) -> None:
        """Start without keys: every token of the issuer is undetermined."""
        self.held: Held | None = None
        self.tried = False
        self.last_error = ""
        """Why the last attempt failed; empty after a success."""

    @property
    def current(self) -> KeySet | None:
        """The last good key set, however old."""
        held = self.held
        return held.keys if held is not None else None

    @property
    def fetched_at(self) -> float:
        """Monotonic seconds of the last success; minus infinity without one."""
        held = self.held
        return held.fetched_at if held is not None else NEVER

    def usable(self, mono: float, stale_max: float) -> KeySet | None:
        """Return the last good key set unless it is older than ``stale_max`` seconds."""
        held = self.held
        return held.keys if held is not None and mono - held.fetched_at <= stale_max else None

    def replace(self, keys: KeySet, fetched_at: float) -> bool:
        """Take keys that the source gave at ``fetched_at``; return False, and keep the generation, if they are the same."""
        held = self.held
        same = held is not None and keys.same_keys(held.keys)
        self.held = Held(held.keys if held is not None and same else keys, fetched_at)
        self.tried = True
        self.last_error = ""
        return not same

    def failed(self, why: str) -> None:
        """Note that the source failed; the last good set stays."""
        self.tried = True
        self.last_error = why


def take(table: KeyTable, issuer: str, keys: KeySet, fetched_at: float) -> bool:
    """Do ``table.replace``; when the keys are others, log it, and which keys of the document are not used."""
    words = "keys loaded" if table.current is None else "keys replaced"
    changed = table.replace(keys, fetched_at)
    if changed:
        _log.info(words, extra={"issuer": issuer, "keys": len(keys.keys), "generation": keys.generation})
        for reason in keys.dropped:
            _log.warning("a key is not used: %s", reason, extra={"issuer": issuer})
    return changed
