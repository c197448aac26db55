"""Security rule 12: where keys may come from."""

import json

import pytest

from sidecar.authn.discovery import check_url, discovery_url, read_discovery
from sidecar.model.errors import SourceError
from tests.support.tokens import ISSUER

JWKS = "https://idp.example.com/jwks.json"


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://idp.example.com", "https://idp.example.com/.well-known/openid-configuration"),
        ("https://idp.example.com/", "https://idp.example.com/.well-known/openid-configuration"),
        ("https://idp.example.com/realms/a", "https://idp.example.com/realms/a/.well-known/openid-configuration"),
    ],
)
def test_address(issuer: str, url: str) -> None:
    assert discovery_url(issuer) == url


def document(**changes: object) -> bytes:
    return json.dumps({"issuer": ISSUER, "jwks_uri": JWKS} | changes).encode()


def test_good() -> None:
    assert read_discovery(document(), ISSUER, unsafe_http=False) == JWKS


@pytest.mark.parametrize("issuer", [ISSUER + "/", ISSUER.upper(), "https://evil.example", None, [ISSUER], 1])
def test_the_issuer_is_exactly_the_configured_one(issuer: object) -> None:
    with pytest.raises(SourceError, match="another issuer"):
        read_discovery(document(issuer=issuer), ISSUER, unsafe_http=False)


@pytest.mark.parametrize("url", [None, 1, [JWKS], ""])
def test_without_jwks_uri(url: object) -> None:
    with pytest.raises(SourceError):
        read_discovery(document(jwks_uri=url), ISSUER, unsafe_http=False)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff", b'{"issuer":"a","issuer":"b"}', b"[" * 1000])
def test_not_a_document(body: bytes) -> None:
    with pytest.raises(SourceError):
        read_discovery(body, ISSUER, unsafe_http=False)


def test_a_document_cannot_lead_to_plain_http() -> None:
    with pytest.raises(SourceError, match="https only"):
        read_discovery(document(jwks_uri="http://idp.example.com/jwks"), ISSUER, unsafe_http=False)
    assert read_discovery(document(jwks_uri="http://idp.example.com/jwks"), ISSUER, unsafe_http=True)


@pytest.mark.parametrize(
    "url", ["https://idp.example.com/a?b=c", "http://127.0.0.1:8080/jwks", "http://127.1.2.3/", "http://[::1]:80/", "http://localhost/x"]
)
def test_acceptable(url: str) -> None:
    check_url(url, unsafe_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/jwks",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "//idp.example.com/",
        "idp.example.com",
        "https://",
        "https:///jwks",
        "https://[::1",
        "https://user:secret@idp.example.com/",
        "https://user@idp.example.com/",
        "https://idp.example.com/a b",
        "https://idp.example.com/\n",
        "https://idp.example.com/\u00fc",
        " https://idp.example.com/",
    ],
)
def test_not_acceptable(url: str) -> None:
    with pytest.raises(SourceError) as error:
        check_url(url, unsafe_http=False)
    assert "secret" not in str(error.value)


def test_unsafe_http_opens_http_and_nothing_else() -> None:
    check_url("http://idp.example.com/jwks", unsafe_http=True)
    with pytest.raises(SourceError):
        check_url("ftp://idp.example.com/jwks", unsafe_http=True)
