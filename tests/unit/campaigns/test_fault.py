"""The table that the fault matrix leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from campaigns import fault, report


def line(test: str = "test_row_08_rotation[native]", **changes: Any) -> dict[str, Any]:
    full = {"row": 8, "fault": "rotation", "expected": "allow", "front": "native", "measured": "0 denied", "why": ""}
    return {"test": test, "verdict": "passed", **full, "wrongly_allowed": 0, "rss_mb": 60.5, "lag_p99_ms": 1.5, **changes}


def test_a_line_becomes_a_row() -> None:
    assert fault.table([line()]) == [[8, "rotation", "allow", "native", "0 denied", 0, 60.5, 1.5, "passed"]]


def test_a_test_that_broke_before_it_had_figures_is_a_row_too() -> None:
    broken = {"test": "test_row_13_leap[grpcio]", "verdict": "failed", "why": "assert 1 == 2"}
    assert fault.table([broken]) == [[13, "test_row_13_leap[grpcio]", "-", "grpcio", "assert 1 == 2", "-", "-", "-", "failed"]]


def test_a_test_without_figures_is_a_row_only_when_it_failed() -> None:
    assert fault.table([{"test": "test_row_13_remembered[iat]", "verdict": "passed", "why": ""}]) == []


def test_rows_stand_in_the_order_of_their_numbers() -> None:
    rows = fault.table([line(row=24), line(row=8, front="native"), line(row=8, front="grpcio")])
    assert [(row[0], row[3]) for row in rows] == [(8, "grpcio"), (8, "native"), (24, "native")]


def test_rows_that_are_run_again_replace_theirs_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert fault.kept([8]) == []
    (tmp_path / "fault.json").write_text(json.dumps({"rows": fault.table([line(), line(row=9)])}))
    assert [row[0] for row in fault.kept([8])] == [9]
    assert fault.kept([]) == []


def test_totals() -> None:
    assert fault.totals(fault.table([line(), line(row=9, wrongly_allowed=None, rss_mb=None, lag_p99_ms=9.0, verdict="failed")])) == {
        "rows": 2, "tests": 2, "failed": 1, "wrongly allowed": 0, "most memory (MB)": 60.5, "worst loop lag p99 (ms)": 9.0,
    }  # fmt: skip
