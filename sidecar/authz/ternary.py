"""Three-valued logic (Kleene), on sets of outcomes.

An outcome is true, false or unknown. A value here is the *set* of outcomes that are still possible, as bits: what
hinges on a source that was not asked, or that failed, may be any of the three. So one evaluation says both what a
condition is and whether it matters that a source did not answer.
"""

from typing import Final, TypeAlias

Truth: TypeAlias = int
"""One to three of the bits below."""

Table: TypeAlias = tuple[tuple[Truth, ...], ...]

TRUE: Final = 1
FALSE: Final = 2
UNKNOWN: Final = 4
OPEN: Final = TRUE | FALSE | UNKNOWN

_RANK = {FALSE: 0, UNKNOWN: 1, TRUE: 2}
_OUTCOMES = (TRUE, FALSE, UNKNOWN)


def _members(value: Truth) -> list[int]:
    return [one for one in _OUTCOMES if value & one]


def _combined(smaller: bool) -> Table:
    """Table of two operands: the smaller (and), or the greater (or), of every pair that is possible."""
    choose = min if smaller else max
    table = []
    for one in range(OPEN + 1):
        row = []
        for other in range(OPEN + 1):
            result = 0
            for a in _members(one):
                for b in _members(other):
                    result |= choose(a, b, key=_RANK.__getitem__)
            row.append(result)
        table.append(tuple(row))
    return tuple(table)


AND: Final = _combined(smaller=True)
"""``AND[a][b]``."""
OR: Final = _combined(smaller=False)
NOT: Final[tuple[Truth, ...]] = tuple(
    (FALSE if value & TRUE else 0) | (TRUE if value & FALSE else 0) | (value & UNKNOWN) for value in range(OPEN + 1)
)
SETTLED: Final = frozenset(_OUTCOMES)
"""Values with one outcome left."""


def said(value: Truth) -> str:
    """Name a value for people."""
    return {TRUE: "true", FALSE: "false", UNKNOWN: "unknown"}.get(value, "open")
