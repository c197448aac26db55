"""The table and the JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .facts import VERIFY_RANGE
from .targets import TARGETS, Figure, judge

HEADINGS = ("name", "what", "measured", "must", "goal", "verdict")


def table(figures: Mapping[str, Figure]) -> str:
    """Lines of equal columns, one for each target."""
    rows = [HEADINGS]
    for target in TARGETS:
        figure = figures.get(target.name)
        measured = f"{_number(figure.value)} {target.unit}" if figure else "-"
        rows.append((target.name, target.what, measured, _bound(target.must), _bound(target.goal), judge(target, figure).value))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def remarks(facts: Mapping[str, object]) -> str:
    """What the reader has to know of the machine."""
    verify = facts["bare_rs256_verify_us"]
    assert isinstance(verify, float)
    low, high = VERIFY_RANGE
    fit = (
        "so µs compare with their targets"
        if low <= verify <= high
        else f"outside {low:.0f} to {high:.0f}, so µs do NOT compare with their targets"
    )
    return (
        f"bare RS256 verification: {verify:.1f} µs, {fit}; {facts['cores']} cores of {facts['cpu']}, "
        f"load {facts['load_before']} before, Python {facts['python']}, commit {facts['commit']}"
    )


def caveats(figures: Mapping[str, Figure]) -> list[str]:
    """What makes a figure look better than it is: a record that is dropped is not encoded nor written."""
    lost = {front: figures[f"{front}-lost"].value for front in ("native", "grpcio") if f"{front}-lost" in figures}
    return [
        f"{front}: {share:.0f} % of the records were dropped, so its cost is understated" for front, share in lost.items() if share >= 1
    ]


def write_json(path: Path, facts: Mapping[str, object], figures: Mapping[str, Figure]) -> None:
    """Write facts and rows, for docs and for comparison."""
    rows = []
    for target in TARGETS:
        figure = figures.get(target.name)
        row = asdict(target) | {"measured": None, "details": {}, "verdict": judge(target, figure).value}
        if figure is not None:
            row |= {"measured": round(figure.value, 4), "details": figure.details}
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": dict(facts), "rows": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def committed_figures(path: Path) -> dict[str, float | None]:
    """Read the figures of the last committed run by name."""
    return {row["name"]: row["measured"] for row in json.loads(path.read_text())["rows"]}
