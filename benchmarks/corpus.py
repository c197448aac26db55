"""The requests of every benchmark: 1,000 different bodies of about 1.4 kB with RS256 tokens of 20 people, in both header forms."""

import json
import time
from dataclasses import dataclass
from typing import Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from sidecar.wire._gen.ext_authz_pb2 import CheckRequest

from .corpus_file import Message

ISSUER = "https://auth.example.com"
AUDIENCE = "https://api.example.com"
HOST = "api.example.com"
BODIES = 1_000
PEOPLE = 20
ACTIONS = ("read", "list", "create", "update", "delete", "share", "move", "copy", "print", "audit")
"""The route number modulo ten says which of these the route demands."""

HeaderForm = Literal["headers", "header_map"]


@dataclass(frozen=True, slots=True)
class Person:
    """A bearer: ``needle`` is the x-user-id header of a right answer, serialised."""

    subject: str
    email: str
    needle: bytes


def person(number: int) -> Person:
    """Make up the n-th person; every name has the same length."""
    subject = f"user_{number:03}"
    return Person(subject, f"u{number:03}@example.com", needle("x-user-id", subject))


def needle(name: str, value: str) -> bytes:
    """One serialised ``HeaderValue``: key is field 1, value field 2, both shorter than 128 bytes."""
    return b"\x0a" + bytes((len(name),)) + name.encode() + b"\x12" + bytes((len(value),)) + value.encode()


class Signer:
    """An issuer with one RSA key of 2,048 bits."""

    def __init__(self) -> None:
        """Make a new key."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = self._key.public_key()
        self._serial = 0

    def jwks(self) -> str:
        """The key set that verifies its tokens."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.public_key))
        return json.dumps({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]})

    def token(self, bearer: Person, **extra: object) -> str:
        """Sign a token that no other one equals, good for the next hours."""
        now, self._serial = int(time.time()), self._serial + 1
        claims = {
            "iss": ISSUER, "sub": bearer.subject, "aud": AUDIENCE, "iat": now, "exp": now + 36_000, "jti": f"t{self._serial:07}",
            "roles": ["admin", "user"], "email": bearer.email, "email_verified": True, **extra,
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "k1"})


def request(number: int, token: str, routes: int, form: HeaderForm) -> bytes:
    """Serialise the n-th CheckRequest: its own ids, path variable, user agent and port, on one of ``routes`` routes."""
    check = CheckRequest()
    attributes = check.attributes
    source, destination = attributes.source.address.socket_address, attributes.destination.address.socket_address
    source.address, source.port_value = "10.0.0.1", 20_000 + number
    destination.address, destination.port_value = "10.0.0.2", 8080
    attributes.request.time.FromSeconds(int(time.time()))
    http = attributes.request.http
    http.id, http.method, http.host, http.scheme, http.protocol = f"1234567890{number:04}", "GET", HOST, "https", "HTTP/2"
    # a stride that has no factor in common with the number of routes spreads 1,000 requests over 10,000 routes too
    http.path = f"/api/v1/posts-{number * 9973 % routes}/{number * 7919 % 100_000}?x=1"
    fields = {
        ":authority": HOST, ":method": "GET", ":path": http.path, ":scheme": "https", "authorization": f"Bearer {token}",
        "user-agent": f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{number} Safari/537.36",
        "accept": "application/json", "accept-encoding": "gzip, deflate, br", "x-request-id": f"0b0c6f1e-51e0-4a68-94c4-{number:012x}",
        "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "cookie": "a=b; c=d", "x-envoy-internal": "true",
    }  # fmt: skip
    if form == "headers":
        http.headers.update(fields)
    else:
        for name, value in fields.items():
            http.header_map.headers.add(key=name, raw_value=value.encode())
    return check.SerializeToString()


def corpus(signer: Signer, routes: int, form: HeaderForm, **claims: object) -> list[Message]:
    """Make all requests: each has its own route, as far as there are enough, and one of PEOPLE tokens (with ``claims``)."""
    people = [person(number) for number in range(PEOPLE)]
    tokens = [signer.token(bearer, **claims) for bearer in people]
    # the stride keeps people and routes from going in step
    order = [(number * 7 + number // PEOPLE) % PEOPLE for number in range(BODIES)]
    return [Message(request(n, tokens[who], routes, form), people[who].needle) for n, who in enumerate(order)]
