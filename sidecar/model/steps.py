"""Work written in slices, as a generator that yields between them and returns its result."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.001
"""Seconds of sleep after a slice beside a serving process. A busy second thread stalls the deciding one by whole switch intervals of
the interpreter (5 ms); a sleep of zero does not help, since it gives nothing up."""


def to_end(steps: Generator[None, None, T]) -> T:
    """Do all of it at once; for the start, and for tools. Raises what the work raises."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
