"""What the deciding thread remembers of callers: bounded by estimated bytes, the least recently used go first (roughly).

Second chance instead of an exact order: moving an entry at every hit would cost 0.4 µs of it.
"""

from collections import OrderedDict
from collections.abc import Mapping

from sidecar.model.decision import Allow, Decision
from sidecar.model.principal import Principal

from .issuer import Issuer
from .keytable import Held

MAX_BYTES = 16 * 1024 * 1024
MAX_VERDICTS = 128
MAX_SPARED = 32
"""Second chances given by one check: making room is a bounded part of its work (security rule 30)."""
_BASE_WEIGHT = 2048
_WEIGHT_PER_CHARACTER = 2
_WEIGHT_OF_VERDICT = 256
"""Rough costs: an entry's objects, the claims that came out of a token's characters, a verdict on one route."""


class Known:
    """A principal, what it hinges on, and the verdicts on it by compiled route (routes live with their snapshot).

    ``rbac``: the compiled grants that the principal came from. Times are wall seconds: good from ``starts`` until
    before ``until``.
    """

    __slots__ = (
        "__weakref__", "authenticator", "memory", "principal", "rbac", "signed", "starts", "until", "used", "verdicts",
        "verdicts_weight", "weight",
    )  # fmt: skip

    def __init__(self, principal: Principal, rbac: object, *, size: int = 0, signed: "Signed | None" = None) -> None:
        """``size``: characters of the credential; ``signed``: for a token."""
        identity = principal.identity
        self.principal = principal
        self.authenticator = identity.authenticator
        self.rbac = rbac
        self.signed = signed
        skew = signed.issuer.clock_skew if signed is not None else 0.0
        # As check_claims: neither nbf nor iat may lie further in the future than the skew, should the clock be set back.
        self.starts = max(identity.not_before - skew, (identity.issued_at or 0.0) - skew, principal.since)
        self.until = principal.until
        self.weight = _BASE_WEIGHT + _WEIGHT_PER_CHARACTER * size
        self.memory: Memory | None = None
        """Where it is kept, and its weight counted."""
        self.used = False
        """Asked for since the last time that room was made."""
        self.verdicts: dict[object, Decision] = {}
        self.verdicts_weight = 0
        """The part of ``weight`` that the verdicts are."""

    def keep(self, route: object, verdict: Decision) -> None:
        """Remember the verdict on one route."""
        if len(self.verdicts) >= MAX_VERDICTS:
            self.verdicts.clear()
            self._grow(-self.verdicts_weight)
        self.verdicts[route] = verdict
        self._grow(_WEIGHT_OF_VERDICT + (verdict.mutations.upstream.size if isinstance(verdict, Allow) else 0))

    def inherit(self, other: "Known") -> None:
        """Take over the verdicts on another credential of a principal that is as this one."""
        self.verdicts = other.verdicts.copy()
        self._grow(other.verdicts_weight)

    def _grow(self, more: int) -> None:
        self.verdicts_weight += more
        self.weight += more
        if self.memory is not None:
            self.memory.weigh(more)


class Signed:
    """What a token's verification hinged on. Looked at whole once per snapshot and key set, then by three references.

    ``good_under`` and ``good_with``: the snapshot's epoch and the key table's content under which it was found good;
    ``stale_at``: monotonic second at which that content is too old.
    """

    __slots__ = ("good_under", "good_with", "issuer", "stale_at", "table", "thumbprint")

    def __init__(self, issuer: Issuer, thumbprint: bytes) -> None:
        """``thumbprint`` of the key that signed."""
        self.issuer = issuer
        self.table = issuer.table
        self.thumbprint = thumbprint
        self.good_under: object = None
        self.good_with: Held | None = None
        self.stale_at = 0.0

    def still_good(self, epoch: object, issuers: Mapping[str, Issuer]) -> bool:
        """Look at all of it: the same issuer configuration, and the key is still in the issuer's set."""
        held = self.table.held
        if issuers.get(self.issuer.name) is not self.issuer or held is None or self.thumbprint not in held.keys.thumbprints:
            return False
        self.good_under, self.good_with, self.stale_at = epoch, held, held.fetched_at + self.issuer.stale_max
        return True


class Memory:
    """Entries by key: the digest of a token, the record of an API key."""

    __slots__ = ("_bytes", "_entries", "get")

    def __init__(self) -> None:
        """Start empty."""
        self._entries: OrderedDict[object, Known] = OrderedDict()  # a dict is slow to find its first entry behind holes
        self._bytes = 0
        self.get = self._entries.get
        """The entry, or None; whoever finds it good sets ``used``."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: object, entry: Known) -> None:
        """Keep an entry."""
        self.forget(key)
        self._entries[key] = entry
        entry.memory = self
        self.weigh(entry.weight)

    def forget(self, key: object) -> None:
        """Drop an entry, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.memory = None
            self._bytes -= entry.weight

    def weigh(self, more: int) -> None:
        """Count bytes that an entry here has grown by, and make room."""
        self._bytes += more
        spared = 0
        while self._bytes > MAX_BYTES:
            key, entry = next(iter(self._entries.items()))
            if entry.used and spared < MAX_SPARED:
                spared += 1
                entry.used = False
                self._entries.move_to_end(key)
            else:
                self.forget(key)
