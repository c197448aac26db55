"""Memory of verified and of rejected tokens, owned by the deciding thread.

Keyed on the token's SHA-256. Bounded by entries and by estimated bytes; times are compared by us. The two are
apart, so that a flood of bad tokens cannot evict good ones.
"""

from collections import Counter

from cachetools import LRUCache

from sidecar.authn.issuer import Issuer
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected
from sidecar.model.principal import Principal

MAX_BYTES = 16 * 1024 * 1024
MAX_ENTRIES = 8192
REJECTED_ENTRIES = 1024
REJECTED_SECONDS = 10.0
_BASE_WEIGHT = 2048
_WEIGHT_PER_CHARACTER = 3
"""Rough cost of an entry: its objects, and the claims that came out of the token's characters."""


class CachedToken:
    """A verified token: what it hinges on stands beside what it gave."""

    __slots__ = ("issuer", "principal", "rbac", "starts", "thumbprint", "weight")

    def __init__(self, principal: Principal, issuer: Issuer, thumbprint: bytes, rbac: object, size: int) -> None:
        """Hold the principal, with the issuer configuration, key and RBAC generation that it came from."""
        self.principal = principal
        self.issuer = issuer
        self.thumbprint = thumbprint
        self.rbac = rbac
        self.starts = principal.identity.not_before
        self.weight = max(_BASE_WEIGHT + _WEIGHT_PER_CHARACTER * size, MAX_BYTES // MAX_ENTRIES)


class TokenCache:
    """Verified and rejected tokens. Errors and ``keys_unavailable`` never come here."""

    __slots__ = ("_counts", "_rejected", "_verified")

    def __init__(self, counts: Counter[tuple[str, str]]) -> None:
        """Count requests by (cache, result) into ``counts``."""
        self._verified: LRUCache[bytes, CachedToken] = LRUCache(MAX_BYTES, getsizeof=lambda entry: entry.weight)
        self._rejected: LRUCache[bytes, tuple[Rejected, Issuer, object, float]] = LRUCache(REJECTED_ENTRIES)
        self._counts = counts

    def verified(self, key: bytes, issuers: dict[str, Issuer], rbac: object, now: Instant) -> CachedToken | None:
        """Return the entry if everything that it hinges on still stands: issuer, key, grants, time."""
        try:
            entry = self._verified[key]
        except KeyError:
            self._counts["tokens", "miss"] += 1
            return None
        issuer = entry.issuer
        held = issuer.table.held
        if (
            entry.rbac is rbac
            and issuers.get(issuer.name) is issuer
            and held is not None
            and now.mono - held.fetched_at <= issuer.stale_max
            and entry.thumbprint in held.keys.thumbprints
            and entry.starts <= now.wall + issuer.clock_skew
            and now.wall < entry.principal.until
        ):
            self._counts["tokens", "hit"] += 1
            return entry
        del self._verified[key]
        self._counts["tokens", "stale"] += 1
        return None

    def remember(self, key: bytes, entry: CachedToken) -> None:
        """Keep a verified token."""
        if entry.weight < MAX_BYTES:
            self._verified[key] = entry

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
        return {"tokens": len(self._verified), "rejected_tokens": len(self._rejected)}
