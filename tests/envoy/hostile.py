"""Hostile inputs: tokens that must be refused, and paths that must not be guessed about."""

import json
import time
from collections.abc import Callable

from tests.servers.issuer import IssuerSimulator, SigningKey, b64, compact, tampered

FOREIGN = SigningKey.new("key-1")
"""Another key under the issuer's key id."""


def _with_member_twice(issuer: IssuerSimulator) -> str:
    """Properly signed, and ``sub`` is there twice: parsers disagree on which one counts."""
    header = json.dumps({"alg": "RS256", "kid": issuer.signing.kid})
    claims = json.dumps(issuer.claims("sam")).replace("{", '{"sub": "root", ', 1)
    signing_input = f"{b64(header.encode())}.{b64(claims.encode())}"
    return f"{signing_input}.{b64(issuer.signing.sign(signing_input.encode()))}"


TOKENS: dict[str, Callable[[IssuerSimulator], str]] = {
    "expired": lambda issuer: issuer.token(iat=int(time.time()) - 720, lifetime=-120),
    "not yet valid": lambda issuer: issuer.token(nbf=4_000_000_000),
    "issued in the future": lambda issuer: issuer.token(iat=4_000_000_000),
    "other audience": lambda issuer: issuer.token(aud="https://other.example.com"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "other issuer": lambda issuer: issuer.token(iss="https://evil.example.com"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "expiry as text": lambda issuer: issuer.token(exp="4000000000"),
    "too long a life": lambda issuer: issuer.token(lifetime=7200),
    "alg none": lambda issuer: compact({"alg": "none", "typ": "JWT"}, issuer.claims(), None),
    "alg None": lambda issuer: compact({"alg": "None", "typ": "JWT", "kid": "key-1"}, issuer.claims(), None),
    "alg of a shared secret": lambda issuer: compact({"alg": "HS256", "kid": "key-1"}, issuer.claims(), None) + b64(b"x" * 32),
    "alg of another key type": lambda issuer: issuer.token(header={"alg": "ES256"}),
    "no signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "tampered claims": lambda issuer: tampered(issuer.token("sam"), sub="root"),
    "signed by another key": lambda issuer: issuer.token(key=FOREIGN),
    "critical header": lambda issuer: issuer.token(header={"crit": ["exp"]}),
    "key in the header": lambda issuer: issuer.token(key=FOREIGN, header={"jwk": FOREIGN.jwk(), "kid": None}),
    "id token type": lambda issuer: issuer.token(header={"typ": "id+jwt"}),
    "bound, without its proof": lambda issuer: issuer.token(cnf={"jkt": "x"}),
    "no subject": lambda issuer: issuer.token(sub=None),
    "subject of another type": lambda issuer: issuer.token(sub=7),
    "duplicate member": _with_member_twice,
    "padded": lambda issuer: issuer.token() + "=",
    "five parts": lambda issuer: issuer.token() + ".x.y",
    "not a token": lambda _: "hello",
    "too large": lambda _: "a" * 9000,
    "empty": lambda _: "",
    "two spaces": lambda issuer: f" {issuer.token()}",
}

PATHS = (
    "/public/../admin",
    "/public/./page",
    "//admin",
    "/public//page",
    "/public/..;/admin",
    "/public/;x/page",
    "/public/page;jsessionid=1",
    "/public/page%3Bx",
    "/%2561dmin",
    "/public/%252e%252e/admin",
    "/public/%2e%2e/admin",
    "/public/%2E/page",
    "/public%2f..%2fadmin",
    "/public/..%5cadmin",
    "/public\\..\\admin",
    "/public/%5c",
    "/public/%c0%ae%c0%ae/admin",
    "/public/%u2215admin",
    "/public/%zz",
    "/public/%2",
    "/public/%",
    "/public/%00",
    "/public/%0a",
    "/public/%09x",
    "/public/page%20",
    "/public/%20page",
    "/public/page.",
    "/public/page..",
    "/public/...",
    "/public/x%23y",
    "/public/x%3Fy",
    "/public/%ef%bc%8e%ef%bc%8e/admin",
    "/public/%ef%bc%8fadmin",
    "/public/%c2%85",
    "/public/%e2%80%83",
    "/public/%ff",
    "/public/x#fragment",
    "/public/" + "a" * 9000,
)
"""As in the table of the canonicaliser: with Envoy's defaults each reaches the sidecar, or Envoy refuses it itself."""

HOSTS = (
    "api..example.com",
    ".example.com",
    "-api.example.com",
    "api.example.com:x",
    "1.2.3",
    "api.example.123",
    "[::1",
    "a" * 64 + ".com",
    "api example.com",
)
