"""Security rules 3 and 11: what one key is good for."""

from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from tests.support.tables import parse_jwks
from tests.support.tokens import SECRET, b64, jwks, new_key, number, shared_key

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
RSA, EC, OKP = shared_key("RS256", "rsa"), shared_key("ES256", "ec"), shared_key("EdDSA", "okp")
GOOD = shared_key("ES384", "good")


def dropped(jwk: Any) -> str:
    """Why a key is not used that stands beside a good one."""
    keys = parse_jwks(jwks(GOOD, jwk))
    assert [key.kid for key in keys.keys] == ["good"]
    (reason,) = keys.dropped
    return reason.partition(": ")[2]


class TestVerify:
    """Security rule 3."""

    @pytest.mark.parametrize("alg", ALGORITHMS)
    def test_a_signature_that_another_library_made(self, alg: str) -> None:
        key = shared_key(alg)
        raw = pyjwt.encode({"a": 1}, key.private, alg, headers={"kid": "k1"})
        signing_input, _, signature = raw.rpartition(".")
        found = parse_jwks(jwks(key)).find("k1", alg)
        assert found is not None
        assert found.verify(alg, signing_input.encode(), pyjwt.utils.base64url_decode(signature))

    @pytest.mark.parametrize("alg", ALGORITHMS)
    def test_one_bit_decides(self, alg: str) -> None:
        key = shared_key(alg)
        found = parse_jwks(jwks(key)).keys[0]
        signature = key.sign(b"data")
        assert found.verify(alg, b"data", signature)
        assert not found.verify(alg, b"dat4", signature)
        for bit in range(0, len(signature) * 8, 61):
            broken = bytearray(signature)
            broken[bit // 8] ^= 1 << bit % 8
            assert not found.verify(alg, b"data", bytes(broken))

    @pytest.mark.parametrize("alg", ALGORITHMS)
    @pytest.mark.parametrize(
        "signature", [b"", b"\0", b"\0" * 64, b"\xff" * 64, b"\0" * 256, b"\xff" * 256, b"\0" * 132, b"\0" * 96, b"0" * 5000]
    )
    def test_no_bytes_raise_or_pass(self, alg: str, signature: bytes) -> None:
        assert parse_jwks(jwks(shared_key(alg))).keys[0].verify(alg, b"data", signature) is False

    def test_a_der_signature_is_none(self) -> None:
        """RFC 7518 §3.4: R || S, not the ASN.1 that most tools make."""
        der = EC.private.sign(b"data", ec.ECDSA(hashes.SHA256()))
        assert parse_jwks(jwks(EC)).keys[0].verify("ES256", b"data", der) is False

    @pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
    def test_r_and_s_have_one_length(self, alg: str) -> None:
        """A zero more in front of S is the same number, and would be a second spelling of the same signature."""
        key = shared_key(alg)
        found, signature = parse_jwks(jwks(key)).keys[0], key.sign(b"data")
        half = len(signature) // 2
        assert found.verify(alg, b"data", signature)
        for padded in (signature[:half] + b"\0" + signature[half:], b"\0" + signature, signature + b"\0"):
            assert found.verify(alg, b"data", padded) is False

    def test_another_salt_length_is_none(self) -> None:
        """RFC 7518 §3.5."""
        key = shared_key("PS256")
        signature = key.private.sign(b"data", padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())
        assert parse_jwks(jwks(key)).keys[0].verify("PS256", b"data", signature) is False


class TestOneKeyOneAlgorithm:
    """Security rule 3."""

    def test_what_the_key_names_counts_alone(self) -> None:
        keys = parse_jwks(jwks(RSA.jwk(alg="PS384")))
        assert keys.keys[0].algorithms == {"PS384"}
        assert keys.find("rsa", "PS384") is not None
        assert keys.find("rsa", "RS256") is None

    @pytest.mark.parametrize(
        ("key", "fit"),
        [
            (RSA, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
            (EC, {"ES256"}),
            (shared_key("ES512", "x"), {"ES512"}),
            (OKP, {"EdDSA"}),
        ],
    )
    def test_without_alg_what_fits_its_kind(self, key: Any, fit: set[str]) -> None:
        assert parse_jwks(jwks(key.jwk(alg=None))).keys[0].algorithms == fit

    def test_both_names_of_ed25519(self) -> None:
        assert parse_jwks(jwks(OKP.jwk(alg="Ed25519"))).find("okp", "EdDSA") is not None

    def test_a_key_never_checks_for_another_algorithm(self) -> None:
        key = parse_jwks(jwks(EC)).keys[0]
        for alg in ("ES384", "RS256", "HS256", "none", ""):
            assert key.verify(alg, b"data", EC.sign(b"data")) is False

    @pytest.mark.parametrize("alg", ["RSA-OAEP", "HS256", "none", "ES256", "", 1, None, ["RS256"], "rs256"])
    def test_an_alg_that_does_not_fit(self, alg: object) -> None:
        assert dropped({**RSA.jwk(), "alg": alg}) == "alg does not fit a signature key of this kind"

    @pytest.mark.parametrize("use", ["enc", "", None, 1, ["sig"]])
    def test_use(self, use: object) -> None:
        assert dropped({**RSA.jwk(), "use": use}) == "use is not sig"

    @pytest.mark.parametrize("operations", [[], ["sign"], ["encrypt"], "verify", None, {"verify": 1}])
    def test_key_ops(self, operations: object) -> None:
        assert dropped({**RSA.jwk(), "key_ops": operations}) == "key_ops does not allow verify"

    def test_key_ops_with_verify(self) -> None:
        assert parse_jwks(jwks(RSA.jwk(key_ops=["verify"]))).keys


class TestKinds:
    """Security rule 11."""

    @pytest.mark.parametrize("bits", [1024, 2040])
    def test_short_rsa(self, bits: int) -> None:
        assert dropped(new_key("RS256", "k", bits).jwk()) == f"RSA modulus of {bits} bits: 2048 to 8192 are accepted"

    def test_long_rsa(self) -> None:
        assert dropped(RSA.jwk(n=number((1 << 8192) + 1))) == "RSA modulus of 8193 bits: 2048 to 8192 are accepted"
        assert parse_jwks(jwks(RSA.jwk(n=number((1 << 8191) + 1)))).keys

    def test_leading_zeros_make_no_key_longer(self) -> None:
        assert dropped(RSA.jwk(n=b64(bytes(200) + b"\xff" * 128))) == "RSA modulus of 1024 bits: 2048 to 8192 are accepted"

    def test_even_modulus(self) -> None:
        assert dropped(RSA.jwk(n=number(1 << 2047))) == "RSA modulus is even"

    @pytest.mark.parametrize("exponent", [1, 3, 65539, 2**32 + 1])
    def test_exponent(self, exponent: int) -> None:
        assert dropped(RSA.jwk(e=number(exponent))) == "RSA exponent is not 65537"

    @pytest.mark.parametrize("key", [EC, shared_key("ES512", "e5")])
    def test_off_the_curve(self, key: Any) -> None:
        good = key.jwk()
        assert dropped({**good, "y": good["x"]}) == "the point is not on the curve"
        zeros = b64(bytes(len(pyjwt.utils.base64url_decode(good["x"]))))
        assert dropped({**good, "x": zeros, "y": zeros}) == "the point is not on the curve"

    def test_coordinates_of_another_size(self) -> None:
        good = EC.jwk()
        assert (
            dropped({**good, "x": b64(b"\0" + pyjwt.utils.base64url_decode(good["x"]))})
            == "x or y is not as long as the curve's coordinates"
        )
        assert dropped({**good, "crv": "P-384", "alg": "ES384"}) == "x or y is not as long as the curve's coordinates"

    @pytest.mark.parametrize("crv", ["P-192", "secp256k1", "Ed25519", "", None, 1, ["P-256"]])
    def test_other_curves(self, crv: object) -> None:
        assert dropped({**EC.jwk(), "crv": crv}) == "crv is missing or not supported"

    @pytest.mark.parametrize("crv", ["Ed448", "X25519", "P-256", None])
    def test_other_okp_curves(self, crv: object) -> None:
        assert dropped({**OKP.jwk(), "crv": crv}) == "crv is missing or not supported"

    def test_short_ed25519(self) -> None:
        assert dropped(OKP.jwk(x=b64(bytes(31)))) == "x is not 32 bytes long"

    @pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
    def test_private_keys(self, member: str) -> None:
        assert dropped({**RSA.jwk(), member: "AQAB"}) == "a private key in a published key set"

    @pytest.mark.parametrize("jwk", [{"kty": "oct", "k": b64(SECRET)}, {"kty": "oct"}, {**RSA.jwk(), "k": "AQAB"}])
    def test_symmetric_keys(self, jwk: Any) -> None:
        assert dropped(jwk) == "a symmetric key in a published key set"

    @pytest.mark.parametrize("kty", [None, "", "rsa", "AKP", 1, ["RSA"], {}])
    def test_other_kinds(self, kty: object) -> None:
        assert dropped({**RSA.jwk(), "kty": kty}) == "kty is missing or not supported"

    @pytest.mark.parametrize("member", ["n", "e"])
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (None, "missing or not a string"),
            (65537, "missing or not a string"),
            ("", "empty"),
            ("AQAB=", "not canonical base64url"),
            ("AQ AB", "not canonical base64url"),
            ("é", "not canonical base64url"),
        ],
    )
    def test_badly_written_members(self, member: str, value: object, why: str) -> None:
        assert dropped({**RSA.jwk(), member: value}) == f"{member} is {why}"

    @pytest.mark.parametrize("kid", [1, ["a"], "a\nb", "k" * 257])
    def test_bad_kid(self, kid: object) -> None:
        assert dropped({**RSA.jwk(), "kid": kid}).startswith("kid is not")

    @pytest.mark.parametrize("jwk", [None, 1, "x", [], True])
    def test_not_an_object(self, jwk: object) -> None:
        assert dropped(jwk) == "not a JSON object"
