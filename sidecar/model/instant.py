"""The two times of a check, read once and passed down."""

from typing import NamedTuple


class Instant(NamedTuple):
    """``wall``: seconds since the epoch, for claims. ``mono``: monotonic seconds, for ages and deadlines."""

    wall: float
    mono: float
