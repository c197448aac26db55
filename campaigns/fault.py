"""The fault matrix: run the rows of ``tests/fault`` and make the table of what they measured.

``python -m campaigns.fault [--share N] [ROW …]``: all rows, or those named, whose lines then replace those in the report; ``--share N``
takes every N-th test and leaves no report.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tests.fault.figures import FILE

from . import report
from .report import ROOT

Line: TypeAlias = Mapping[str, Any]

TESTS = "tests/fault"
COLUMNS = ("row", "fault", "expected", "front", "measured", "wrongly allowed", "RSS MB", "lag p99 ms", "verdict")
_NUMBER = re.compile(r"test_row_(\d+)_")


def collected(rows: Sequence[int]) -> list[str]:
    """The ids of the tests of these rows (none: of all), in the order of the rows."""
    command = [sys.executable, "-m", "pytest", TESTS, "-m", "fault", "--collect-only", "-q", "-n0", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found = [(int(number[1]), line) for line in done.stdout.splitlines() if (number := _NUMBER.search(line))]
    missing = set(rows) - {number for number, _ in found}
    if missing:
        raise SystemExit(f"no test for row {', '.join(map(str, sorted(missing)))}")
    return [test for number, test in sorted(found, key=lambda pair: pair[0]) if not rows or number in rows]


def run(tests: Sequence[str]) -> tuple[int, list[Line]]:
    """Run them one after the other; return pytest's exit code and their lines, also for tests that did not end."""
    with tempfile.TemporaryDirectory(prefix="sidecar-fault-") as folder:
        file = Path(folder) / "figures.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "fault", "-n0", "-p", "no:randomly", *tests]
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, FILE: str(file)}, check=False).returncode
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    left = [json.loads(line) for line in lines]
    reached = {line["test"] for line in left}
    missing = [name for test in tests if (name := test.rpartition("::")[2]) not in reached]
    return code or int(bool(missing)), left + [{"test": name, "verdict": "failed", "why": "it did not end"} for name in missing]


def table(lines: Iterable[Line]) -> list[list[object]]:
    """One line for each test with figures, and for each that failed."""
    return in_order(_cells(line) for line in lines if "row" in line or line["verdict"] != "passed")


def in_order(cells: Iterable[list[object]]) -> list[list[object]]:
    """By row, fault and front."""
    return sorted(cells, key=lambda row: (int(str(row[0])), str(row[1]), str(row[3])))


def _cells(line: Line) -> list[object]:
    number = _NUMBER.search(line["test"])
    row = line.get("row", int(number[1]) if number else 0)
    numbers = ["-" if line.get(name) is None else line[name] for name in ("wrongly_allowed", "rss_mb", "lag_p99_ms")]
    words = [line.get("expected", "-"), line.get("front") or _front(line["test"]), line.get("measured") or line.get("why") or "-"]
    return [row, line.get("fault", line["test"]), *words, *numbers, line["verdict"]]


def _front(test: str) -> str:
    found = re.search(r"native|grpcio", test.partition("[")[2])
    return found[0] if found else "-"


def kept(rows: Sequence[int]) -> list[list[object]]:
    """What the report has of other rows; nothing when all were run."""
    file = report.RESULTS / "fault.json"
    if not rows or not file.exists():
        return []
    return [cells for cells in json.loads(file.read_text(encoding="utf-8"))["rows"] if cells[0] not in rows]


def totals(cells: Sequence[Sequence[object]]) -> dict[str, object]:
    """Totals of the table."""

    def worst(column: int) -> object:
        return max((value for row in cells if isinstance(value := row[column], int | float)), default="-")

    return {
        "rows": len({row[0] for row in cells}),
        "tests": len(cells),
        "failed": sum(row[8] == "failed" for row in cells),
        "wrongly allowed": sum(row[5] for row in cells if isinstance(row[5], int)),
        "most memory (MB)": worst(6),
        "worst loop lag p99 (ms)": worst(7),
    }


def main() -> int:
    """Run; return 0 when every row held."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.fault", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="rows of the matrix; none: all")
    parser.add_argument("--share", type=int, default=1, metavar="N", help="run every N-th test only, and leave no report")
    options = parser.parse_args()
    if options.share < 1:
        parser.error("--share: a number from 1")
    began = time.monotonic()
    tests = collected(options.rows)[:: options.share]
    code, lines = run(tests)
    whole = options.share == 1
    cells = in_order([*(kept(options.rows) if whole else ()), *table(lines)])
    report.write("fault", "Faults", "make fault", COLUMNS, cells, report.facts(began, **totals(cells)), keep=whole)
    return code


if __name__ == "__main__":
    sys.exit(main())
