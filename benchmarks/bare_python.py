"""How fast Python itself is at the moment: the same commit took 18 and 46 µs a decision on one shared machine within a day.

A bare signature check does not tell: it lives in few cache lines, and took 24 and 28 µs meanwhile.
"""

import random
import time
from collections.abc import Mapping
from typing import NamedTuple

from .targets import Figure

NAME = "bare-python"
ROWS = 2000
"""More than fits the caches next to the processor, as a sidecar's tables are."""

QUIET = 3.0
"""µs of a row while a decision took 20 on the machine of the committed figures (18 in those)."""


class Row(NamedTuple):
    """Something to look up and to make texts of."""

    name: str
    path: str
    headers: Mapping[str, str]


class BarePython:
    """Look-ups, small objects and texts over a table in no order: what a decision is made of, and never changed with it."""

    def __init__(self) -> None:
        self._rows = [Row(f"user-{n:05}", f"api/v1/posts-{n % 100}", {f"x-h-{k}": f"v{n}-{k}" for k in range(8)}) for n in range(ROWS)]
        random.Random(1).shuffle(self._rows)
        self._table = {row.name: row for row in self._rows}

    def __call__(self) -> float:
        """CPU time in µs of one row, over all of them."""
        begin = time.thread_time_ns()
        made = [_work(self._table, row.name) for row in self._rows]
        return (time.thread_time_ns() - begin) / len(made) / 1000


def _work(table: Mapping[str, Row], name: str) -> tuple[object, ...]:
    found = table[name]
    headers = found.headers
    lines = tuple([f"{key}: {value}" for key, value in headers.items() if key.startswith("x-")])
    return found.name, lines, found.path.partition("/")[2].split("/"), headers.get("x-h-3", "").lower().encode()


def python_slowness(figures: Mapping[str, Figure]) -> float:
    """How much slower Python is than on the machine of the targets when nobody else was on it; 1 where it was not measured."""
    return figures[NAME].value / QUIET if NAME in figures else 1.0
