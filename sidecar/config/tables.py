"""The file of an attribute source: bytes to entries, or what is wrong with it. Read in the validator child, as key files are."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

from sidecar.model.errors import Problem, Where
from sidecar.model.principal import JsonValue

from .marks import shown

MAX_TABLE = 8 * 1024 * 1024
"""Bytes."""
MAX_ENTRIES = 100_000
MAX_PROBLEMS = 20

Entries = tuple[tuple[str, JsonValue], ...]


class _Bad(ValueError):
    """``line`` and what is wrong there."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read_table(file: str, data: bytes, form: Literal["json", "csv"]) -> tuple[Entries, tuple[Problem, ...]]:
    """Read a table; return its entries and what is wrong with it. One fault spoils all of it: half a table is another table."""
    try:
        text = data.decode("utf-8-sig")
        entries = tuple(_json(text) if form == "json" else _csv(text))
    except _Bad as error:
        return (), (Problem(Where(file, error.line, ""), str(error)),)
    except UnicodeDecodeError as error:
        return (), (Problem(Where(file, data.count(b"\n", 0, error.start) + 1, ""), "is not UTF-8", "save the file as UTF-8"),)
    if len(entries) > MAX_ENTRIES:
        return (), (Problem(Where(file, 1, ""), f"has more than {MAX_ENTRIES} entries", "use an http source"),)
    return entries, ()


def _json(text: str) -> Iterator[tuple[str, JsonValue]]:
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _Bad(error.lineno, f"is not JSON: {error.msg}") from None
    except RecursionError:
        raise _Bad(1, "is nested too deep") from None
    except _Bad:
        raise
    except ValueError:  # a number with thousands of digits
        raise _Bad(1, "has a number that is too long") from None
    if not isinstance(value, dict):
        raise _Bad(1, "is not a JSON object: key to value")
    return iter(value.items())


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Bad(1, f"has the member {shown(twice)!r} twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise _Bad(1, f"has {name}, which is no JSON")


def _csv(text: str) -> Iterator[tuple[str, JsonValue]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(rows, [])
        if len(columns) < 2 or "" in columns or len(set(columns)) != len(columns):  # noqa: PLR2004 - a key and a value
            raise _Bad(1, "needs a first line with the names of its columns: the key's, and at least one more, each once")
        seen: set[str] = set()
        for row in rows:
            if not row:
                continue
            if len(row) != len(columns):
                raise _Bad(rows.line_num, f"has {len(row)} fields, and there are {len(columns)} columns")
            if not row[0] or row[0] in seen:
                raise _Bad(rows.line_num, "has no key" if not row[0] else f"has the key {shown(row[0])!r} again")
            seen.add(row[0])
            yield row[0], _row(columns, row)
    except csv.Error as error:
        raise _Bad(rows.line_num, f"is not CSV: {error}") from None


def _row(columns: list[str], row: list[str]) -> JsonValue:
    """The value of a row; an empty field is missing."""
    if len(columns) == 2:  # noqa: PLR2004 - a key and a value
        return row[1] or None
    return {name: value for name, value in zip(columns[1:], row[1:], strict=True) if value}
