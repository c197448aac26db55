"""URLs: what is reachable from elsewhere must never look like loopback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.addresses import fault_of_url


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
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
