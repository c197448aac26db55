"""Values of a configuration as YAML for people: maps in blocks, what is short on one line."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

WIDTH: Final = 120
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_READABLE = re.compile(r"[\x20-\x7e]*")


def scalar(value: str | bool | int) -> str:
    """One value: plain where nobody could read it otherwise, in single quotes where it has backslashes."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if "\\" in value and _READABLE.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    return '"' + "".join(map(_quoted, value)) + '"'


def _quoted(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def block(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    """A map, one key a line, at ``indent`` spaces."""
    for key, one in value.items():
        yield from _entry(f"{' ' * indent}{scalar(key)}:", one, indent + 2)


def _entry(start: str, value: Any, indent: int) -> Iterator[str]:
    line = f"{start} {flow(value)}"
    if not isinstance(value, Mapping | list | tuple) or not value or (len(line) <= WIDTH and not _deep(value)):
        yield line
    elif isinstance(value, Mapping):
        yield start
        yield from block(value, indent)
    else:
        yield start
        for one in value:
            yield from _item(one, indent)


def _item(value: Any, indent: int) -> Iterator[str]:
    lead = f"{' ' * indent}- "
    if isinstance(value, Mapping) and (_deep(value) or len(lead + flow(value)) > WIDTH or len(value) == 1):
        lines = list(block(value, indent + 2))
        yield lead + lines[0].lstrip()
        yield from lines[1:]
    else:
        yield lead + flow(value)


def _deep(value: Mapping[str, Any] | Sequence[Any]) -> bool:
    """Whether more than one level of maps is in it."""
    inner = value.values() if isinstance(value, Mapping) else value
    return any(isinstance(one, Mapping | list | tuple) and (isinstance(one, Mapping) or _deep(one)) for one in inner)
