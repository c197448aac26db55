"""Verify one token: whatever needs no key first, then the key, then its signature (security rules 3 to 9).

A generator: it yields an Ask only for a signature check, or when a token speaks of a key that memory does not hold.
"""

from collections.abc import Generator
from typing import NamedTuple

from sidecar.model.ask import Ask, RefreshKeys, RefreshResult, Verify
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.principal import Identity
from sidecar.model.reason import Reason

from .algorithms import canonical_algorithm
from .issuer import Issuer
from .jose import UnverifiedToken
from .jwk import VerificationKey
from .registered import ISSUED_LATER, NOT_YET, audiences_of, check_claims, check_header

UNKNOWN_KID = "unknown_kid"
BAD_SIGNATURE = "bad_signature"

ABSENT_KID = Rejected(Reason.INVALID_TOKEN, "kid is not in the issuer's key set")
NO_SINGLE_KEY = Rejected(Reason.INVALID_TOKEN, "no single key of the issuer fits kid and alg")
WRONG_SIGNATURE = Rejected(Reason.INVALID_TOKEN, "the signature does not hold")
NO_KEYS = Undetermined(Reason.KEYS_UNAVAILABLE, "the issuer's keys are not there, or older than stale_max")
NO_FRESH_KEYS = Undetermined(Reason.KEYS_UNAVAILABLE, "kid is not in the issuer's key set, and no fresh one could be had")

_PASSING = frozenset({ISSUED_LATER, NOT_YET, ABSENT_KID})


class VerifiedToken(NamedTuple):
    """What a verified token says, and the key (in its role) that it hinges on."""

    identity: Identity
    thumbprint: bytes


def lasting(verdict: Rejected) -> bool:
    """Tell whether a rejection stays true while configuration and keys stay: False where time alone can change it."""
    return verdict not in _PASSING


def verify_token(token: UnverifiedToken, issuer: Issuer, now: Instant) -> Generator[Ask, object, VerifiedToken | Rejected | Undetermined]:
    """Verify ``token`` as one of ``issuer``'s at ``now``.

    Yields ``Verify`` (answer: bool) and ``RefreshKeys`` (answer: RefreshResult). Everything but exactly ``True``
    is a signature that does not hold.
    """
    fault = check_header(token, issuer) or check_claims(token.claims, issuer, now.wall)
    if fault is not None:
        return fault
    subject = issuer.claims.subject(token.claims)
    if isinstance(subject, Rejected):
        return subject
    alg = canonical_algorithm(token.alg)
    key = _key_in_memory(token.kid, alg, issuer, now) or (yield from _missing_key(token.kid, alg, issuer, now))
    if not isinstance(key, VerificationKey):
        return key
    if (yield _check(key, alg, token)) is not True:
        # A key may have been replaced under the same id.
        replaced = yield from _replaced_key(key, token.kid, alg, issuer, now)
        if replaced is None or (yield _check(replaced, alg, token)) is not True:
            return WRONG_SIGNATURE
        key = replaced
    return VerifiedToken(issuer.claims.identity(token.claims, subject, audiences_of(token.claims)), key.thumbprint)


def _check(key: VerificationKey, alg: str, token: UnverifiedToken) -> Verify:
    # A closure and no functools.partial, whose repr would show the token.
    return Verify(lambda: key.verify(alg, token.signing_input, token.signature))


def _key_in_memory(kid: str | None, alg: str, issuer: Issuer, now: Instant) -> VerificationKey | None:
    keys = issuer.usable_keys(now)
    return keys.find(kid, alg) if keys is not None else None


def _missing_key(
    kid: str | None, alg: str, issuer: Issuer, now: Instant
) -> Generator[Ask, object, VerificationKey | Rejected | Undetermined]:
    """Refresh once for a key that memory lacks; 401 only if a fresh set lacks it too (security rule 9)."""
    keys = issuer.usable_keys(now)
    if keys is None:
        return NO_KEYS
    if kid is None or keys.knows(kid):
        # Not a matter of an unknown id: the key of that id has another algorithm, or several keys fit.
        yield from _refresh(BAD_SIGNATURE, issuer, now)
        return _key_in_memory(kid, alg, issuer, now) or NO_SINGLE_KEY
    if not issuer.refreshable or (issuer.known_absent(kid, now) and issuer.fresh(now)):
        return ABSENT_KID
    fresh = yield from _refresh(UNKNOWN_KID, issuer, now)
    key = _key_in_memory(kid, alg, issuer, now)
    if key is not None:
        return key
    keys = issuer.usable_keys(now)
    if keys is not None and keys.knows(kid):
        return NO_SINGLE_KEY
    if not fresh:
        return NO_FRESH_KEYS
    issuer.note_absent(kid, now)
    return ABSENT_KID


def _replaced_key(
    old: VerificationKey, kid: str | None, alg: str, issuer: Issuer, now: Instant
) -> Generator[Ask, object, VerificationKey | None]:
    """Refresh once for a signature that does not hold; return another key only if there is one now."""
    yield from _refresh(BAD_SIGNATURE, issuer, now)
    key = _key_in_memory(kid, alg, issuer, now)
    return key if key is not None and key.thumbprint != old.thumbprint else None


def _refresh(why: str, issuer: Issuer, now: Instant) -> Generator[Ask, object, bool]:
    """Ask for a refresh where one can help; tell whether the keys are fresh now."""
    if not issuer.refreshable:
        return True
    if not issuer.may_ask(why, now):
        return issuer.fresh(now)
    before = issuer.table.held
    result = yield RefreshKeys(issuer.name, why)
    if issuer.table.held is before:
        issuer.pause(why, now)
    return result is RefreshResult.FRESH
