"""A report for programs."""

from typing import Any

from .compare import outcome_word
from .coverage import Coverage
from .run import Report, Result


def report_data(report: Report) -> dict[str, Any]:
    """Return the report as JSON knows it."""
    return {
        "config": report.config,
        "revision": report.revision,
        "passed": len(report.results) - len(report.failed),
        "failed": len(report.failed),
        "results": [_result(result) for result in report.results],
        "coverage": _coverage(report.coverage),
    }


def _result(result: Result) -> dict[str, Any]:
    trial, decided = result.trial, result.decided
    upstream = decided.upstream
    return {
        "file": trial.file,
        "line": trial.where.line,
        "key": trial.where.key,
        "name": trial.name,
        "matrix": trial.matrix,
        "principal": trial.who.name,
        "method": trial.request.method,
        "host": trial.request.host,
        "path": trial.request.path,
        "ok": not result.wrong,
        "differences": [wrong._asdict() for wrong in result.wrong],
        "decision": decided.decision,
        "reason": str(decided.reason),
        "status": decided.status,
        "route": decided.route,
        "rule": decided.rule,
        "detail": decided.detail,
        "policies": {policy.name: outcome_word(node.outcome) for policy, node in decided.policies},
        "set": dict(upstream.set) if upstream is not None else {},
        "removed": list(upstream.removed) if upstream is not None else [],
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    never = [point for point, count in coverage.points.items() if not count]
    return {
        "percent": round(coverage.percent, 2),
        "seen": {kind: {"seen": seen, "of": total} for kind, (seen, total) in coverage.counts().items()},
        "never": [{**point._asdict(), "text": coverage.texts.get(point.key, "")} for point in never],
    }
