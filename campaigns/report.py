"""What a campaign found, on the terminal and as JSON for docs/reliability.md."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write(
    name: str, title: str, command: str, columns: Sequence[str], rows: Sequence[Sequence[object]], facts: Mapping[str, object]
) -> None:
    """Print the table and leave everything in ``results/NAME.json``.

    ``title``: a heading; ``command``: what was run; ``facts``: what belongs to the whole run (date, commit, seconds, totals).
    """
    show(columns, rows, facts)
    RESULTS.mkdir(exist_ok=True)
    report = {"title": title, "command": command, "facts": dict(facts), "columns": list(columns), "rows": [list(row) for row in rows]}
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")


def show(columns: Sequence[str], rows: Sequence[Sequence[object]], facts: Mapping[str, object]) -> None:
    """Print the table, and the facts under it."""
    texts = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(columns))]
    for row in texts:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    for fact, value in facts.items():
        sys.stdout.write(f"{fact}: {value}\n")
