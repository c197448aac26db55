"""What a plain YAML scalar means: the YAML 1.2 core schema, and a number with a leading zero is text.

``no``, ``17:00``, ``0123``, ``1_000`` and ``2026-01-01`` are text; only true and false are booleans.
"""

import re
from typing import Final

from .marks import NULL, Nothing

_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_BASED = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,20}|(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,20})?)(?:[eE][-+]?[0-9]{1,3})?")
_MAYBE_SPECIAL = frozenset("+-.0123456789tTfFnN~")


def resolve(text: str) -> str | bool | int | float | Nothing:
    """Return the value of an unquoted scalar. Infinity and NaN stay text: no setting means them."""
    if not text:
        return NULL
    if text[0] not in _MAYBE_SPECIAL:
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NULLS:
        return NULL
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if abs(value) != float("inf") else text
    return text
