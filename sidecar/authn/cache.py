"""Memory of verified and of rejected tokens, owned by the deciding thread.

Keyed on the token's SHA-256. Bounded by entries and by estimated bytes; times are compared by us. The two are
apart, so that a flood of bad tokens cannot evict good ones.
"""

from collections import Counter

from cachetools import LRUCache

from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected

from .issuer import Issuer
from .memory import Known, Memory

REJECTED_ENTRIES = 1024
REJECTED_SECONDS = 10.0


class TokenCache:
    """Verified and rejected tokens. Errors and ``keys_unavailable`` never come here."""

    __slots__ = ("_counts", "_rejected", "memory")

    def __init__(self, counts: Counter[tuple[str, str]]) -> None:
        """Count requests by (cache, result) into ``counts``."""
        self.memory = Memory()
        self._rejected: LRUCache[bytes, tuple[Rejected, Issuer, object, float]] = LRUCache(REJECTED_ENTRIES)
        self._counts = counts

    def verified(self, key: bytes, issuers: dict[str, Issuer], rbac: object, now: Instant) -> Known | None:
        """Return the entry if everything that it hinges on still stands: issuer, key, grants, time."""
        entry = self.memory.get(key)
        if entry is None:
            self._counts["tokens", "miss"] += 1
            return None
        issuer = entry.issuer
        if (
            issuer is not None
            and entry.rbac is rbac
            and issuers.get(issuer.name) is issuer
            and (held := issuer.table.held) is not None
            and now.mono - held.fetched_at <= issuer.stale_max
            and entry.thumbprint in held.keys.thumbprints
            and entry.starts <= now.wall + issuer.clock_skew
            and now.wall < entry.principal.until
        ):
            self._counts["tokens", "hit"] += 1
            entry.used = True
            return entry
        self.memory.forget(key)
        self._counts["tokens", "stale"] += 1
        return None

    def rejected(self, key: bytes, issuers: dict[str, Issuer], now: Instant) -> Rejected | None:
        """Return a recent rejection that was made with the same issuer configuration and keys."""
        entry = self._rejected.get(key)
        if entry is None:
            return None
        verdict, issuer, keys, at = entry
        if issuers.get(issuer.name) is issuer and issuer.usable_keys(now) is keys and at <= now.mono < at + REJECTED_SECONDS:
            self._counts["rejected_tokens", "hit"] += 1
            return verdict
        del self._rejected[key]
        return None

    def remember_rejected(self, key: bytes, verdict: Rejected, issuer: Issuer, now: Instant) -> None:
        """Keep a rejection for a few seconds."""
        self._rejected[key] = (verdict, issuer, issuer.usable_keys(now), now.mono)

    def sizes(self) -> dict[str, int]:
        """Entries per cache."""
        return {"tokens": len(self.memory), "rejected_tokens": len(self._rejected)}
