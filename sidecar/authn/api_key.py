"""API keys: made, digested, looked up and held to their limits (security rules 13 and 14).

A lookup costs the same whatever becomes of the key: every digest in use is computed and looked up, and only then
does it matter whether the key is known, revoked or expired.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from sidecar.model.key_entry import Digest, KeyEntry
from sidecar.model.outcome import Rejected
from sidecar.model.principal import FOREVER, Identity
from sidecar.model.reason import Reason
from sidecar.model.secret import Secret

Network = IPv4Network | IPv6Network

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 32
"""190 bits."""
CHECKSUM_CHARACTERS = 6
"""Enough for 32 bits in base 62."""
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class ApiKeyRecord:
    """One key of a store, ready for checks. Compared and hashed by identity: one object per loaded entry."""

    __slots__ = ("identity", "networks", "revoked", "routes")

    def __init__(self, entry: KeyEntry, store: str, networks: tuple[Network, ...]) -> None:
        """Take an entry of the store named ``store``; the subject is the owner, else the id."""
        self.revoked = entry.revoked
        self.routes = frozenset(entry.routes)
        self.networks = networks
        self.identity = Identity(
            kind="api_key",
            authenticator=store,
            issuer=store,
            subject=entry.owner or entry.id,
            roles=entry.roles,
            permissions=entry.permissions,
            scopes=entry.scopes,
            metadata=entry.metadata,
            credential_id=entry.id,
            not_before=entry.not_before if entry.not_before is not None else 0.0,
            expires_at=entry.expires_at if entry.expires_at is not None else FOREVER,
        )


class ApiKeyTable:
    """The keys of one store at one moment. Immutable; replaced whole. Made by ``key_file.read_entries``."""

    __slots__ = ("_keyed", "_plain", "size")

    def __init__(self, plain: Mapping[bytes, ApiKeyRecord], keyed: tuple[tuple[Secret, Mapping[bytes, ApiKeyRecord]], ...]) -> None:
        """``plain``: by SHA-256 of the key; ``keyed``: for each pepper in use, by HMAC-SHA-256."""
        self._plain = plain
        self._keyed = keyed
        self.size = len(plain) + sum(len(records) for _, records in keyed)

    def lookup(self, raw: str) -> ApiKeyRecord | None:
        """Find a key by its digests; the dictionaries compare the whole digest."""
        key = raw.encode("utf-8", "surrogatepass")
        found = self._plain.get(hashlib.sha256(key).digest())
        for pepper, records in self._keyed:
            record = records.get(hmac.digest(pepper.reveal(), key, "sha256"))
            found = found or record
        return found


def check_record(record: ApiKeyRecord, *, route: str, source_ip: str, now_wall: float) -> Identity | Rejected:
    """Hold a known key to its state and to the routes and networks that it is confined to."""
    identity = record.identity
    if record.revoked:
        return Rejected(Reason.INVALID_API_KEY, "key revoked")
    if now_wall < identity.not_before:
        return Rejected(Reason.INVALID_API_KEY, "key not valid yet")
    if now_wall >= identity.expires_at:
        return Rejected(Reason.INVALID_API_KEY, "key expired")
    if record.routes and route not in record.routes:
        return Rejected(Reason.CREDENTIAL_NOT_ALLOWED_HERE, "key confined to other routes")
    if record.networks and not _inside(source_ip, record.networks):
        return Rejected(Reason.CREDENTIAL_NOT_ALLOWED_HERE, "key confined to other networks")
    return identity


def _inside(source_ip: str, networks: tuple[Network, ...]) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(source_ip)
    except ValueError:
        return False  # a Unix socket peer, or nothing: in no network
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def generate_key(prefix: str) -> str:
    """Make a key: ``<prefix>_<190 random bits><checksum>``, base 62, so that secret scanners can tell it.

    Raises:
        ValueError: the prefix is not a letter followed by at most 31 letters, digits, ``-`` or ``_``.

    """
    if _PREFIX.fullmatch(prefix) is None:
        raise ValueError("a key prefix is a letter, followed by at most 31 letters, digits, - or _")
    body = prefix.removesuffix("_") + "_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return body + _checksum(body)


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def digest_of(key: str, pepper_id: str | None, pepper: Secret | None) -> Digest:
    """Digest a key with a pepper, or without one.

    Raises:
        ValueError: only one of pepper and its id is given, or the pepper is empty.

    """
    raw = key.encode()
    if pepper_id is None and pepper is None:
        return Digest(None, hashlib.sha256(raw).digest())
    if not pepper_id or not pepper:
        raise ValueError("a pepper needs an id and must not be empty")
    return Digest(pepper_id, hmac.digest(pepper.reveal(), raw, "sha256"))


def digest_text(key: str, pepper_id: str | None, pepper: Secret | None) -> str:
    """The digest as a key file writes it. Raises ValueError as ``digest_of`` does."""
    return str(digest_of(key, pepper_id, pepper))
