# ruff: noqa: E501 - rows of odd values read best as rows
"""Tokens and keys of a run: signed once, with few names, so that good ones and near misses meet often."""

import hashlib
import hmac
import json
import random
from dataclasses import dataclass, field
from typing import Any

from tests.support.tokens import WALL, SigningKey, b64, compact, new_key

ISSUERS = ("https://idp.example.com", "https://idp.example.com/", "https://other.example.com")
AUDIENCES = ("https://api.example.com", "https://api.example.com/", "web")
ROLES = ("viewer", "editor", "admin", "Admin", "ops")
PERMISSIONS = ("posts:read", "posts:create", "posts:*", "*", "users:read", "posts:read:own", "posts", "*:read")
SCOPES = ("read", "write", "posts:read", "posts:*")
SUBJECTS = ("user-1", "user-2", "jane@example.com")
EMAILS = ("jane@example.com", "Jane@example.com", "joe@example.com")
API_KEYS = ("sk_one", "sk_two", "sk_live_one", "plain-key", "sk_", "pk_one")
OFFSETS = (-3600, -61, -31, -30, -29, -1, 0, 1, 29, 30, 31, 60, 600, 3600, 7200)


@dataclass
class Pool:
    """Signing keys by name, their JWKs, and tokens."""

    keys: dict[str, SigningKey] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    by_issuer: dict[str, list[str]] = field(default_factory=dict)

    def jwks(self, rng: random.Random) -> dict[str, Any]:
        """Return a key set: most of the keys, some with words that forbid their use."""
        keys = [key.jwk() for key in self.keys.values() if rng.random() < 0.9]
        for key in keys:
            if rng.random() < 0.05:
                key.update(rng.choice([{"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": ["verify"]}, {"alg": "RS384"}, {"kid": "e1"}]))
            if rng.random() < 0.1:
                key.pop(rng.choice(["alg", "use", "kid"]), None)
        return {"keys": keys or [self.keys["e1"].jwk()]}


def make_pool(rng: random.Random, size: int) -> Pool:
    """Generate keys, and ``size`` tokens."""
    pool = Pool(
        {kid: new_key(alg, kid) for kid, alg in (("k1", "RS256"), ("p1", "PS256"), ("e1", "ES256"), ("e2", "ES256"), ("d1", "EdDSA"))}
    )
    pool.keys["ee"] = new_key("ES256", None)
    for number in range(size):
        issuer = ISSUERS[number % len(ISSUERS)]
        text = make_token(rng, pool, issuer)
        pool.tokens.append(text)
        pool.by_issuer.setdefault(issuer, []).append(text)
    return pool


def make_token(rng: random.Random, pool: Pool, issuer: str) -> str:
    """Sign a token: mostly good, else with one or two things wrong or odd."""
    key = pool.keys[rng.choice(("e1", "e1", "d1", "d1", "e2", "ee", "k1", "p1"))]
    head: dict[str, Any] = {"alg": key.alg, "typ": "at+jwt"} | ({"kid": key.kid} if key.kid else {})
    body = good_claims(rng, issuer)
    for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 1, 1, 2))):
        rng.choice((odd_header, odd_claims, odd_claims, odd_claims, odd_times, odd_times))(rng, head, body)
    header, payload = json.dumps(head).encode(), json.dumps(body).encode()
    if rng.random() < 0.04:
        payload = rng.choice(
            (payload[:-1] + b',"sub":"admin"}', b"\xef\xbb\xbf" + payload, payload.replace(b"user", b"us\xff"), b"[1]", deep(payload))
        )
    if rng.random() < 0.03:
        return forged(rng, head, payload, key)
    text = compact(header, payload, key)
    return damaged(rng, text) if rng.random() < 0.06 else text


def deep(payload: bytes) -> bytes:
    return payload[:-1] + b',"x":' + b"[" * 32 + b"]" * 32 + b"}"


def good_claims(rng: random.Random, issuer: str) -> dict[str, Any]:
    now = int(WALL)
    body: dict[str, Any] = {
        "iss": issuer,
        "sub": rng.choice(SUBJECTS),
        "aud": AUDIENCES[rng.random() < 0.15],
        "iat": now,
        "exp": now + 3000,
    }
    if rng.random() < 0.85:
        body["roles"] = rng.sample(ROLES, rng.randint(0, 4))
    if rng.random() < 0.3:
        body["realm"] = {"roles": rng.choice(("viewer", ["editor"], ["admin", 1], {"a": "b"}, "viewer editor"))}
    if rng.random() < 0.4:
        body["permissions"] = rng.sample(PERMISSIONS, rng.randint(0, 3))
    if rng.random() < 0.5:
        body["scope"] = rng.choice((" ".join(rng.sample(SCOPES, rng.randint(0, 3))), rng.sample(SCOPES, 2)))
    if rng.random() < 0.4:
        body |= {"email": rng.choice(EMAILS), "email_verified": rng.choice((True, True, False, "true", 1))}
    if rng.random() < 0.3:
        body["department"] = rng.choice(("sales", "r d", "a,b", "é", "", ["x", "y"], 7, True, None, {"a": 1}))
    return body


def odd_header(rng: random.Random, head: dict[str, Any], _: dict[str, Any]) -> None:
    head |= rng.choice(
        (
            {"alg": "none"}, {"alg": "HS256"}, {"alg": "ES256"}, {"alg": "Ed25519"}, {"alg": ["ES256"]}, {"alg": "es256"}, {"kid": "e1"}, {"kid": "nobody"}, {"kid": 1},
            {"kid": ""}, {"kid": "x" * 257}, {"kid": "a\n"}, {"typ": "JWT"}, {"typ": "jwt"}, {"typ": "application/at+jwt"}, {"typ": "application/JWT"}, {"typ": "dpop+jwt"},
            {"typ": "logout+jwt"}, {"typ": "none"}, {"typ": None}, {"typ": ""}, {"crit": ["exp"]}, {"b64": False}, {"b64": True}, {"zip": "DEF"}, {"jku": "https://evil.example.com"}, {"cty": "JWT"},
        )
    )  # fmt: skip
    if rng.random() < 0.3:
        head.pop(rng.choice(("typ", "kid", "alg")), None)


def odd_claims(rng: random.Random, _: dict[str, Any], body: dict[str, Any]) -> None:
    body |= rng.choice(
        (
            {"iss": "https://evil.example.com"}, {"iss": 1}, {"iss": ["https://idp.example.com"]}, {"aud": ["https://api.example.com"]}, {"aud": []}, {"aud": ["x", 1]},
            {"aud": ["https://api.example.com", 1]}, {"aud": "web"}, {"aud": ""}, {"aud": {"https://api.example.com": 1}}, {"aud": None}, {"azp": "web"}, {"client_id": "web"}, {"azp": "other"},
            {"sub": ""}, {"sub": 7}, {"sub": " user-1"}, {"sub": "user-1\n"}, {"sub": "x" * 255}, {"sub": "x" * 256}, {"sub": "é"}, {"sub": "a,b"}, {"sub": None}, {"sub": "user\u00a0"},
            {"jti": "j"}, {"jti": 1}, {"jti": None}, {"cnf": {"jkt": "x"}}, {"cnf": None}, {"at_hash": "x"}, {"c_hash": "x"}, {"events": {}}, {"typ": "ID"}, {"typ": "Bearer"}, {"nonce": "n"},
            {"roles": "admin"}, {"roles": ["admin", None]}, {"roles": "viewer,admin"}, {"roles": {"admin": True}}, {"roles": ["", "viewer", "viewer"]}, {"roles": ["x y", "é"]},
            {"permissions": "posts:read"}, {"permissions": ["*"]}, {"permissions": ["posts:read", 1]}, {"permissions": ["posts:*"]}, {"scope": "read  write"}, {"scope": ["read write"]},
        )
    )  # fmt: skip
    if rng.random() < 0.2:
        body.pop(rng.choice(("iss", "aud", "sub", "exp", "iat")), None)


def odd_times(rng: random.Random, _: dict[str, Any], body: dict[str, Any]) -> None:
    name = rng.choice(("exp", "exp", "nbf", "iat"))
    now = int(WALL)
    odd = (True, "soon", str(now + 600), None, 0, -1, 2**53, 2**53 - 1, 1e300, [now], now + 0.5)
    body[name] = now + rng.choice(OFFSETS) if rng.random() < 0.8 else rng.choice(odd)


def forged(rng: random.Random, head: dict[str, Any], payload: bytes, key: SigningKey) -> str:
    """Sign with what the attacker has: nothing, or the public key as a secret."""
    head = head | {"alg": rng.choice(("none", "HS256", key.alg))}
    signed = f"{b64(json.dumps(head).encode())}.{b64(payload)}"
    secret = json.dumps(key.jwk()).encode()
    return f"{signed}.{b64(rng.choice((hmac.digest(secret, signed.encode(), 'sha256'), bytes(64), b'x')))}"


def damaged(rng: random.Random, text: str) -> str:
    """Change a token's text without signing it again."""
    at = rng.randrange(len(text))
    changes = (
        text[:at] + rng.choice("Aa0_-.= ") + text[at + 1 :], text + "=", text[:-1], text + ".", "." + text, text.replace(".", "..", 1), text + " ",
        text[:-1] + chr(ord(text[-1]) ^ 1), text.rpartition(".")[0] + ".", text + ".x.y", text.upper(),
    )  # fmt: skip
    return rng.choice(changes)


def digest_of(key: str, pepper: str | None) -> str:
    """Return the digest text of an API key; the secret of every pepper is the word ``pepper``."""
    if pepper is None:
        return "sha256:" + hashlib.sha256(key.encode()).hexdigest()
    return f"hmac-sha256:{pepper}:" + hmac.new(b"pepper", key.encode(), "sha256").hexdigest()
