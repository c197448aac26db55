"""Spans and moments as people write them."""

import pytest

from sidecar.app.spans import BadSpan, in_words, rfc3339, seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("90d", 7_776_000), ("2w", 1_209_600), ("-1m", -60)]
)
def test_spans_are_read(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "90", "d", "1.5h", "1 h", "1h30m", "+1h", "٣d", "1h\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadSpan, match="for example 90d"):
        seconds(text)


def test_moments_are_written_in_utc() -> None:
    assert rfc3339(1_800_000_000.9) == "2027-01-15T08:00:00Z"
    assert in_words(1_800_000_000, 1_800_000_303) == "2027-01-15T08:00:00Z (5m 3s ago)"
    assert in_words(1_800_000_000, 1_799_900_000) == "2027-01-15T08:00:00Z (in 1d 3h)"
    assert in_words(1_800_000_000, 1_800_000_000) == "2027-01-15T08:00:00Z (in 0s)"
