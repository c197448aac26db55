"""An issuer's keys as one immutable value: bytes in, key set or SourceError out (security rules 3, 10 and 11)."""

import hashlib
import hmac
import itertools
import os
from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.model.errors import SourceError
from sidecar.model.principal import JsonValue
from sidecar.model.secret import Secret

from .algorithms import HMAC_ALGORITHMS, hmac_check
from .jose import strict_json_object
from .jwk import BadKey, VerificationKey, make_key, read_jwk

MAX_DOCUMENT = 512 * 1024
MAX_KEYS = 100
_SHOWN_KID = 40

_generations = itertools.count(1)
_PROCESS_KEY = os.urandom(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """Keys by id and by algorithm. Made by the functions below only.

    ``generation`` is unique in this process; ``dropped`` says, in words for the log, which keys of the document
    are not used and why. ``any_kid``: the one key counts whatever ``kid`` a token names (shared secrets).
    """

    keys: tuple[VerificationKey, ...]
    dropped: tuple[str, ...] = ()
    any_kid: bool = False
    generation: int = field(default_factory=lambda: next(_generations))
    thumbprints: frozenset[bytes]
    by_kid: Mapping[str, VerificationKey]
    only: Mapping[str, VerificationKey]
    """By algorithm, where exactly one key fits it."""

    def find(self, kid: str | None, alg: str) -> VerificationKey | None:
        """Return the key that a token with this header must have been signed with, if there is exactly one.

        A ``kid`` never falls back to another key; without one, the only key that fits the algorithm counts.
        """
        if kid is None or self.any_kid:
            return self.only.get(alg)
        key = self.by_kid.get(kid)
        return key if key is not None and alg in key.checks else None

    def knows(self, kid: str) -> bool:
        """Tell whether a key of that id is in the set."""
        return self.any_kid or kid in self.by_kid

    def fits(self, algorithms: Collection[str]) -> bool:
        """Tell whether any key can be used with one of ``algorithms``."""
        return any(not key.checks.keys().isdisjoint(algorithms) for key in self.keys)

    def same_keys(self, other: "KeySet | None") -> bool:
        """Tell whether both hold the same keys in the same roles."""
        return other is not None and self.thumbprints == other.thumbprints and self.any_kid == other.any_kid


def read_jwks(document: bytes) -> Generator[None, None, KeySet]:
    """Read a JWKS key by key, yielding after each, so that a loop can let others run in between.

    Raises:
        SourceError: too large, not a JWKS, more than 100 keys, or without one usable key.

    """
    entries = _entries(document)
    keys: list[VerificationKey] = []
    dropped: list[str] = []
    for number, entry in enumerate(entries, 1):
        # One foreign key must never lose the others, whatever a library raises for it. It can only take a key away.
        try:
            keys.append(read_jwk(entry))
        except BadKey as error:
            dropped.append(f"{_name(number, entry)}: {error}")
        except Exception as error:  # noqa: BLE001
            dropped.append(f"{_name(number, entry)}: {type(error).__name__}")
        yield
    usable, clashes = _distinct(keys)
    dropped += clashes
    if not usable:
        raise SourceError("no usable key in the key set: " + ("; ".join(dropped) or "it is empty"))
    return _assemble(usable, tuple(dropped))


def symmetric_keyset(secret: Secret, algorithms: Iterable[str]) -> KeySet:
    """Make the key set of a shared secret for those of ``algorithms`` that are HS*.

    Raises:
        SourceError: none of them is, or the secret is shorter than the hash (RFC 7518 §3.2; RFC 8725 §3.5).

    """
    names = [name for name in algorithms if name in HMAC_ALGORITHMS]
    if not names:
        raise SourceError("a shared secret needs HS256, HS384 or HS512 among the issuer's algorithms")
    shortest = max(hashlib.new(HMAC_ALGORITHMS[name]).digest_size for name in names)
    if len(secret) < shortest:
        raise SourceError(f"the shared secret is shorter than {shortest} bytes, the size of the hash of {max(names)}")
    # Not a plain digest: whoever saw one could try secrets against it.
    material = hmac.digest(_PROCESS_KEY, secret.reveal(), "sha256")
    key = make_key(None, material, {name: hmac_check(secret, name) for name in names})
    return _assemble((key,), (), any_kid=True)


def _entries(document: bytes) -> list[JsonValue]:
    if len(document) > MAX_DOCUMENT:
        raise SourceError(f"the key set is larger than {MAX_DOCUMENT // 1024} KiB")
    try:
        entries = strict_json_object(document).get("keys")
    except ValueError as error:
        raise SourceError(f"the key set cannot be read: {error}") from None
    if not isinstance(entries, list):
        raise SourceError("the key set has no list of keys")
    if len(entries) > MAX_KEYS:
        raise SourceError(f"the key set holds {len(entries)} keys: at most {MAX_KEYS} are accepted")
    return entries


def _name(number: int, entry: JsonValue) -> str:
    kid = entry.get("kid") if isinstance(entry, dict) else None
    return f"key {number} (kid {kid[:_SHOWN_KID]!a})" if isinstance(kid, str) else f"key {number}"


def _distinct(keys: list[VerificationKey]) -> tuple[tuple[VerificationKey, ...], list[str]]:
    """Join repeats of one key; of different keys with one kid use none, since a token can't say which it means."""
    merged: dict[tuple[str | None, bytes], VerificationKey] = {}
    materials: dict[str, set[bytes]] = {}
    for key in keys:
        place = (key.kid, key.material)
        known = merged.get(place)
        checks = key.checks if known is None else {**known.checks, **key.checks}
        merged[place] = make_key(key.kid, key.material, checks)
        if key.kid is not None:
            materials.setdefault(key.kid, set()).add(key.material)
    clashing = {kid for kid, found in materials.items() if len(found) > 1}
    dropped = [f"kid {kid[:_SHOWN_KID]!a}: {len(materials[kid])} different keys have it" for kid in sorted(clashing)]
    return tuple(key for key in merged.values() if key.kid not in clashing), dropped


def _assemble(keys: tuple[VerificationKey, ...], dropped: tuple[str, ...], *, any_kid: bool = False) -> KeySet:
    fitting: dict[str, dict[bytes, VerificationKey]] = {}
    for key in keys:
        for alg in key.checks:
            fitting.setdefault(alg, {})[key.material] = key
    return KeySet(
        keys=keys,
        dropped=dropped,
        any_kid=any_kid,
        thumbprints=frozenset(key.thumbprint for key in keys),
        by_kid={key.kid: key for key in keys if key.kid is not None},
        only={alg: next(iter(found.values())) for alg, found in fitting.items() if len(found) == 1},
    )
