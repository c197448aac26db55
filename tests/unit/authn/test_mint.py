"""Signing for trials: what is made here is what the verifying side accepts, and keys stay out of messages."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sidecar.authn.mint import MintError, new_private_jwk, public_jwks, sign
from tests.support.tables import parse_jwks


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"])
def test_a_token_verifies_with_the_published_half(algorithm: str) -> None:
    private = new_private_jwk(algorithm, "k")
    token = sign(json.dumps(private).encode(), None, {"typ": "at+jwt"}, {"sub": "alice"})
    published = public_jwks(private)
    assert jwt.decode(token, jwt.PyJWK(published["keys"][0]).key, algorithms=[algorithm]) == {"sub": "alice"}
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": "k", "typ": "at+jwt"}
    assert parse_jwks(json.dumps(published).encode()).knows("k")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_the_published_half_holds_nothing_private(algorithm: str) -> None:
    """Security rule 22."""
    private = new_private_jwk(algorithm, "k")
    assert private["d"] not in json.dumps(public_jwks(private))


def test_a_pem_key_signs_where_the_algorithm_is_said() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    token = sign(pem, "ES256", {"kid": "p", "typ": ""}, {})
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "p"}
    with pytest.raises(MintError, match="say the algorithm"):
        sign(pem, None, {}, {})


def test_a_shared_secret_signs_without_its_newline() -> None:
    token = sign(b"s" * 32 + b"\n", "HS256", {}, {"sub": "a"})
    assert jwt.decode(token, b"s" * 32, algorithms=["HS256"]) == {"sub": "a"}


@pytest.mark.parametrize("material", [b"", b"a secret", b'"text"', b"{}", b'{"kty": "EC", "d": "a secret"}', b"-----BEGIN a secret"])
def test_what_is_no_key_is_refused_without_a_word_of_it(material: bytes) -> None:
    """Security rule 22."""
    with pytest.raises(MintError) as caught:
        sign(material, "ES256", {}, {})
    assert "secret" not in str(caught.value)


def test_a_key_of_another_kind_is_refused() -> None:
    private = json.dumps(new_private_jwk("ES256", "k")).encode()
    for algorithm in ("RS256", "none", "nonsense"):
        with pytest.raises(MintError):
            sign(private, algorithm, {}, {})
    with pytest.raises(MintError, match="HS256"):
        new_private_jwk("HS256", "k")
    with pytest.raises(MintError, match="cannot sign"):
        sign(json.dumps(public_jwks(json.loads(private))["keys"][0]).encode(), None, {}, {})
