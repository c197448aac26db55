"""The whole of an import: files read, translated, tried with the real validation."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sidecar.adapters.files import read_bounded
from sidecar.app.validation import validate_sync
from sidecar.model.errors import ConfigError, Problem, Where

from .documents import read_resources
from .findings import Finding, Kind
from .scope import Wishes
from .text import config_text
from .translate import Imported, translate

MAX_FILE = 32 * 1024 * 1024
NAME = "imported.yaml"
STDIN = "-"


def import_files(files: Sequence[str], wishes: Wishes) -> Imported:
    """Read and translate; ``-`` is standard input.

    Raises:
        SourceError: a file cannot be read.
        NotImportable: it is none of Istio's, or for whom it is cannot be told.

    """
    return translate(read_resources((name, _content(name)) for name in files), wishes)


def _content(name: str) -> bytes:
    return sys.stdin.buffer.read(MAX_FILE) if name == STDIN else read_bounded(name, MAX_FILE)


def tried_text(imported: Imported) -> str:
    """Return the text of the configuration. Raises ConfigError: it is not valid, as a document says what no configuration can."""
    text = config_text(imported)
    with tempfile.TemporaryDirectory(prefix="sidecar-import-") as scratch:
        trial = Path(scratch) / NAME
        trial.write_text(text, encoding="utf-8")
        try:
            validate_sync(str(trial), with_files=False)
        except ConfigError as error:
            raise ConfigError(tuple(_moved(problem, str(trial)) for problem in error.problems)) from None
    return text


def _moved(problem: Problem, file: str) -> Problem:
    where = problem.where
    return Problem(Where(NAME if where.file == file else where.file, where.line, where.key), problem.message, problem.hint)


def report(imported: Imported) -> Mapping[str, object]:
    """Return the report for programs."""
    findings = [_finding(finding) for finding in imported.findings]
    policies = [
        {"name": one.name, "effect": "deny" if one.denies else "allow", "mode": "shadow" if one.shadow else "enforce", "rule": one.comment}
        for one in imported.policies
    ]
    counts = {kind.value: sum(finding.kind is kind for finding in imported.findings) for kind in Kind}
    return {
        "ok": not imported.blocked,
        "documents": imported.documents,
        "issuers": list(imported.issuers),
        "policies": policies,
        "counts": counts,
        "findings": findings,
    }


def _finding(finding: Finding) -> Mapping[str, object]:
    where = finding.where
    return {
        "kind": finding.kind.value,
        "file": where.file,
        "line": where.line,
        "key": where.key,
        "subject": finding.subject,
        "message": finding.message,
        "hint": finding.hint,
    }
