"""Requests in bulk for a sidecar on ``benchmarks.configs``: tokens that differ, good and bad, made cheaply.

A CheckRequest is serialised once per subject with a placeholder as long as its tokens are; tokens are put into it as bytes.
"""

import base64
import json
import os
import time
from collections.abc import Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.corpus import AUDIENCE, ISSUER, needle, request
from benchmarks.corpus_file import Message

PEOPLE = 50
ROUTES = 100
_WIDTH = 32
"""Bytes of a coordinate, and of each half of a signature, of P-256."""


class Issuer:
    """An issuer with one ES256 key; every token differs from every other."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._header = b64(b'{"alg":"ES256","kid":"k1"}')
        self._serial = 0

    def jwks(self) -> str:
        """The key set that verifies its tokens."""
        numbers = self._key.public_key().public_numbers()
        x, y = (b64(number.to_bytes(_WIDTH, "big")).decode() for number in (numbers.x, numbers.y))
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "k1", "use": "sig", "alg": "ES256"}]})

    def token(self, subject: str, *, forged: bool = False) -> bytes:
        """Good for hours, always of the same length for subjects of the same length; ``forged``: the signature is noise."""
        now, self._serial = int(time.time()), self._serial + 1
        claims = {
            "iss": ISSUER, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 36_000, "jti": f"t{self._serial:09}",
            "roles": ["admin", "user"], "email": f"{subject}@example.com", "email_verified": True,
        }  # fmt: skip
        signed = self._header + b"." + b64(json.dumps(claims).encode())
        if forged:
            return signed + b"." + b64(b"\x01" + os.urandom(_WIDTH - 1) + b"\x01" + os.urandom(_WIDTH - 1))
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return signed + b"." + b64(r.to_bytes(_WIDTH, "big") + s.to_bytes(_WIDTH, "big"))


def b64(data: bytes) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def fresh(issuer: Issuer, count: int, *, forged: bool = False, group: str = "user") -> Iterator[Message]:
    """``count`` requests of PEOPLE subjects, each with a token never seen before; forged ones are to be denied (no needle)."""
    people = [f"{group}_{number:03}" for number in range(PEOPLE)]
    blank = "~" * len(issuer.token(people[0]))
    halves = [request(number, blank, ROUTES, "header_map").partition(blank.encode()) for number in range(ROUTES * 10)]
    for number in range(count):
        subject = people[number % PEOPLE]
        head, _, tail = halves[number % len(halves)]
        yield Message(head + issuer.token(subject, forged=forged) + tail, b"" if forged else needle("x-user-id", subject))


def known(issuer: Issuer, count: int = 1000) -> list[Message]:
    """``count`` requests with the one token of each of PEOPLE subjects: after a first round, memory knows them all."""
    people = [f"user_{number:03}" for number in range(PEOPLE)]
    tokens = [issuer.token(subject).decode() for subject in people]
    order = [(number * 7 + number // PEOPLE) % PEOPLE for number in range(count)]
    return [Message(request(n, tokens[who], ROUTES, "header_map"), needle("x-user-id", people[who])) for n, who in enumerate(order)]
