"""What a phase found out. "They lied" and "we could not ask" are different types all the way (fail closed)."""

from typing import NamedTuple

from .reason import Reason


class Rejected(NamedTuple):
    """A verdict against the caller: ``detail`` is for the record, never for the client, and holds no secret."""

    reason: Reason
    detail: str


class Undetermined(NamedTuple):
    """We could not find out: a 503, never a 401."""

    reason: Reason
    detail: str
