"""A report for people: what failed and how, tables that differ, what was never reached. ``paint(text, colour)`` colours."""

from collections.abc import Callable, Iterator, Sequence

from sidecar.authz.conditions import Node, value_text
from sidecar.authz.ternary import said
from sidecar.engine.trace import shown

from .coverage import Coverage
from .run import Report, Result

Paint = Callable[[str, str], str]
MAX_CELLS = 12
"""Failed cells of one matrix that are told about one by one."""
_PLURALS = {
    "route": "routes",
    "require": "parts of require, met and not met",
    "policy": "policies",
    "condition": "conditions, true and false",
}


def report_lines(report: Report, paint: Paint) -> Iterator[str]:
    """Give the lines about what failed, then the sum."""
    for result in report.failed:
        if not result.trial.matrix:
            yield from _case(result, paint)
    tables: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        if result.trial.matrix:
            tables.setdefault((result.trial.file, result.trial.matrix), []).append(result)
    for results in tables.values():
        if any(result.wrong for result in results):
            yield from _matrix(results, paint)
    failed, total = len(report.failed), len(report.results)
    verdict = paint(f"{failed} failed", "red") if failed else paint("all passed", "green")
    yield f"{total} decision{'' if total == 1 else 's'} of {report.config} (revision {report.revision}): {verdict}"


def _case(result: Result, paint: Paint) -> Iterator[str]:
    trial = result.trial
    yield f"{paint('✗', 'red')} {shown(trial.name)}"
    yield f"    {trial.where.file}:{trial.where.line}, {trial.request.method} {shown(trial.request.path)} as {trial.who.name}"
    yield from _wrong(result, paint)


def _wrong(result: Result, paint: Paint) -> Iterator[str]:
    width = max(len(wrong.what) for wrong in result.wrong)
    for what, wanted, found in result.wrong:
        yield f"    {what.ljust(width)}  expected {paint(shown(wanted), 'green')}, was {paint(shown(found), 'red')}"
    decided = result.decided
    yield f"    it was {decided.decision}: {decided.reason}" + (f", by {decided.rule}" if decided.rule else "")
    if decided.detail:
        yield f"    {shown(decided.detail)}"
    for line in decided.nearest if result.trial.expect.decision == "allow" else ():
        yield f"    → {line}"
    for policy, node in decided.policies:
        yield from _tree(policy.rule, node, 2)


def _tree(rule: str, node: Node, depth: int) -> Iterator[str]:
    values = ", ".join(f"{name} = {shown(value_text(value))}" for name, value in node.values.items())
    text = f"{rule or node.key}: {said(node.outcome)}"
    yield "  " * depth + text + (f"  {node.text}" if node.text else "") + (f"  ({values})" if values else "")
    for part in node.parts:
        yield from _tree("", part, depth + 1)


def _matrix(results: Sequence[Result], paint: Paint) -> Iterator[str]:
    """A table of the whole matrix; a cell that differs says what it was and what was expected."""
    failed = [result for result in results if result.wrong]
    trial = results[0].trial
    yield f"{paint('✗', 'red')} {shown(trial.matrix)}: {len(failed)} of {len(results)} cells are otherwise"
    yield f"    {trial.file}:{min(result.trial.where.line for result in failed)}"
    columns = list(dict.fromkeys(result.trial.column for result in results))
    rows = list(dict.fromkeys(shown(result.trial.row) for result in results))
    cells = {(shown(result.trial.row), result.trial.column): result for result in results}
    texts = {place: _cell(result) for place, result in cells.items()}
    first = max(map(len, rows))
    widths = [max(len(column), *(len(texts.get((row, column), "-")) for row in rows)) for column in columns]
    yield "    " + "  ".join([" " * first, *(column.ljust(width) for column, width in zip(columns, widths, strict=True))]).rstrip()
    for row in rows:
        line = [row.ljust(first)]
        for column, width in zip(columns, widths, strict=True):
            text = texts.get((row, column), "-")
            wrong = (row, column) in cells and cells[row, column].wrong
            line.append((paint(text, "red") if wrong else text) + " " * (width - len(text)))
        yield "    " + "  ".join(line).rstrip()
    for result in failed[:MAX_CELLS]:
        yield f"  {shown(result.trial.row)} as {result.trial.column} (line {result.trial.where.line})"
        yield from _wrong(result, paint)
    if len(failed) > MAX_CELLS:
        yield f"  and {len(failed) - MAX_CELLS} more"


def _cell(result: Result) -> str:
    decided, expect = result.decided, result.trial.expect
    found = str(decided.reason) if expect.reason is not None else decided.decision
    if not result.wrong:
        return found
    return f"{found} (not {expect.reason or expect.decision})"


def coverage_lines(coverage: Coverage, paint: Paint) -> Iterator[str]:
    """Give how much was seen by kind, and what never was."""
    yield f"coverage: {coverage.percent:.0f} %"
    for kind, (seen, total) in coverage.counts().items():
        yield f"  {_PLURALS[kind]}: {paint(f'{seen} of {total}', 'green' if seen == total else 'yellow')}"
    for kind in _PLURALS:
        for point in coverage.missing(kind):
            text = coverage.texts.get(point.key, "")
            way = f" never {point.way}" if point.way else " never reached"
            yield f"    {point.key}{way}" + (f": {shown(text)}" if text else "")


def never_reached(coverage: Coverage) -> list[str]:
    """Name the routes and policies that no trial reached."""
    return [point.key for kind in ("route", "policy") for point in coverage.missing(kind)]
