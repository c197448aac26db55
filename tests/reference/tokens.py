"""What makes a token count: docs/explanation/tokens.md, step by step."""

import base64
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt
from jwt.algorithms import get_default_algorithms

from .request import Refusal

DEFAULT_ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"B": 1, "KiB": 1024, "MiB": 1 << 20}
JSON = Mapping[str, Any]


def duration(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9]+)(ms|s|m|h|d)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def size(text: str) -> int:
    number, unit = re.fullmatch(r"([0-9]+)(B|KiB|MiB)", text).groups()  # type: ignore[union-attr]
    return int(number) * SIZES[unit]


def check(config: JSON, issuers: tuple[str, ...], text: str, now: float) -> tuple[str, JSON]:
    """Return the name of the issuer that vouches for a token, and its claims. Raises Refusal."""
    header, claims = parse(text)
    named = [name for name in issuers if config["issuers"][name]["issuer"] == claims.get("iss")]
    if not named:
        raise Refusal("invalid_token")
    issuer = config["issuers"][named[0]]
    if len(text) > size(issuer.get("max_token_size", "8KiB")):
        raise Refusal("invalid_token")
    check_header(issuer, header)
    check_claims(issuer, claims, now)
    check_signature(issuer, header, text)
    return named[0], claims


@lru_cache(maxsize=8192)
def parse(text: str) -> tuple[JSON, JSON]:
    """Return header and payload of a compact token, read strictly."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Refusal("invalid_token")
    decoded = [segment(part) for part in parts]
    return strict_json(decoded[0]), strict_json(decoded[1])


def segment(part: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", part) or not part.isascii() or len(part) % 4 == 1:
        raise Refusal("invalid_token")
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        raise Refusal("invalid_token")
    return data


def strict_json(data: bytes) -> JSON:
    """Return a JSON object without duplicate members, odd numbers or great depth."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError
        return dict(pairs)

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError
        return value

    def nothing(_: str) -> float:
        raise ValueError

    try:
        text = data.decode("utf-8", "strict")
        value = json.loads(text, object_pairs_hook=members, parse_constant=nothing, parse_float=number)
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        raise Refusal("invalid_token") from None
    if not isinstance(value, dict) or depth(value) > 32:
        raise Refusal("invalid_token")
    return value


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def same_algorithm(name: str) -> str:
    return "EdDSA" if name == "Ed25519" else name


def check_header(issuer: JSON, header: JSON) -> None:
    """Algorithm, type, critical extensions, key id."""
    default = ["HS256"] if "shared_secret" in issuer["keys"] else DEFAULT_ALGORITHMS
    allowed = {same_algorithm(name) for name in issuer.get("algorithms", default)}
    if not isinstance(header.get("alg"), str) or same_algorithm(header["alg"]) not in allowed:
        raise Refusal("invalid_token")
    types = {name.lower() for name in issuer.get("token_types", ["at+jwt", "JWT", "none"])}
    typ = header.get("typ", "none")
    if not isinstance(typ, str) or ("typ" in header and typ.lower() == "none"):
        raise Refusal("invalid_token")
    if typ.lower().removeprefix("application/") not in types:
        raise Refusal("invalid_token")
    if any(name in header for name in ("crit", "b64", "zip")):
        raise Refusal("invalid_token")
    kid = header.get("kid", "x")
    if not isinstance(kid, str) or len(kid) > 256 or not kid.isprintable():
        raise Refusal("invalid_token")


def check_claims(issuer: JSON, claims: JSON, now: float) -> None:
    """Audience, kind of token, issue time, beginning, lifetime; the end last, so that an expired token was good once."""
    skew = duration(issuer.get("clock_skew", "30s"))
    check_audience(issuer, claims)
    if not isinstance(claims.get("jti", ""), str) or "cnf" in claims:
        raise Refusal("invalid_token")
    only_access = {name.lower() for name in issuer.get("token_types", ["at+jwt", "JWT", "none"])} == {"at+jwt"}
    if not only_access and (any(name in claims for name in ("at_hash", "c_hash", "events")) or claims.get("typ") == "ID"):
        raise Refusal("invalid_token")
    if "exp" not in claims or not all(is_time(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
        raise Refusal("invalid_token")
    if claims.get("nbf", 0) > now + skew or claims.get("iat", 0) > now + skew:
        raise Refusal("invalid_token")
    if "max_lifetime" in issuer and ("iat" not in claims or claims["exp"] - claims["iat"] > duration(issuer["max_lifetime"])):
        raise Refusal("invalid_token")
    if now >= claims["exp"] + skew:
        raise Refusal("expired_token")


def check_audience(issuer: JSON, claims: JSON) -> None:
    """Hold ``aud`` to the audiences; where none are configured, the clients that the token names to the accepted ones."""
    audience = audience_of(claims)
    if "aud" in claims and not audience:
        raise Refusal("invalid_token")
    if not issuer.get("unsafe_no_audience"):
        if not any(name in issuer["audiences"] for name in audience):
            raise Refusal("invalid_token")
        return
    clients = [claims[name] for name in ("azp", "client_id") if name in claims]
    if not clients or not all(isinstance(client, str) and client in issuer["client_ids"] for client in clients):
        raise Refusal("invalid_token")


def audience_of(claims: JSON) -> list[str]:
    """Return ``aud`` as a list; of any other type than text or a list of text there is none."""
    audience = claims.get("aud")
    if isinstance(audience, str):
        return [audience]
    return audience if isinstance(audience, list) and all(isinstance(name, str) for name in audience) else []


def is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**53


def check_signature(issuer: JSON, header: JSON, text: str) -> None:
    """The key by ``kid`` (or the only one that fits), meant for this algorithm; then the signature."""
    alg = same_algorithm(header["alg"])
    fitting = [key for key in usable(json.dumps(issuer["keys"]["inline"])) if fits(json.loads(key), alg)]
    if "kid" in header:
        fitting = [key for key in fitting if json.loads(key).get("kid") == header["kid"]]
    if len(fitting) != 1 or not holds(fitting[0], alg, text):
        raise Refusal("invalid_token")


@lru_cache(maxsize=1024)
def usable(document: str) -> list[str]:
    """Return the keys of a set that count, each once: no private or symmetric ones, none whose kid names two keys."""
    keys = [key for key in json.loads(document)["keys"] if key.get("kty") in {"RSA", "EC", "OKP"} and "d" not in key]
    keys = [key for key in keys if key.get("use", "sig") == "sig" and "verify" in key.get("key_ops", ["verify"])]
    texts = {json.dumps(key, sort_keys=True): key.get("kid") for key in keys}
    kids = list(texts.values())
    return [text for text, kid in texts.items() if kid is None or kids.count(kid) == 1]


def fits(key: JSON, alg: str) -> bool:
    """Tell whether the key's own words allow this algorithm: kty, crv, alg, use, key_ops."""
    kty = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}.get(alg[:2])
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}.get(alg)
    if key["kty"] != kty or (curve and key.get("crv") != curve):
        return False
    return same_algorithm(key.get("alg", alg)) == alg and key.get("use", "sig") == "sig" and "verify" in key.get("key_ops", ["verify"])


@lru_cache(maxsize=65536)
def holds(key: str, alg: str, text: str) -> bool:
    """Tell whether the signature of a compact token is one of this JWK's."""
    algorithm = get_default_algorithms()[alg]
    signed, _, signature = text.rpartition(".")
    return bool(algorithm.verify(signed.encode(), jwt.PyJWK(json.loads(key), alg).key, segment(signature)))
