"""A secret in memory: hidden wherever a value is shown by accident (security rules 22 and 26)."""

import hmac
from typing import NoReturn


class Secret:
    """Secret bytes that only :meth:`reveal` shows.

    Equality takes constant time for equal lengths. It is unhashable, so that it can't become a dict key or a
    cache key, and can't be pickled, so that it never leaves this process.
    """

    __slots__ = ("_value",)

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: bytes) -> None:
        """Hold ``value``."""
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes; call it only where they are used."""
        return self._value

    def __len__(self) -> int:
        """Bytes; an empty secret is false, too."""
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")
