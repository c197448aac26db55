"""Signing for trials and demonstrations: the only place that makes tokens. The serving process never imports it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sidecar.model.errors import SidecarError

_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
RSA_BITS = 2048


class MintError(SidecarError):
    """The key does not fit, or is none."""


def new_private_jwk(algorithm: str, kid: str) -> dict[str, Any]:
    """Make a private JWK (RFC 7517) for RS*, PS*, ES* or EdDSA."""
    if algorithm in _CURVES:
        material = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(_CURVES[algorithm]()), as_dict=True)
    elif algorithm == "EdDSA":
        material = jwt.algorithms.OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
    elif algorithm[:2] in {"RS", "PS"}:
        material = jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, RSA_BITS), as_dict=True)
    else:
        raise MintError(f"no key can be made for {algorithm}")
    material.pop("key_ops", None)
    return {**material, "kid": kid, "alg": algorithm, "use": "sig"}


def public_jwks(private: Mapping[str, Any]) -> dict[str, Any]:
    """The JWKS that verifies what ``private`` signs."""
    return {"keys": [{name: value for name, value in private.items() if name not in _PRIVATE}]}


def sign(material: bytes, algorithm: str | None, header: Mapping[str, str | None], claims: Mapping[str, Any]) -> str:
    """Sign ``claims`` with a private JWK, a PEM key, or for HS* the bytes of a shared secret.

    ``header`` knows ``kid`` (None: the JWK's own) and ``typ`` (None: ``JWT``; empty: none). Raises MintError
    without a word of the key.
    """
    key, own_algorithm, own_kid = _load(material, algorithm)
    chosen = algorithm or own_algorithm
    if chosen is None:
        raise MintError("say the algorithm: the key does not name one")
    kid, typ = header.get("kid") or own_kid, header.get("typ")
    fields: dict[str, Any] = ({"kid": kid} if kid else {}) | ({} if typ is None else {"typ": typ or None})
    try:
        return jwt.encode(dict(claims), key, algorithm=chosen, headers=fields)
    except (jwt.PyJWTError, TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise MintError(f"the key cannot sign with {chosen} ({type(error).__name__})") from None


def _load(material: bytes, algorithm: str | None) -> tuple[Any, str | None, str | None]:
    if algorithm is not None and algorithm.startswith("HS"):
        return material.removesuffix(b"\n"), algorithm, None
    try:
        if material.lstrip().startswith(b"-----BEGIN"):
            return load_pem_private_key(material, None), None, None
        jwk = json.loads(material)
        return jwt.PyJWK(jwk, algorithm).key, jwk.get("alg"), jwk.get("kid")
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, NotImplementedError):
        raise MintError("the key is neither a private JWK nor an unencrypted PEM key") from None
