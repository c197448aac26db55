"""Decision ids: 16 base32 characters, unique within a process for 2³² decisions and between processes by chance."""

from collections.abc import Iterator
from itertools import count

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LOW_BITS = 10
_LOW = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_HIGH_CHARACTERS = 14


class DecisionIds:
    """48 random bits of the process, then a 32-bit counter; the first 14 characters change every 1,024 ids.

    Not a generator: whatever is raised in one (no memory, say) ends it for good, and would end every later check with it.
    """

    __slots__ = ("_head", "_highs", "_lows", "_process")

    def __init__(self, process: bytes) -> None:
        """``process``: 6 random bytes."""
        self._process = int.from_bytes(process[:6], "big")
        self._highs = count()
        self._head = ""
        self._lows: Iterator[str] = iter(())

    def next(self) -> str:
        """Return a new id."""
        for low in self._lows:
            return self._head + low
        self._head = self._head_of(next(self._highs))
        self._lows = iter(_LOW)
        return self._head + next(self._lows)

    def _head_of(self, high: int) -> str:
        bits = (self._process << (32 - _LOW_BITS)) | (high & ((1 << (32 - _LOW_BITS)) - 1))
        return "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(5 * (_HIGH_CHARACTERS - 1), -1, -5))
