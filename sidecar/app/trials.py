"""Tokens for trials: make keys and tokens, and look into tokens (``sidecar token``)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.files import read_bounded
from sidecar.authn.jose import parse_token
from sidecar.authn.mint import new_private_jwk, public_jwks, sign
from sidecar.model.errors import SidecarError
from sidecar.model.outcome import Rejected

from .private_files import write_new
from .spans import in_words, seconds

MAX_TOKEN = 64 * 1024
MAX_JWK_FILE = 64 * 1024


class NotAToken(SidecarError):
    """What was given cannot be read as a signed token; the text says why and holds nothing of it."""


class Seen(NamedTuple):
    """What an unverified token says. ``times``: claim → the moment in words."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    times: Mapping[str, str]


def new_signing_key(algorithm: str, kid: str, out: str) -> dict[str, Any]:
    """Write a new private JWK to ``out`` (mode 0600) and return the public JWKS. Raises FileExistsError, OSError."""
    private = new_private_jwk(algorithm, kid)
    write_new(out, json.dumps(private, indent=2).encode() + b"\n")
    return public_jwks(private)


def mint(
    key_file: str,
    expires_in: str,
    claims: Mapping[str, Any],
    *,
    alg: str | None,
    kid: str | None,
    typ: str,
    iss: str,
    audiences: Sequence[str],
    sub: str | None,
) -> str:
    """Sign a token that begins now. ``claims`` come last, so that a trial can set any claim to anything."""
    now = int(SystemClock().now().wall)
    aud = list(audiences)
    standard = {"iss": iss, "aud": aud[0] if len(aud) == 1 else aud or None, "sub": sub, "iat": now, "exp": now + seconds(expires_in)}
    payload = {name: value for name, value in standard.items() if value is not None} | dict(claims)
    return sign(read_bounded(key_file, MAX_JWK_FILE), alg, {"kid": kid, "typ": typ}, payload)


def inspect_token(raw: str) -> Seen:
    """Read a token without verifying it. Raises NotAToken."""
    token = parse_token(raw, MAX_TOKEN)
    if isinstance(token, Rejected):
        raise NotAToken(token.detail)
    now = SystemClock().now().wall
    times = {name: in_words(value, now) for name in ("iat", "nbf", "exp") if _is_moment(value := token.claims.get(name))}
    return Seen(token.header, token.claims, times)


def _is_moment(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11  # noqa: PLR2004 - year 5138
