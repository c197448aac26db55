"""JUnit XML, as CI systems read it: a suite for each file, a test case for each case and each cell of a matrix."""

import re
from collections.abc import Iterator
from html import escape

from .run import Report, Result

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Write the report."""
    by_file: dict[str, list[Result]] = {}
    for result in report.results:
        by_file.setdefault(result.trial.file, []).append(result)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name="sidecar test" tests="{len(report.results)}" failures="{len(report.failed)}" errors="0">')
    for file, results in by_file.items():
        failures = sum(bool(result.wrong) for result in results)
        lines.append(f'  <testsuite name="{_text(file)}" tests="{len(results)}" failures="{failures}" errors="0" skipped="0">')
        for result in results:
            lines += _case(result)
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _case(result: Result) -> Iterator[str]:
    trial = result.trial
    name = f'name="{_text(trial.name)}" classname="{_text(trial.file)}" file="{_text(trial.file)}" line="{trial.where.line}"'
    if not result.wrong:
        yield f"    <testcase {name}/>"
        return
    message = "; ".join(f"{wrong.what}: expected {wrong.wanted}, was {wrong.found}" for wrong in result.wrong)
    decided = result.decided
    facts = {"decision": decided.decision, "reason": decided.reason, "route": decided.route, "rule": decided.rule, "detail": decided.detail}
    text = "\n".join([str(trial.where), *(f"{name}: {value}" for name, value in facts.items() if value), *decided.nearest])
    yield f"    <testcase {name}>"
    yield f'      <failure message="{_text(message)}">{_text(text)}</failure>'
    yield "    </testcase>"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))
