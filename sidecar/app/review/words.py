"""Values of settings as text."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Set as AbstractSet


def plain(value: object) -> object:
    """Return settings as nested plain values, without the places where they were written."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.name != "where"}
        return {"": type(value).__name__, **fields}
    return value


def text_of(value: object) -> str:
    """Write a value for people; nothing at all: an empty text."""
    if value is None:
        return ""
    if isinstance(value, AbstractSet):
        return ", ".join(sorted(map(text_of, value)))
    if isinstance(value, tuple | list):
        return ", ".join(".".join(one) if isinstance(one, tuple) else text_of(one) for one in value)
    if isinstance(value, Mapping):
        kind = value.get("")
        inner = ", ".join(f"{name} {text_of(one)}" for name, one in value.items() if name and one not in (None, "", (), frozenset()))
        return f"{kind} ({inner})" if kind and inner else str(kind or inner)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
