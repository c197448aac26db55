"""Memory of verified and of rejected tokens, owned by the deciding thread.

Keyed on the token's SHA-256; times are compared by us. Verified ones are bounded by estimated bytes
(``memory.MAX_BYTES``), rejected ones by entries, and the two are apart, so that a flood of bad tokens cannot evict
good ones.
"""

from collections.abc import Container, Mapping

from cachetools import LRUCache

from sidecar.model.instant import Instant
from sidecar.model.meter import CacheCount
from sidecar.model.outcome import Rejected

from .issuer import Issuer
from .memory import Known, Memory

REJECTED_ENTRIES = 1024
REJECTED_SECONDS = 10.0


class TokenCache:
    """Verified and rejected tokens. Errors and ``keys_unavailable`` never come here."""

    __slots__ = ("_count", "_rejected", "_rejected_count", "memory")

    def __init__(self, counts: Mapping[str, CacheCount]) -> None:
        """Count lookups into ``counts``."""
        self.memory = Memory()
        self._rejected: LRUCache[bytes, tuple[Rejected, Issuer, object, float]] = LRUCache(REJECTED_ENTRIES)
        self._count = counts["tokens"]
        self._rejected_count = counts["rejected_tokens"]

    def look_again(self, key: bytes, epoch: object, issuers: Mapping[str, Issuer], rbac: object, now: Instant) -> Known | None:
        """Look at all that an entry hinges on: issuer, key, grants, time; forget it if something does not stand.

        ``epoch`` stands for one snapshot, and so for its ``issuers`` and ``rbac``.
        """
        known = self.memory.get(key)
        if known is None:
            return None
        signed = known.signed
        if (
            signed is not None
            and known.rbac is rbac
            and signed.still_good(epoch, issuers)
            and now.mono <= signed.stale_at
            and known.starts <= now.wall < known.until
        ):
            self._count.hit += 1
            known.used = True
            return known
        self.memory.forget(key)
        self._count.stale += 1
        return None

    def rejected(self, key: bytes, issuers: Mapping[str, Issuer], accepted: Container[str], now: Instant) -> Rejected | None:
        """Return a recent rejection by an ``accepted`` issuer that was made with the same configuration and keys of it."""
        entry = self._rejected.get(key)
        if entry is None:
            self._rejected_count.miss += 1
            return None
        verdict, issuer, keys, at = entry
        if issuer.name not in accepted:
            return None  # where this issuer's tokens do not count, that is what is wrong with it
        if issuers.get(issuer.name) is issuer and issuer.usable_keys(now) is keys and at <= now.mono < at + REJECTED_SECONDS:
            self._rejected_count.hit += 1
            return verdict
        del self._rejected[key]
        self._rejected_count.stale += 1
        return None

    def remember_rejected(self, key: bytes, verdict: Rejected, issuer: Issuer, now: Instant) -> None:
        """Keep a rejection for a few seconds."""
        self._rejected[key] = (verdict, issuer, issuer.usable_keys(now), now.mono)

    def sizes(self) -> dict[str, int]:
        """Entries per cache."""
        return {"tokens": len(self.memory), "rejected_tokens": len(self._rejected)}
