"""What an import has to say: each part that is not carried over as it stands, why, and what became of it."""

from dataclasses import dataclass
from enum import Enum

from sidecar.model.errors import Problem, SidecarError, Where


class Kind(Enum):
    """How a part differs, by what it does to access. None of them lets anyone in whom Istio keeps out."""

    BLOCKING = "blocking"
    """It keeps someone out in Istio and cannot be said here: nothing is written, unless the import may be partial."""
    DENIED = "denied"
    """A partial import: kept in a form that denies more."""
    LEFT_OUT = "left-out"
    """It lets someone in, in Istio; left out, so that they are kept out here."""
    NOTE = "note"
    """Worth knowing; access is the same."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a document. ``subject``: the document, such as ``AuthorizationPolicy foo/httpbin``."""

    kind: Kind
    where: Where
    subject: str
    message: str
    hint: str = ""


class NotImportable(SidecarError):
    """Files that cannot be read as Istio's documents; the text names the first place, ``problems`` all of them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """``problems`` is not empty."""
        super().__init__("; ".join(f"{problem.where}: {problem.message}" for problem in problems[:1]))
        self.problems = problems


class Untranslatable(Exception):
    """A part of a rule that conditions cannot say; the text says why, ``hint`` the way out if there is one."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take the words for operators."""
        super().__init__(message)
        self.message = message
        self.hint = hint
