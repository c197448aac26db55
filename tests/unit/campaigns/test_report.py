"""What a campaign leaves."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from campaigns import report


def test_a_whole_run_is_printed_and_kept_a_part_of_one_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    for keep in (False, True):
        report.write("x", "X", "make x", ("what", "n"), [("first", 1), ("second", 20)], {"seed": 7}, keep=keep)
        assert capsys.readouterr().out == "what    n\nfirst   1\nsecond  20\nseed: 7\n"
        assert (tmp_path / "x.json").exists() is keep
    kept = json.loads((tmp_path / "x.json").read_text())
    assert kept == {
        "title": "X",
        "command": "make x",
        "facts": {"seed": 7},
        "columns": ["what", "n"],
        "rows": [["first", 1], ["second", 20]],
    }


def test_facts_of_a_run() -> None:
    found = report.facts(time.monotonic() - 3, seed=7)
    assert list(found) == ["seed", "seconds", "date", "commit"]
    assert found["seconds"] == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(found["date"]))


def test_the_commit_says_when_files_have_changed_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(report, "ROOT", tmp_path)
    assert report._commit() == "unknown"
    for folder in ("campaigns/results", "sidecar"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x").write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    commit = report._commit()
    assert re.fullmatch("[0-9a-f]{7,}", commit)
    (tmp_path / "campaigns/results/x").write_text("2")
    assert report._commit() == commit
    (tmp_path / "sidecar/x").write_text("2")
    assert report._commit() == commit + "-dirty"
