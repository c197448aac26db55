"""JSON that can be read in one way only (RFC 8259 leaves members given twice, and Python takes NaN for a number)."""

import json
from typing import Any, NoReturn

from .principal import JsonValue


def read_json(text: str | bytes) -> JsonValue:
    """Read a document. Raises ValueError, RecursionError."""
    value: JsonValue = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member given twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
