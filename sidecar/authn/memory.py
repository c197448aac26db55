"""What the deciding thread remembers of callers: bounded by estimated bytes, the least recently used go first (roughly).

Second chance instead of an exact order: moving an entry at every hit would cost 0.4 µs of it.
"""

from sidecar.model.decision import Decision
from sidecar.model.principal import Principal

from .issuer import Issuer

MAX_BYTES = 16 * 1024 * 1024
MAX_VERDICTS = 128
_BASE_WEIGHT = 2048
_WEIGHT_PER_CHARACTER = 3
_WEIGHT_OF_VERDICT = 256
"""Rough costs: an entry's objects, the claims that came out of a token's characters, a verdict on one route."""


class Known:
    """A principal, what it hinges on, and the verdicts on it by compiled route (routes live with their snapshot).

    ``issuer`` and ``thumbprint`` (of the key that signed) are those of a token.
    """

    __slots__ = ("issuer", "memory", "principal", "rbac", "starts", "thumbprint", "used", "verdicts", "weight")

    def __init__(self, principal: Principal, rbac: object, size: int = 0, issuer: Issuer | None = None, thumbprint: bytes = b"") -> None:
        """``rbac``: the compiled grants that it came from; ``size``: characters of the credential."""
        self.principal = principal
        self.rbac = rbac
        self.issuer = issuer
        self.thumbprint = thumbprint
        self.starts = principal.identity.not_before
        self.weight = _BASE_WEIGHT + _WEIGHT_PER_CHARACTER * size
        self.memory: Memory | None = None
        """Where it is kept, and its weight counted."""
        self.used = False
        """Asked for since the last time that room was made."""
        self.verdicts: dict[object, Decision] = {}

    def keep(self, route: object, verdict: Decision) -> None:
        """Remember the verdict on one route."""
        more = _WEIGHT_OF_VERDICT
        if len(self.verdicts) >= MAX_VERDICTS:
            more -= len(self.verdicts) * _WEIGHT_OF_VERDICT
            self.verdicts.clear()
        self.verdicts[route] = verdict
        self.weight += more
        if self.memory is not None:
            self.memory.weigh(more)


class Memory:
    """Entries by key: the digest of a token, the record of an API key."""

    __slots__ = ("_bytes", "_entries", "get")

    def __init__(self) -> None:
        """Start empty."""
        self._entries: dict[object, Known] = {}
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
        while self._bytes > MAX_BYTES:
            key, entry = next(iter(self._entries.items()))
            if entry.used:
                entry.used = False
                self._entries[key] = self._entries.pop(key)
            else:
                self.forget(key)
