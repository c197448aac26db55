"""What the doctor says: one finding for each thing looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sidecar.model.errors import Problem, Where


class Severity(StrEnum):
    """How bad it is. ERROR: requests get through, or are refused, that should not be. WARNING: less safe than it could be."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``check`` is a stable name for programs; no text holds a secret or a value that could be one."""

    severity: Severity
    check: str
    where: Where
    message: str
    hint: str = ""


class Findings:
    """Collects findings in the order in which things are looked at."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def ok(self, check: str, where: Where, message: str) -> None:
        """Note that something is as it should be."""
        self.all.append(Finding(Severity.OK, check, where, message))

    def warning(self, check: str, where: Where, message: str, hint: str = "") -> None:
        """Note what should be better."""
        self.all.append(Finding(Severity.WARNING, check, where, message, hint))

    def error(self, check: str, where: Where, message: str, hint: str = "") -> None:
        """Note what has to change."""
        self.all.append(Finding(Severity.ERROR, check, where, message, hint))

    def problems(self, severity: Severity, check: str, problems: Iterable[Problem]) -> None:
        """Take over problems of a configuration."""
        self.all += [Finding(severity, check, problem.where, problem.message, problem.hint) for problem in problems]

    def sound_since(self, start: int) -> bool:
        """Tell whether nothing but OK was noted since there were ``start`` findings."""
        return all(finding.severity is Severity.OK for finding in self.all[start:])


def named(key: str) -> Where:
    """The place of something that stands in no file."""
    return Where("", 0, key)
