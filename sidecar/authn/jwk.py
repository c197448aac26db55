"""One JSON Web Key, read strictly and made ready to verify with (security rules 3 and 11; RFC 7517, 7518 §6, 8037)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurve, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from sidecar.model.principal import JsonValue

from .algorithms import CURVES, Check, canonical_algorithm, ec_checks, ed25519_checks, rsa_checks
from .jose import MAX_KID, decode_base64url
from .roca import has_roca_fingerprint

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
RSA_EXPONENT = 65537
ED25519_SIZE = 32
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_CURVE_TYPES: Mapping[str, EllipticCurve] = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}

Jwk = Mapping[str, JsonValue]


class BadKey(ValueError):
    """Why a key cannot be used. The text never holds key material."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A key that signatures can be checked with; made by ``make_key``.

    ``material``: the key's RFC 7638 thumbprint (SHA-256). ``checks``: by algorithm, only those the key may be
    used with. ``thumbprint``: this key *in its role*, so that changing its id or its algorithms replaces it.
    """

    kid: str | None
    material: bytes = field(repr=False)
    thumbprint: bytes = field(repr=False)
    checks: Mapping[str, Check] = field(repr=False)

    @property
    def algorithms(self) -> frozenset[str]:
        """The algorithms that this key may be used with."""
        return frozenset(self.checks)

    def verify(self, alg: str, signing_input: bytes, signature: bytes) -> bool:
        """Tell whether the signature holds; False for an algorithm that is not this key's. Never raises."""
        check = self.checks.get(alg)
        return check is not None and check(signing_input, signature)


def make_key(kid: str | None, material: bytes, checks: Mapping[str, Check]) -> VerificationKey:
    """Make a key for exactly the algorithms of ``checks``."""
    role = json.dumps([kid, sorted(checks)]).encode()
    return VerificationKey(kid=kid, material=material, thumbprint=hashlib.sha256(material + role).digest(), checks=checks)


def read_jwk(jwk: JsonValue) -> VerificationKey:
    """Make a public signature key of a JWK.

    Raises:
        BadKey: it is private, symmetric, weak, malformed, or not meant for verifying signatures. A key this
            foreign may make the library raise other exceptions too.

    """
    if not isinstance(jwk, dict):
        raise BadKey("not a JSON object")
    kty = jwk.get("kty")
    if kty == "oct" or "k" in jwk:
        raise BadKey("a symmetric key in a published key set")
    if any(name in jwk for name in _PRIVATE):
        raise BadKey("a private key in a published key set")
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID and kid.isprintable()):
        raise BadKey(f"kid is not a string of at most {MAX_KID} printable characters")
    _check_purpose(jwk)
    if kty == "RSA":
        material, checks = _rsa(jwk)
    elif kty == "EC":
        material, checks = _ec(jwk)
    elif kty == "OKP":
        material, checks = _okp(jwk)
    else:
        raise BadKey("kty is missing or not supported")
    return make_key(kid, material, _narrow(jwk, checks))


def _check_purpose(jwk: Jwk) -> None:
    if "use" in jwk and jwk["use"] != "sig":
        raise BadKey("use is not sig")
    if "key_ops" in jwk:
        operations = jwk["key_ops"]
        if not isinstance(operations, list) or "verify" not in operations:
            raise BadKey("key_ops does not allow verify")


def _narrow(jwk: Jwk, checks: Mapping[str, Check]) -> Mapping[str, Check]:
    """One key, one algorithm: what the key names counts alone (RFC 8725 §3.1)."""
    if "alg" not in jwk:
        return checks
    alg = jwk["alg"]
    name = canonical_algorithm(alg) if isinstance(alg, str) else ""
    if name not in checks:
        raise BadKey("alg does not fit a signature key of this kind")
    return {name: checks[name]}


def _rsa(jwk: Jwk) -> tuple[bytes, Mapping[str, Check]]:
    modulus, exponent = int.from_bytes(_octets(jwk, "n"), "big"), int.from_bytes(_octets(jwk, "e"), "big")
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise BadKey(f"RSA modulus of {bits} bits: {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
    if modulus % 2 == 0:
        raise BadKey("RSA modulus is even")
    if exponent != RSA_EXPONENT:
        raise BadKey(f"RSA exponent is not {RSA_EXPONENT}")
    if has_roca_fingerprint(modulus):
        raise BadKey("RSA modulus of a generator whose keys can be factored (ROCA)")
    return thumbprint(jwk, "e", "kty", "n"), rsa_checks(RSAPublicNumbers(exponent, modulus).public_key())


def _ec(jwk: Jwk) -> tuple[bytes, Mapping[str, Check]]:
    name = jwk.get("crv")
    if not isinstance(name, str) or name not in CURVES:
        raise BadKey("crv is missing or not supported")
    curve = CURVES[name]
    x, y = _octets(jwk, "x"), _octets(jwk, "y")
    if len(x) != curve.size or len(y) != curve.size:
        raise BadKey("x or y is not as long as the curve's coordinates")
    numbers = EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), _CURVE_TYPES[name])
    try:
        key = numbers.public_key()
    except ValueError:
        raise BadKey("the point is not on the curve") from None
    return thumbprint(jwk, "crv", "kty", "x", "y"), ec_checks(key, curve)


def _okp(jwk: Jwk) -> tuple[bytes, Mapping[str, Check]]:
    if jwk.get("crv") != "Ed25519":
        raise BadKey("crv is missing or not supported")
    public = _octets(jwk, "x")
    if len(public) != ED25519_SIZE:
        raise BadKey(f"x is not {ED25519_SIZE} bytes long")
    return thumbprint(jwk, "crv", "kty", "x"), ed25519_checks(Ed25519PublicKey.from_public_bytes(public))


def _octets(jwk: Jwk, name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise BadKey(f"{name} is missing or not a string")
    try:
        octets = decode_base64url(value.encode("ascii"))
    except ValueError:
        raise BadKey(f"{name} is not canonical base64url") from None
    if not octets:
        raise BadKey(f"{name} is empty")
    return octets


def thumbprint(jwk: Jwk, *members: str) -> bytes:
    """SHA-256 over the required members in order (RFC 7638 §3)."""
    return hashlib.sha256(json.dumps({name: jwk[name] for name in members}, separators=(",", ":")).encode()).digest()
