"""Faults. Verdicts are values; only what should not happen, or cannot go on, is an exception."""

from dataclasses import dataclass


class SidecarError(Exception):
    """Root of the project's own exceptions. Its text never holds a secret and never leaves for a client."""


class MalformedRequest(SidecarError):
    """A CheckRequest that cannot be understood; denied with 400."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the configuration, as operators read it: ``file:line: key.path``. Line 0: the file as a whole."""

    file: str
    line: int
    key: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key) if part)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with (or doubtful about) a configuration: the place, what is wrong, the way out."""

    where: Where
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(SidecarError):
    """A configuration that cannot be used. ``problems`` is never empty."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Take the problems found; the text is one line for each."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SourceError(SidecarError):
    """An outside source could not be read or gave nonsense; its last good content stays in use."""
