"""Issuer settings and compiled issuers with keys in memory, and a driver for verification."""

from collections.abc import Callable, Generator
from typing import Any

from sidecar.authn.issuer import Issuer, compile_issuer
from sidecar.authn.jose import parse_token
from sidecar.authn.jwt import VerifiedToken, verify_token
from sidecar.authn.keytable import KeyTable
from sidecar.model.ask import Ask, RefreshKeys, RefreshResult, Verify
from sidecar.model.errors import Where
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.settings import ClaimSettings, CredentialPlace, IssuerSettings, RefreshSettings, UrlKeys

from .tables import parse_jwks
from .tokens import AUDIENCE, ISSUER, WALL, SigningKey, jwks

WHERE = Where("sidecar.yaml", 1, "issuers.corp")
MONO = 1000.0
NOW = Instant(WALL, MONO)
JWKS_URL = "https://idp.example.com/jwks.json"


def make_claim_settings(**changes: Any) -> ClaimSettings:
    fields: dict[str, Any] = {
        "subject": ("sub",),
        "subject_template": None,
        "email": None,
        "email_trusted_always": False,
        "roles": None,
        "permissions": None,
        "scopes": None,
        "attributes": {},
    }
    return ClaimSettings(**{**fields, **changes})


def make_refresh_settings(**changes: Any) -> RefreshSettings:
    fields: dict[str, Any] = {"every": 600.0, "stale_max": 86400.0, "ca_file": None, "required_for_ready": False}
    return RefreshSettings(**{**fields, **changes})


def make_issuer_settings(**changes: Any) -> IssuerSettings:
    fields: dict[str, Any] = {
        "name": "corp",
        "issuer": ISSUER,
        "audiences": frozenset({AUDIENCE}),
        "unsafe_no_audience": False,
        "client_ids": frozenset(),
        "algorithms": ("RS256", "ES256", "PS256", "EdDSA"),
        "token_types": frozenset({"at+jwt", "jwt", "none"}),
        "clock_skew": 30.0,
        "max_lifetime": None,
        "max_token_size": 8192,
        "keys": UrlKeys(url=JWKS_URL, unsafe_http=False, where=WHERE),
        "refresh": make_refresh_settings(),
        "credentials": (CredentialPlace(kind="header", name="authorization", scheme="Bearer", prefix=None, forward=True),),
        "claims": make_claim_settings(),
        "where": WHERE,
    }
    return IssuerSettings(**{**fields, **changes})


def make_issuer(*keys: SigningKey, fetched_at: float = MONO - 100.0, **changes: Any) -> Issuer:
    """An issuer whose table holds ``keys`` (nothing, if none are given)."""
    table = KeyTable()
    if keys:
        table.replace(parse_jwks(jwks(*keys)), fetched_at)
    return compile_issuer(make_issuer_settings(**changes), table)


Outcome = VerifiedToken | Rejected | Undetermined


def no_refresh(_: RefreshKeys) -> RefreshResult:
    return RefreshResult.UNAVAILABLE


def drive(
    steps: Generator[Ask, object, Outcome], refresh: Callable[[RefreshKeys], RefreshResult] = no_refresh, asks: list[Ask] | None = None
) -> Outcome:
    """Run a verification to its end: signatures are checked, refreshes answered by ``refresh``; ``asks`` takes what was asked."""
    answer: object = None
    while True:
        try:
            ask = steps.send(answer)
        except StopIteration as done:
            return done.value
        if asks is not None:
            asks.append(ask)
        answer = ask.run() if isinstance(ask, Verify) else refresh(ask)


def verify(
    raw: str,
    issuer: Issuer,
    now: Instant = NOW,
    refresh: Callable[[RefreshKeys], RefreshResult] = no_refresh,
    asks: list[Ask] | None = None,
) -> Outcome:
    """Parse and verify a token."""
    token = parse_token(raw, issuer.max_token_size)
    if isinstance(token, Rejected):
        return token
    return drive(verify_token(token, issuer, now), refresh, asks)
