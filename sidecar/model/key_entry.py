"""One API key as a key file describes it. The key itself is nowhere: only its digest is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .principal import JsonValue

_HEX = re.compile(r"[0-9a-f]{64}")
PLAIN = "sha256"
KEYED = "hmac-sha256"


class Digest(NamedTuple):
    """HMAC-SHA-256 with the pepper of that id; without one, plain SHA-256 (for keys of high entropy only)."""

    pepper_id: str | None
    value: bytes

    def __str__(self) -> str:
        head = PLAIN if self.pepper_id is None else f"{KEYED}:{self.pepper_id}"
        return f"{head}:{self.value.hex()}"


def parse_digest(text: str) -> Digest:
    """Read ``sha256:HEX`` or ``hmac-sha256:PEPPER:HEX``, 64 lower-case hex digits.

    Raises:
        ValueError: anything else; the message does not repeat the text, which may be a key put there by mistake.

    """
    kind, _, rest = text.partition(":")
    pepper_id, _, digits = rest.rpartition(":")
    if (kind, bool(pepper_id)) not in {(PLAIN, False), (KEYED, True)} or ":" in pepper_id or (kind == PLAIN and rest != digits):
        raise ValueError(f"is neither {PLAIN}:HEX nor {KEYED}:PEPPER:HEX")
    if _HEX.fullmatch(digits) is None:
        raise ValueError("does not end in 64 lower-case hexadecimal digits")
    return Digest(pepper_id or None, bytes.fromhex(digits))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """One entry of a key file. Times are seconds since the epoch; ``cidrs`` are networks that ``ipaddress`` reads.

    Empty ``routes`` or ``cidrs`` confine nothing.
    """

    id: str
    digest: Digest
    owner: str | None = None
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    not_before: float | None = None
    expires_at: float | None = None
    revoked: bool = False
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)

    def live(self, wall: float) -> bool:
        """Tell whether the key can be used at ``wall`` or later."""
        return not self.revoked and (self.expires_at is None or wall < self.expires_at)
