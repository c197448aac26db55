"""How long a run may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """``rounds`` of ``seconds`` for each server; ``passes`` over the corpus in process; ``starts`` of the whole sidecar."""

    short: bool
    rounds: int
    seconds: float
    warmup: float
    passes: int
    tokens: int
    starts: int


FULL = Effort(short=False, rounds=10, seconds=1.0, warmup=1.0, passes=60, tokens=2_000, starts=5)
GUARD = Effort(short=True, rounds=5, seconds=0.6, warmup=0.6, passes=15, tokens=400, starts=2)
