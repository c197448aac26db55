"""The claims and header fields that every token is held to, before any key is touched (security rules 3, 5, 5a, 6)."""

from collections.abc import Mapping
from typing import TypeGuard

from sidecar.model.outcome import Rejected
from sidecar.model.principal import JsonValue
from sidecar.model.reason import Reason

from .algorithms import canonical_algorithm
from .issuer import Issuer
from .jose import UnverifiedToken

Claims = Mapping[str, JsonValue]

MAX_TIME = 2**53
NO_TYPE = "none"
ACCESS_TOKENS_ONLY = frozenset({"at+jwt"})
NOT_YET = Rejected(Reason.INVALID_TOKEN, "nbf lies in the future")
ISSUED_LATER = Rejected(Reason.INVALID_TOKEN, "iat lies in the future")
EXPIRED = Rejected(Reason.EXPIRED_TOKEN, "exp has passed")

# Keycloak marks its tokens with a typ claim; none of these is an access token.
_OTHER_KINDS = frozenset({"ID", "Refresh", "Offline", "Logout"})
_FOREIGN_CLAIMS = ("at_hash", "c_hash", "events")


def check_header(token: UnverifiedToken, issuer: Issuer) -> Rejected | None:
    """Hold ``alg`` and ``typ`` to the issuer's lists."""
    if canonical_algorithm(token.alg) not in issuer.algorithms:
        return _bad("alg is not in the issuer's list")
    typ = token.typ
    if typ is None:
        return None if NO_TYPE in issuer.token_types else _bad("typ is missing")
    # RFC 7515 §4.1.9: compared without case, the prefix may be left out. The word that stands for an absent
    # typ is no typ.
    typ = typ.lower().removeprefix("application/")
    if typ not in issuer.token_types or typ == NO_TYPE:
        return _bad("typ is not in the issuer's list")
    return None


def check_claims(claims: Claims, issuer: Issuer, wall: float) -> Rejected | None:
    """Hold the registered claims to the issuer's settings at ``wall``; the times come last."""
    if claims.get("iss") != issuer.iss:
        return _bad("iss is not this issuer")
    fault = _check_audience(claims, issuer) or _check_client(claims, issuer)
    if fault is not None:
        return fault
    if not issuer.audiences and not issuer.client_ids:
        return _bad("the issuer is configured with neither audience nor client")
    if "jti" in claims and type(claims["jti"]) is not str:
        return _bad("jti is not a string")
    if "cnf" in claims:
        # RFC 9449, RFC 8705: worth nothing without the proof, and no proof can be verified yet.
        return _bad("bound to a key or certificate (cnf), and no proof was verified")
    if issuer.token_types != ACCESS_TOKENS_ONLY and _is_other_kind(claims):
        return _bad("an ID, logout or refresh token, not an access token")
    return _check_times(claims, issuer, wall)


def audiences_of(claims: Claims) -> tuple[str, ...]:
    """The audiences of claims that passed ``check_claims``."""
    aud = claims.get("aud")
    if type(aud) is str:
        return (aud,)
    return tuple(aud) if type(aud) is list else ()  # type: ignore[arg-type]  # checked: a list of strings


def _bad(detail: str) -> Rejected:
    return Rejected(Reason.INVALID_TOKEN, detail)


def _check_audience(claims: Claims, issuer: Issuer) -> Rejected | None:
    aud = claims.get("aud")
    if aud is None and "aud" not in claims:
        return _bad("aud is missing") if issuer.audiences else None
    named = [aud] if type(aud) is str else aud
    if type(named) is not list or not named or not all(type(one) is str for one in named):
        return _bad("aud is neither a string nor a list of strings")
    if issuer.audiences and issuer.audiences.isdisjoint(named):
        return _bad("aud does not name an audience of this issuer's list")
    return None


def _check_client(claims: Claims, issuer: Issuer) -> Rejected | None:
    if not issuer.client_ids:
        return None
    named = [claims[name] for name in ("client_id", "azp") if name in claims]
    if not named or not all(type(one) is str and one in issuer.client_ids for one in named):
        return _bad("client_id or azp is missing or not in the issuer's list")
    return None


def _is_other_kind(claims: Claims) -> bool:
    if any(name in claims for name in _FOREIGN_CLAIMS):
        return True
    kind = claims.get("typ")
    return type(kind) is str and kind in _OTHER_KINDS


def _check_times(claims: Claims, issuer: Issuer, wall: float) -> Rejected | None:
    exp = claims.get("exp")
    if not _is_time(exp):
        return _bad("exp is missing or not a time")
    latest = wall + issuer.clock_skew
    for name, verdict in (("iat", ISSUED_LATER), ("nbf", NOT_YET)):
        if name in claims:
            time = claims[name]
            if not _is_time(time):
                return _bad(f"{name} is not a time")
            if time > latest:
                return verdict
    if issuer.max_lifetime is not None:
        issued = claims.get("iat")
        if not _is_time(issued):
            return _bad("iat is missing, and max_lifetime needs it")
        if exp - issued > issuer.max_lifetime:
            return _bad("lives longer than max_lifetime")
    return EXPIRED if exp <= wall - issuer.clock_skew else None


def _is_time(value: JsonValue) -> TypeGuard[float]:
    """A JSON number in (0, 2^53): not a bool, which Python counts as an int, nor a string (CVE-2024-53861)."""
    return (type(value) is int or type(value) is float) and 0 < value < MAX_TIME
