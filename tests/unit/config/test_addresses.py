"""Addresses and URLs: what is reachable from elsewhere must never look like loopback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.addresses import fault_of_url, is_loopback, parse_listen


@pytest.mark.parametrize("text", ["127.0.0.1:9191", "127.8.8.8:1", "[::1]:9191", "localhost:9191", "unix:///run/s.sock", "127.0.0.1:0"])
def test_loopback(text: str) -> None:
    """Security rule 24."""
    found = parse_listen(text)
    assert found is not None
    assert found.loopback


@pytest.mark.parametrize(
    "text", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1", "localhost.example.com:1", "127.0.0.1.example.com:1"]
)
def test_reachable_from_elsewhere(text: str) -> None:
    """Security rule 24."""
    found = parse_listen(text)
    assert found is not None
    assert not found.loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9191",
        ":9191",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "[::1:9191",
        "[x]:1",
        "::1:9191",
        "unix:run/s",
        "unix:///",
        f"unix:///{'x' * 107}",
    ],
)
def test_no_address(text: str) -> None:
    assert parse_listen(text) is None


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    parse_listen(text)
    is_loopback(text)
    fault_of_url(text, http_allowed=False)


@pytest.mark.parametrize(
    "url", ["https://a.example/x", "https://a.example:8443", "http://127.0.0.1:8080/jwks", "http://localhost/jwks", "http://[::1]/x"]
)
def test_usable_urls(url: str) -> None:
    """Security rule 12."""
    assert fault_of_url(url, http_allowed=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/x",
        "http://127.0.0.1.example/x",
        "ftp://a",
        "https://",
        "https:///x",
        "https://u@a.example",
        "https://a.example/#f",
        "https://a b",
        "https://a:x/",
        "//a",
    ],
)
def test_unusable_urls(url: str) -> None:
    """Security rule 12."""
    assert fault_of_url(url, http_allowed=False) is not None
