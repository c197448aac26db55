"""Work written in slices, as a generator that yields between them and returns its result."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def to_end(steps: Generator[None, None, T]) -> T:
    """Do all of it at once; for the start, and for tools. Raises what the work raises."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
