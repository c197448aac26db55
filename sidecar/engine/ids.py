"""Decision ids: 16 base32 characters, unique within a process for 2³² decisions and between processes by chance."""

from collections.abc import Iterator
from itertools import count

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LOW_BITS = 10
_LOW = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_HIGH_CHARACTERS = 14


class DecisionIds:
    """48 random bits of the process, then a 32-bit counter; the first 14 characters change every 1,024 ids."""

    __slots__ = ("next",)

    def __init__(self, process: bytes) -> None:
        """``process``: 6 random bytes."""
        self.next = _count(int.from_bytes(process[:6], "big")).__next__
        """Return a new id."""


def _count(process: int) -> Iterator[str]:
    for high in count():
        bits = (process << (32 - _LOW_BITS)) | (high & ((1 << (32 - _LOW_BITS)) - 1))
        head = "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(5 * (_HIGH_CHARACTERS - 1), -1, -5))
        for low in _LOW:
            yield head + low
