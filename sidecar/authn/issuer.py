"""One configured issuer, compiled for the decision path, with its live keys."""

import dataclasses
import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from cachetools import LRUCache

from sidecar.model.instant import Instant
from sidecar.model.settings import DiscoveredKeys, IssuerSettings, KeySource, SharedSecretKeys, UrlKeys

from .algorithms import ASYMMETRIC, HMAC_ALGORITHMS, canonical_algorithm
from .claims import ClaimMapping
from .keyset import KeySet
from .keytable import ALWAYS, KeyTable

FRESH_SECONDS = 30.0
"""How young a key set has to be to prove that a key does not exist (security rule 9)."""
MAX_ABSENT_KIDS = 256
PAUSE_SECONDS = 1.0


class Issuer:
    """Settings ready for use, the key table, and what the deciding thread remembers of this issuer.

    ``generation`` is a digest of the settings: equal settings have equal generations. An empty list of
    algorithms, types or audiences refuses every token.
    """

    __slots__ = (
        "_absent", "_paused", "algorithms", "audiences", "claims", "client_ids", "clock_skew", "generation", "iss", "max_lifetime",
        "max_token_size", "name", "refreshable", "settings", "stale_max", "table", "token_types",
    )  # fmt: skip

    def __init__(self, settings: IssuerSettings, table: KeyTable) -> None:
        """Compile; ``table`` may still be without keys."""
        self.name = settings.name
        self.iss = settings.issuer
        self.settings = settings
        self.table = table
        self.generation = _generation(settings)
        self.algorithms = usable_algorithms(settings)
        self.token_types = settings.token_types
        self.audiences = settings.audiences
        self.client_ids = settings.client_ids
        self.clock_skew = settings.clock_skew
        self.max_lifetime = settings.max_lifetime
        self.max_token_size = settings.max_token_size
        self.claims = ClaimMapping(settings.claims, authenticator=settings.name, issuer=settings.issuer)
        self.refreshable = is_fetched(settings.keys)
        self.stale_max = settings.refresh.stale_max if self.refreshable else ALWAYS
        self._absent: LRUCache[str, float] = LRUCache(MAX_ABSENT_KIDS)
        self._paused: dict[str, float] = {}

    def usable_keys(self, now: Instant) -> KeySet | None:
        """The current key set, unless it is older than ``stale_max``."""
        return self.table.usable(now.mono, self.stale_max)

    def fresh(self, now: Instant) -> bool:
        """Tell whether the keys are young enough to prove that a key does not exist."""
        return now.mono - self.table.fetched_at <= FRESH_SECONDS

    def known_absent(self, kid: str, now: Instant) -> bool:
        """Tell whether a refresh was spent on this ``kid`` within the last 30 s and did not bring it."""
        at = self._absent.get(kid)
        return at is not None and 0 <= now.mono - at <= FRESH_SECONDS

    def note_absent(self, kid: str, now: Instant) -> None:
        """Remember that a fresh key set lacks ``kid``."""
        self._absent[kid] = now.mono

    def may_ask(self, why: str, now: Instant) -> bool:
        """Tell whether a refresh for this reason is worth asking for: not just after one that fetched nothing."""
        return now.mono >= self._paused.get(why, 0.0)

    def pause(self, why: str, now: Instant) -> None:
        """After a refresh that fetched nothing: leave the loop alone for a second, whatever tokens rain in."""
        self._paused[why] = now.mono + PAUSE_SECONDS


def compile_issuer(settings: IssuerSettings, table: KeyTable) -> Issuer:
    """Compile one issuer. Keys are read from ``table`` at every check."""
    return Issuer(settings, table)


def is_fetched(source: KeySource) -> bool:
    """Tell whether keys come over the network, so that they can go stale and be refreshed on demand."""
    return isinstance(source, UrlKeys | DiscoveredKeys)


def usable_algorithms(settings: IssuerSettings) -> frozenset[str]:
    """Cut the configured algorithms to what the key source may carry.

    HS* only with a configured shared secret, nothing else with one: a published key must never double as an
    HMAC secret (CVE-2022-29217).
    """
    names = frozenset(map(canonical_algorithm, settings.algorithms))
    return names & (HMAC_ALGORITHMS.keys() if isinstance(settings.keys, SharedSecretKeys) else ASYMMETRIC)


def _generation(settings: IssuerSettings) -> str:
    return hashlib.sha256(repr(_plain(settings)).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """Settings as nested tuples in a fixed order, without the places where they were written."""
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if field.name != "where")
        return (type(value).__name__, *((name, _plain(getattr(value, name))) for name in fields))
    if isinstance(value, Mapping):
        return tuple(sorted((key, repr(_plain(item))) for key, item in value.items()))
    if isinstance(value, AbstractSet):
        return tuple(sorted(repr(_plain(item)) for item in value))
    if isinstance(value, tuple | list):
        return tuple(_plain(item) for item in value)
    return value
