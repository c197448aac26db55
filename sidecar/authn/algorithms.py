"""The signature algorithms and their checks on prepared keys (RFC 7518 §3, RFC 8037, RFC 9864).

``cryptography`` is used directly: importing anything of PyJWT brings its HTTP client along, 4 MB and 77 modules
for what is a call with a fixed padding and hash.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sidecar.model.secret import Secret

Check: TypeAlias = Callable[[bytes, bytes], bool]
"""(signing input, signature) → whether the signature holds. Never raises for any bytes."""

_HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
HMAC_ALGORITHMS: Mapping[str, str] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
EDDSA = "EdDSA"


class Curve(NamedTuple):
    """What an elliptic curve of RFC 7518 §6.2.1.1 signs with; ``size``: bytes of one coordinate."""

    algorithm: str
    size: int


CURVES: Mapping[str, Curve] = {"P-256": Curve("ES256", 32), "P-384": Curve("ES384", 48), "P-521": Curve("ES512", 66)}
ASYMMETRIC = frozenset({*RSA_ALGORITHMS, *(curve.algorithm for curve in CURVES.values()), EDDSA})


def canonical_algorithm(name: str) -> str:
    """Give the two names of Ed25519 signatures one (RFC 8037 §3.1; RFC 9864 §2.2)."""
    return EDDSA if name == "Ed25519" else name


def rsa_checks(key: RSAPublicKey) -> Mapping[str, Check]:
    """Checks for RS* and PS*, by algorithm."""
    return {name: _rsa_check(key, name) for name in RSA_ALGORITHMS}


def _rsa_check(key: RSAPublicKey, name: str) -> Check:
    algorithm = _HASHES[name[2:]]
    # RFC 7518 §3.5: the salt is as long as the hash, MGF1 uses the same hash.
    padding = PKCS1v15() if name[0] == "R" else PSS(MGF1(algorithm), algorithm.digest_size)
    verify = key.verify

    def check(signing_input: bytes, signature: bytes) -> bool:
        try:
            verify(signature, signing_input, padding, algorithm)
        except InvalidSignature:
            return False
        return True

    return check


def ec_checks(key: EllipticCurvePublicKey, curve: Curve) -> Mapping[str, Check]:
    """The one check of an EC key. A JWS carries R || S, both as long as a coordinate (RFC 7518 §3.4)."""
    algorithm = ECDSA(_HASHES[curve.algorithm[2:]])
    size = curve.size

    def check(signing_input: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * size:
            return False
        pair = encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
        try:
            key.verify(pair, signing_input, algorithm)
        except InvalidSignature:
            return False
        return True

    return {curve.algorithm: check}


def ed25519_checks(key: Ed25519PublicKey) -> Mapping[str, Check]:
    """The one check of an Ed25519 key."""

    def check(signing_input: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, signing_input)
        except InvalidSignature:
            return False
        return True

    return {EDDSA: check}


def hmac_check(secret: Secret, name: str) -> Check:
    """A check with a shared secret; compares in constant time."""
    digest = HMAC_ALGORITHMS[name]

    def check(signing_input: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret.reveal(), signing_input, digest), signature)

    return check
