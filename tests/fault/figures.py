"""What a row measured, as one JSON line for each test in the file that ``SIDECAR_FAULT_FIGURES`` names (none: nothing is written)."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "SIDECAR_FAULT_FIGURES"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row on one front. ``rss_mb``: highest resident memory in 10^6 bytes; ``lag_p99_ms``: of the event loop; None: not measured."""

    row: int
    fault: str
    expected: str
    front: str
    measured: str
    wrongly_allowed: int | None
    rss_mb: float | None
    lag_p99_ms: float | None


def measuring() -> bool:
    """Whether figures are collected, so that the machine has been left to the rows alone."""
    return bool(os.environ.get(FILE))


def write(figure: Figure | None, test: str, verdict: str, why: str = "") -> None:
    """Append the line of one finished test; a test that broke before it had figures is a line, too. ``why`` it failed, in a few words."""
    if measuring():
        line: Mapping[str, object] = {"test": test, "verdict": verdict, "why": why, **({} if figure is None else asdict(figure))}
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
