"""Decision ids: 16 base32 characters, unique within a process for 2³² decisions and between processes by chance."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LOW_BITS = 10
_LOW = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_HIGH_CHARACTERS = 14


class DecisionIds:
    """48 random bits of the process, then a 32-bit counter; the first 14 characters change every 1,024 ids."""

    __slots__ = ("_count", "_head", "_process")

    def __init__(self, process: bytes) -> None:
        """``process``: 6 random bytes."""
        self._process = int.from_bytes(process[:6], "big")
        self._count = 0
        self._head = self._make_head()

    def next(self) -> str:
        """Return a new id."""
        low = self._count & 0x3FF
        if low == 0:
            self._head = self._make_head()
        self._count += 1
        return self._head + _LOW[low]

    def _make_head(self) -> str:
        bits = (self._process << 22) | ((self._count & 0xFFFFFFFF) >> _LOW_BITS)
        return "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(5 * (_HIGH_CHARACTERS - 1), -1, -5))
