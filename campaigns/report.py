"""What a campaign found, on the terminal and as JSON for docs/reliability.md."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def facts(began: float, **totals: object) -> dict[str, object]:
    """What belongs to the whole run: ``totals``, the seconds since ``began`` (monotonic), the date, the commit (``-dirty``: and more)."""
    return {**totals, "seconds": round(time.monotonic() - began), "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": _commit()}


def _commit() -> str:
    done = _git("rev-parse", "--short", "HEAD")
    changed = _git("diff", "--quiet", "HEAD", "--", ".", ":!campaigns/results", ":!docs").returncode
    return done.stdout.strip() + ("-dirty" if changed else "") if done.returncode == 0 else "unknown"


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def write(
    name: str,
    title: str,
    command: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    facts: Mapping[str, object],
    *,
    keep: bool,
) -> None:
    """Print the table, and the facts under it; ``keep``: leave everything in ``results/NAME.json``, too.

    ``title``: a heading; ``command``: what was run; ``keep`` only a whole run.
    """
    texts = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(columns))]
    for row in texts:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    for fact, value in facts.items():
        sys.stdout.write(f"{fact}: {value}\n")
    if keep:
        RESULTS.mkdir(exist_ok=True)
        report = {"title": title, "command": command, "facts": dict(facts), "columns": list(columns), "rows": [list(row) for row in rows]}
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
