"""The JOSE Cookbook (RFC 7520, and its siblings for RFC 7797 and RFC 8037; Unlicense). Security rules 1, 3, 4 and 11."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sidecar.authn.jose import parse_jws, parse_token
from sidecar.model.errors import SourceError
from sidecar.model.outcome import Rejected
from tests.support.tables import parse_jwks
from tests.support.vectors import ACCEPTED, VECTORS, load, outcome

BOOK = "ietf-jose-cookbook"
SIZE = 100_000

ENCRYPTED = "parse: five parts: encrypted tokens are not accepted"
DETACHED = "parse: an empty part"
UNENCODED = "parse: not canonical base64url"  # its payload stands there as it is (RFC 7797)
JSON_FORM = "JSON serialisation: a credential is compact"

COMPACT = {
    "jws/4_1.rsa_v15_signature.json": ACCEPTED,
    "jws/4_2.rsa-pss_signature.json": ACCEPTED,
    "jws/4_3.ecdsa_signature.json": ACCEPTED,
    "jws/4_4.hmac-sha2_integrity_protection.json": ACCEPTED,
    "jws/4_5.signature_with_detached_content.json": DETACHED,
    "curve25519/jws.json": ACCEPTED,
    "rfc7797/hmac-sha2_b64_false.json": UNENCODED,
    "curve25519/ecdh-es.json": ENCRYPTED,
    "jwe/5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json": ENCRYPTED,
    "jwe/5_2.key_encryption_using_rsa-oaep_with_aes-gcm.json": ENCRYPTED,
    "jwe/5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json": ENCRYPTED,
    "jwe/5_4.key_agreement_with_key_wrapping_using_ecdh-es_and_aes-keywrap_with_aes-gcm.json": ENCRYPTED,
    "jwe/5_5.key_agreement_using_ecdh-es_with_aes-cbc-hmac-sha2.json": ENCRYPTED,
    "jwe/5_6.direct_encryption_using_aes-gcm.json": ENCRYPTED,
    "jwe/5_7.key_wrap_using_aes-gcm_keywrap_with_aes-cbc-hmac-sha2.json": ENCRYPTED,
    "jwe/5_8.key_wrap_using_aes-keywrap_with_aes-gcm.json": ENCRYPTED,
    "jwe/5_9.compressed_content.json": ENCRYPTED,
}
JSON_ONLY = {
    "jwe/5_10.including_additional_authentication_data.json",
    "jwe/5_11.protecting_specific_header_fields.json",
    "jwe/5_12.protecting_content_only.json",
    "jwe/5_13.encrypting_to_multiple_recipients.json",
    "jws/4_6.protecting_specific_header_fields.json",
    "jws/4_7.protecting_content_only.json",
    "jws/4_8.multiple_signatures.json",
    "rfc7797/4.2.hmac-sha2_b64_false.json",
}
JWKS = {
    "jwk/3_1.ec_public_key.json": "",
    "jwk/3_3.rsa_public_key.json": "",
    "jwk/3_2.ec_private_key.json": "a private key in a published key set",
    "jwk/3_4.rsa_private_key.json": "a private key in a published key set",
    "jwk/3_5.symmetric_key_mac_computation.json": "a symmetric key in a published key set",
    "jwk/3_6.symmetric_key_encryption.json": "a symmetric key in a published key set",
}
NESTED = "6.nesting_signatures_and_encryption.json"
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}


def public(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in _PRIVATE or jwk["kty"] == "oct"}


def keys_of(book: dict[str, Any]) -> list[dict[str, Any]]:
    key = book["input"].get("key")
    return [public(key)] if isinstance(key, dict) else []


@pytest.mark.parametrize(("name", "expected"), COMPACT.items(), ids=COMPACT)
def test_compact(name: str, expected: str) -> None:
    book = load(f"{BOOK}/{name}")
    raw = book["output"]["compact"]
    if expected in {ACCEPTED, DETACHED, UNENCODED}:
        assert outcome(raw, keys_of(book)) == expected
    else:
        jws = parse_jws(raw, SIZE)
        assert isinstance(jws, Rejected)
        assert f"parse: {jws.detail}" == expected


@pytest.mark.parametrize("name", sorted(COMPACT.keys() | JSON_ONLY))
def test_json_serialisations_are_no_credentials(name: str) -> None:
    output = load(f"{BOOK}/{name}")["output"]
    forms = [form for form in ("json", "json_flat") if form in output]
    assert forms
    for form in forms:
        assert isinstance(parse_jws(json.dumps(output[form]), SIZE), Rejected)


@pytest.mark.parametrize(("name", "reason"), JWKS.items(), ids=JWKS)
def test_keys(name: str, reason: str) -> None:
    document = json.dumps({"keys": [load(f"{BOOK}/{name}")]}).encode()
    if not reason:
        assert len(parse_jwks(document).keys) == 1
        return
    with pytest.raises(SourceError, match=reason):
        parse_jwks(document)


def test_a_nested_token_is_refused_and_its_inside_verified() -> None:
    book = load(f"{BOOK}/{NESTED}")
    refused = parse_token(book["encrypt"]["output"]["compact"], SIZE)
    assert isinstance(refused, Rejected)
    assert f"parse: {refused.detail}" == ENCRYPTED
    assert outcome(book["sign"]["output"]["compact"], [public(book["sign"]["input"]["key"])]) == ACCEPTED


def test_a_changed_signature_is_refused() -> None:
    for name, expected in COMPACT.items():
        if expected == ACCEPTED:
            book = load(f"{BOOK}/{name}")
            head, _, tail = book["output"]["compact"].rpartition(".")
            assert outcome(f"{head}.{'B' if tail[0] == 'A' else 'A'}{tail[1:]}", keys_of(book)) == "the signature does not hold"


def test_every_vector_is_accounted_for() -> None:
    root: Path = VECTORS / BOOK
    files = {str(path.relative_to(root)) for path in root.rglob("*.json")}
    assert files == COMPACT.keys() | JSON_ONLY | JWKS.keys() | {NESTED}
    assert Counter(COMPACT.values()) == {ACCEPTED: 5, DETACHED: 1, UNENCODED: 1, ENCRYPTED: 10}
    assert len(JSON_ONLY) == 8, JSON_FORM
    assert Counter(JWKS.values()) == {"": 2, "a private key in a published key set": 2, "a symmetric key in a published key set": 2}
