"""Tokens that are really signed, offline: keys, key sets, and compact tokens of exactly the bytes that a test wants."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

WALL = 1_800_000_000.0
"""The tests' present, in seconds since the epoch."""
ISSUER = "https://idp.example.com"
AUDIENCE = "https://api.example.com"
SECRET = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"ES256": (ec.SECP256R1(), "P-256", 32), "ES384": (ec.SECP384R1(), "P-384", 48), "ES512": (ec.SECP521R1(), "P-521", 66)}


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int = 0) -> str:
    """A Base64urlUInt, at least ``size`` bytes long."""
    return b64(value.to_bytes(max(size, (value.bit_length() + 7) // 8), "big"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key (the bytes of a secret for HS*) and the algorithm that it signs with."""

    alg: str
    kid: str | None
    private: Any

    def sign(self, data: bytes) -> bytes:
        """The raw JWS signature over ``data``."""
        if self.alg == "EdDSA":
            return self.private.sign(data)
        digest = _HASHES[self.alg[2:]]
        if self.alg.startswith("HS"):
            return hmac.digest(self.private, data, f"sha{self.alg[2:]}")
        if self.alg.startswith("ES"):
            size = _CURVES[self.alg][2]
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        pad = padding.PKCS1v15() if self.alg.startswith("RS") else padding.PSS(padding.MGF1(digest), digest.digest_size)
        return self.private.sign(data, pad, digest)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key as an issuer publishes it; a change to None takes the member away."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            fields = {"kty": "RSA", "n": number(public.public_numbers().n), "e": number(public.public_numbers().e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            _, crv, size = _CURVES[self.alg]
            numbers = public.public_numbers()
            fields = {"kty": "EC", "crv": crv, "x": number(numbers.x, size), "y": number(numbers.y, size)}
        else:
            fields = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
        fields |= {"kid": self.kid, "use": "sig", "alg": self.alg} | changes
        return {name: value for name, value in fields.items() if value is not None}


def new_key(alg: str, kid: str | None = "k1", bits: int = 2048) -> SigningKey:
    """Generate a key."""
    if alg.startswith("HS"):
        return SigningKey(alg, kid, SECRET)
    if alg == "EdDSA":
        return SigningKey(alg, kid, ed25519.Ed25519PrivateKey.generate())
    if alg in _CURVES:
        return SigningKey(alg, kid, ec.generate_private_key(_CURVES[alg][0]))
    return SigningKey(alg, kid, rsa.generate_private_key(65537, bits))


@cache
def shared_key(alg: str, kid: str | None = "k1", number: int = 0) -> SigningKey:
    """A key generated once per test run; another ``number`` is another key."""
    return new_key(alg, kid)


def jwks(*keys: SigningKey | Mapping[str, Any]) -> bytes:
    """A key set document of keys, or of JWKs as they are given."""
    return json.dumps({"keys": [key.jwk() if isinstance(key, SigningKey) else key for key in keys]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that hold at WALL for ten minutes; a change to None takes the member away."""
    fields = {"iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "iat": int(WALL), "exp": int(WALL) + 600} | changes
    return {name: value for name, value in fields.items() if value is not None}


def header(key: SigningKey, **changes: Any) -> dict[str, Any]:
    """The header of a token signed with ``key``; a change to None takes the member away."""
    fields = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt"} | changes
    return {name: value for name, value in fields.items() if value is not None}


def compact(head: bytes, payload: bytes, key: SigningKey) -> str:
    """A compact token of exactly these bytes, with a signature that holds."""
    signing_input = f"{b64(head)}.{b64(payload)}"
    return f"{signing_input}.{b64(key.sign(signing_input.encode()))}"


def mint(key: SigningKey, body: Mapping[str, Any] | None = None, **head: Any) -> str:
    """Sign claims (by default those of ``claims()``) under the key's header with these changes."""
    return compact(json.dumps(header(key, **head)).encode(), json.dumps(claims() if body is None else body).encode(), key)
