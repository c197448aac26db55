"""Security rules 3, 10 and 11: which keys of a published set are used, and for what."""

import hashlib
import json
import time
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authn import keyset
from sidecar.authn.jwk import thumbprint
from sidecar.authn.keyset import KeySet, parse_jwks, read_jwks, symmetric_keyset
from sidecar.model.errors import SourceError
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


class TestFind:
    """Security rule 4."""

    def test_by_kid(self) -> None:
        keys = parse_jwks(jwks(RSA, EC))
        assert keys.find("ec", "ES256") is not None
        assert keys.find("other", "ES256") is None
        assert keys.knows("ec")
        assert not keys.knows("other")

    def test_a_kid_never_falls_back_to_the_only_key(self) -> None:
        assert parse_jwks(jwks(EC.jwk(kid=None))).find("ec", "ES256") is None

    def test_without_kid_the_only_key_that_fits(self) -> None:
        keys = parse_jwks(jwks(RSA, EC))
        assert keys.find(None, "ES256") is keys.find("ec", "ES256")
        assert keys.find(None, "ES384") is None

    def test_without_kid_and_several_that_fit(self) -> None:
        keys = parse_jwks(jwks(EC, shared_key("ES256", "ec2", 2)))
        assert keys.find(None, "ES256") is None

    def test_one_key_listed_under_two_ids_is_one_key(self) -> None:
        keys = parse_jwks(jwks(EC, EC.jwk(kid="again")))
        assert keys.find(None, "ES256") is not None
        assert keys.find("again", "ES256") is not None


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


class TestDocument:
    """Security rule 10."""

    @pytest.mark.parametrize(
        "document", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b'{"keys":[],"keys":[]}', b'{"keys":[]}', b"<html>"]
    )
    def test_not_a_key_set(self, document: bytes) -> None:
        with pytest.raises(SourceError):
            parse_jwks(document)

    def test_too_large(self) -> None:
        document = jwks(EC)
        assert parse_jwks(document + b" " * (512 * 1024 - len(document))).keys
        with pytest.raises(SourceError, match="512 KiB"):
            parse_jwks(document + b" " * (512 * 1024 - len(document) + 1))

    def test_too_many(self) -> None:
        assert parse_jwks(jwks(EC, *[{}] * 99)).keys
        with pytest.raises(SourceError, match="101 keys"):
            parse_jwks(jwks(EC, *[{}] * 100))

    def test_nothing_usable_is_a_failure_that_says_why(self) -> None:
        with pytest.raises(SourceError, match=r"no usable key.*private key"):
            parse_jwks(jwks({**EC.jwk(), "d": "AQAB"}))

    def test_one_bad_key_never_loses_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever a library raises for a foreign key."""
        real = keyset.read_jwk

        def fragile(jwk: Any) -> Any:
            if jwk.get("kid") == "fatal":
                raise KeyError("n")
            if jwk.get("kid") == "deep":
                raise RecursionError
            return real(jwk)

        monkeypatch.setattr(keyset, "read_jwk", fragile)
        keys = parse_jwks(jwks(EC.jwk(kid="fatal"), RSA, EC.jwk(kid="deep"), OKP))
        assert [key.kid for key in keys.keys] == ["rsa", "okp"]
        assert keys.dropped == ("key 1 (kid 'fatal'): KeyError", "key 3 (kid 'deep'): RecursionError")

    def test_different_keys_with_one_kid(self) -> None:
        """Security rule 11: neither is used."""
        keys = parse_jwks(jwks(RSA, EC.jwk(kid="same"), shared_key("ES256", "same", 2)))
        assert [key.kid for key in keys.keys] == ["rsa"]
        assert keys.dropped == ("kid 'same': 2 different keys have it",)
        with pytest.raises(SourceError, match="different keys"):
            parse_jwks(jwks(EC.jwk(kid="same"), RSA.jwk(kid="same")))

    def test_a_repeated_key_is_one(self) -> None:
        keys = parse_jwks(jwks(RSA, RSA.jwk(alg="RS512"), RSA))
        assert [(key.kid, key.algorithms) for key in keys.keys] == [("rsa", {"RS256", "RS512"})]
        assert keys.dropped == ()

    def test_words_hold_no_key_material(self) -> None:
        """Security rule 22."""
        jwk = {**EC.jwk(), "d": b64(SECRET)}
        keys = parse_jwks(jwks(RSA, jwk))
        shown = repr(keys) + "".join(keys.dropped)
        assert b64(SECRET) not in shown
        assert jwk["x"] not in shown

    def test_it_is_read_in_slices(self) -> None:
        """100 keys at once would hold up the deciding thread."""
        document = jwks(
            *[RSA.jwk(kid=f"k{index}", n=number(RSA.private.public_key().public_numbers().n + 2 * index)) for index in range(100)]
        )
        steps = read_jwks(document)
        longest, count = 0.0, 0
        next(steps)
        while True:
            start = time.thread_time()
            try:
                next(steps)
            except StopIteration:
                break
            longest = max(longest, time.thread_time() - start)
            count += 1
        assert count == 99
        assert longest < 0.02

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "use", "alg", "key_ops"]), inner)
            ),
        )
    )
    def test_no_key_raises(self, value: Any) -> None:
        assert len(parse_jwks(jwks(GOOD, value)).keys) >= 1

    @given(st.binary(max_size=100))
    def test_no_document_raises_anything_else(self, document: bytes) -> None:
        with pytest.raises(SourceError):
            parse_jwks(document)


class TestIdentity:
    def test_thumbprint_of_rfc_7638(self) -> None:
        """The example of §3.1."""
        n = (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok"
            "njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
            "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
            "wapJzKnqDKgw"
        )
        jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
        assert b64(thumbprint(jwk, "e", "kty", "n")) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        assert parse_jwks(jwks(jwk)).keys[0].material == thumbprint(jwk, "e", "kty", "n")

    def test_generations_are_unique(self) -> None:
        assert parse_jwks(jwks(EC)).generation != parse_jwks(jwks(EC)).generation

    def test_a_key_is_itself_in_its_role_only(self) -> None:
        """Security rule 21's ground: a removed or replaced key takes its tokens along."""

        def prints(*keys: Any) -> frozenset[bytes]:
            return parse_jwks(jwks(*keys)).thumbprints

        assert prints(EC) == prints(EC)
        assert prints(EC) < prints(EC, RSA)
        assert prints(EC).isdisjoint(prints(EC.jwk(kid="other")))
        assert prints(RSA).isdisjoint(prints(RSA.jwk(alg="RS512")))
        assert prints(EC).isdisjoint(prints(shared_key("ES256", "ec", 2)))


class TestSharedSecret:
    """Security rule 3."""

    def test_it_verifies_with_and_without_kid(self) -> None:
        keys = symmetric_keyset(SECRET, ("HS256", "HS512"))
        for kid in (None, "whatever"):
            key = keys.find(kid, "HS256")
            assert key is not None
            assert key.verify("HS256", b"data", shared_key("HS256").sign(b"data"))
            assert not key.verify("HS256", b"data", shared_key("HS512").sign(b"data"))
        assert keys.find(None, "HS384") is None

    @pytest.mark.parametrize(("alg", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_a_short_one_is_refused(self, alg: str, size: int) -> None:
        assert symmetric_keyset(SECRET[:size], (alg,)).keys
        with pytest.raises(SourceError, match=f"shorter than {size} bytes"):
            symmetric_keyset(SECRET[: size - 1], (alg,))

    def test_it_needs_an_algorithm_of_its_kind(self) -> None:
        with pytest.raises(SourceError, match="HS256"):
            symmetric_keyset(SECRET, ("RS256", "none"))

    def test_nothing_shows_the_secret_or_its_digest(self) -> None:
        """Security rules 22 and 26."""
        keys = symmetric_keyset(SECRET, ("HS256",))
        assert SECRET.decode() not in repr(keys)
        assert hashlib.sha256(SECRET).digest() not in {keys.keys[0].material, *keys.thumbprints}

    def test_the_same_secret_is_the_same_key(self) -> None:
        one, two = symmetric_keyset(SECRET, ("HS256",)), symmetric_keyset(SECRET, ("HS256",))
        assert one.same_keys(two)
        assert not one.same_keys(symmetric_keyset(SECRET[::-1], ("HS256",)))
        assert not one.same_keys(None)


def test_fits() -> None:
    keys: KeySet = parse_jwks(jwks(EC))
    assert keys.fits({"ES256", "RS256"})
    assert not keys.fits({"RS256"})
    assert not keys.fits(frozenset())


def test_unknown_members_are_ignored() -> None:
    document = json.loads(jwks(EC.jwk(x5c=["AAAA"], x5t="x", extra={"a": [1]})))
    assert parse_jwks(json.dumps({**document, "more": 1}).encode()).keys
