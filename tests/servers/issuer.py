"""A token issuer that really signs and really publishes its keys: discovery, JWKS, rotation, delays and failures."""

import asyncio
import base64
import json
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .httpd import HttpServer, Request, Response

Private: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
JWKS_PATH = "/jwks.json"
DISCOVERY_PATH = "/.well-known/openid-configuration"
AUDIENCE = "https://api.example.com"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair of the issuer. ``alg``: RS256, PS256, ES256 or EdDSA."""

    kid: str
    alg: str
    private: Private

    @classmethod
    def new(cls, kid: str, alg: str = "RS256") -> "SigningKey":
        """Generate a key."""
        if alg.startswith(("RS", "PS")):
            return cls(kid, alg, rsa.generate_private_key(public_exponent=65537, key_size=2048))
        if alg == "ES256":
            return cls(kid, alg, ec.generate_private_key(ec.SECP256R1()))
        return cls(kid, alg, ed25519.Ed25519PrivateKey.generate())

    def jwk(self) -> dict[str, Any]:
        """The public key as published."""
        public = jwt.get_algorithm_by_name(self.alg).to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": self.alg}

    def sign(self, signing_input: bytes) -> bytes:
        """The raw signature over any bytes."""
        return jwt.get_algorithm_by_name(self.alg).sign(signing_input, self.private)


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: Mapping[str, Any], claims: Mapping[str, Any], key: SigningKey | None) -> str:
    """A compact JWS of exactly this header and these claims; an empty signature without a key."""
    signing_input = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signing_input}.{b64(key.sign(signing_input.encode())) if key else ''}"


def tampered(token: str, **claims: Any) -> str:
    """The token with other claims under its old signature."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **claims}
    return f"{header}.{b64(json.dumps(changed).encode())}.{signature}"


class IssuerSimulator(HttpServer):
    """Signs with ``signing``; publishes ``published``. What it serves can be slowed or broken at any time."""

    def __init__(self, alg: str = "RS256", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Start with one published key, ``key-1``."""
        self.signing = SigningKey.new("key-1", alg)
        self.published: list[SigningKey] = [self.signing]
        self.fetches: list[float] = []
        """Monotonic times at which the key set was asked for."""
        self.delay = 0.0
        self.status = 200
        super().__init__(self._serve, port, tls)

    @property
    def jwks_url(self) -> str:
        """Where the key set is."""
        return self.url + JWKS_PATH

    def rotate(self, kid: str, alg: str = "RS256", *, publish: bool = True, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; ``publish`` it at once; ``keep`` the old ones published."""
        self.signing = SigningKey.new(kid, alg)
        if not keep:
            self.published = []
        if publish:
            self.published = [*self.published, self.signing]
        return self.signing

    def publish(self) -> None:
        """Publish the key that signs."""
        self.published = [*self.published, self.signing]

    def withdraw(self, kid: str) -> None:
        """Publish a key no longer."""
        self.published = [key for key in self.published if key.kid != kid]

    def claims(self, subject: str = "user_123", *, lifetime: float = 600, **changes: Any) -> dict[str, Any]:
        """Claims of a good token. A change to None leaves the claim out."""
        now = int(time.time())
        base = {"iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + int(lifetime), "jti": uuid.uuid4().hex}
        return {name: value for name, value in {**base, **changes}.items() if value is not None}

    def token(
        self, subject: str = "user_123", *, key: SigningKey | None = None, header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token signed by ``key`` (default: the one that signs now); ``header`` members are added or, as None, left out."""
        key = key or self.signing
        members = {"alg": key.alg, "typ": "at+jwt", "kid": key.kid, **(header or {})}
        return compact({name: value for name, value in members.items() if value is not None}, self.claims(subject, **changes), key)

    def jwks(self) -> bytes:
        """The key set as published now."""
        return json.dumps({"keys": [key.jwk() for key in self.published]}).encode()

    async def _serve(self, request: Request) -> Response:
        if self.delay:
            await asyncio.sleep(self.delay)
        headers = (("content-type", "application/json"),)
        if request.path == DISCOVERY_PATH:
            return Response(self.status, json.dumps({"issuer": self.url, "jwks_uri": self.jwks_url}).encode(), headers)
        if request.path == JWKS_PATH:
            self.fetches.append(time.monotonic())
            return Response(self.status, self.jwks(), headers)
        return Response(404, b"{}", headers)
