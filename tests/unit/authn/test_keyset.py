"""Security rules 3, 10 and 11: which keys of a published set are used, and for what."""

import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authn import keyset
from sidecar.authn.jwk import thumbprint
from sidecar.authn.keyset import KeySet, read_jwks, symmetric_keyset
from sidecar.model.errors import SourceError
from sidecar.model.secret import Secret
from tests.support.tables import parse_jwks
from tests.support.tokens import SECRET, b64, jwks, number, shared_key

RSA, EC, OKP = shared_key("RS256", "rsa"), shared_key("ES256", "ec"), shared_key("EdDSA", "okp")
GOOD = shared_key("ES384", "good")


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


SHARED = Secret(SECRET)


class TestSharedSecret:
    """Security rule 3."""

    def test_it_verifies_with_and_without_kid(self) -> None:
        keys = symmetric_keyset(SHARED, ("HS256", "HS512"))
        for kid in (None, "whatever"):
            key = keys.find(kid, "HS256")
            assert key is not None
            assert key.verify("HS256", b"data", shared_key("HS256").sign(b"data"))
            assert not key.verify("HS256", b"data", shared_key("HS512").sign(b"data"))
        assert keys.find(None, "HS384") is None

    @pytest.mark.parametrize(("alg", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_a_short_one_is_refused(self, alg: str, size: int) -> None:
        assert symmetric_keyset(Secret(SECRET[:size]), (alg,)).keys
        with pytest.raises(SourceError, match=f"shorter than {size} bytes"):
            symmetric_keyset(Secret(SECRET[: size - 1]), (alg,))

    def test_it_serves_no_other_algorithm(self) -> None:
        assert symmetric_keyset(SHARED, ("HS256", "RS256")).keys[0].algorithms == {"HS256"}

    def test_it_needs_an_algorithm_of_its_kind(self) -> None:
        with pytest.raises(SourceError, match="HS256"):
            symmetric_keyset(SHARED, ("RS256", "none"))

    def test_nothing_shows_the_secret_or_its_digest(self) -> None:
        """Security rules 22 and 26."""
        keys = symmetric_keyset(SHARED, ("HS256",))
        assert SECRET.decode() not in repr(keys)
        assert hashlib.sha256(SECRET).digest() not in {keys.keys[0].material, *keys.thumbprints}

    def test_the_same_secret_is_the_same_key(self) -> None:
        one, two = symmetric_keyset(SHARED, ("HS256",)), symmetric_keyset(SHARED, ("HS256",))
        assert one.same_keys(two)
        assert not one.same_keys(symmetric_keyset(Secret(SECRET[::-1]), ("HS256",)))
        assert not one.same_keys(None)


def test_fits() -> None:
    keys: KeySet = parse_jwks(jwks(EC))
    assert keys.fits({"ES256", "RS256"})
    assert not keys.fits({"RS256"})
    assert not keys.fits(frozenset())


def test_unknown_members_are_ignored() -> None:
    document = json.loads(jwks(EC.jwk(x5c=["AAAA"], x5t="x", extra={"a": [1]})))
    assert parse_jwks(json.dumps({**document, "more": 1}).encode()).keys
