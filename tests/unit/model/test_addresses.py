"""Addresses: what is reachable from elsewhere must never look like loopback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.addresses import is_address, is_loopback, parse_listen


@pytest.mark.parametrize(
    "text", ["127.0.0.1:9191", "127.8.8.8:1", "[::1]:9191", "localhost:9191", "LOCALHOST:1", "unix:///run/s.sock", "127.0.0.1:0"]
)
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
        "127.0.0.1:-1",
        "h:\u0661",
        "unix:run/s",
        "unix:/run/s",
        "unix://run/s",
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


@pytest.mark.parametrize("host", ["[::1]", "localhost.", "127.1", "2130706433", "0.0.0.0", "::", "::ffff:10.0.0.1", ""])
def test_what_is_not_surely_loopback_is_none(host: str) -> None:
    """Security rule 24."""
    assert not is_loopback(host)


def test_addresses_and_names() -> None:
    assert is_address("10.0.0.1")
    assert is_address("::1")
    assert not is_address("10.0.0.1.example")
    assert not is_address("[::1]")
