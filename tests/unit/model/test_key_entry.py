"""Security rule 13: a key file holds digests, in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.key_entry import Digest, KeyEntry, parse_digest

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (f"sha256:{HEX}", Digest(None, bytes.fromhex(HEX))),
        (f"hmac-sha256:2026-1:{HEX}", Digest("2026-1", bytes.fromhex(HEX))),
        (f"hmac-sha256:sha256:{HEX}", Digest("sha256", bytes.fromhex(HEX))),
    ],
)
def test_good(text: str, digest: Digest) -> None:
    assert parse_digest(text) == digest
    assert str(digest) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"SHA256:{HEX}",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256: {HEX}",
        f"sha256:{HEX}\n",
        f"sha256::{HEX}",
        f"sha256:x:{HEX}",
        f"hmac-sha256:{HEX}",
        f"hmac-sha256::{HEX}",
        f"hmac-sha256:a:b:{HEX}",
        f"sha512:{HEX}",
        f"md5:{HEX}",
        "sk_live_canary",
    ],
)
def test_bad(text: str) -> None:
    with pytest.raises(ValueError, match=r"hex|HEX") as error:
        parse_digest(text)
    assert "canary" not in str(error.value)


@given(st.text(max_size=100))
def test_what_is_read_is_written_the_same(text: str) -> None:
    try:
        digest = parse_digest(text)
    except ValueError:
        return
    assert str(digest) == text


def test_live() -> None:
    digest = parse_digest(f"sha256:{HEX}")
    assert KeyEntry(id="a", digest=digest).live(1e12)
    assert KeyEntry(id="a", digest=digest, not_before=10.0, expires_at=20.0).live(5.0)
    assert not KeyEntry(id="a", digest=digest, expires_at=20.0).live(20.0)
    assert not KeyEntry(id="a", digest=digest, revoked=True).live(0.0)
