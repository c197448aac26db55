"""What every conversion needs: where things stand, and where relative paths start."""

from dataclasses import dataclass, field
from pathlib import Path

from sidecar.config.marks import KeyPath, Mark
from sidecar.config.schema.secrets import SecretRef as SecretModel
from sidecar.model.errors import Problem
from sidecar.model.settings import SecretRef

MAX_PROBLEMS = 500


class Enough(Exception):
    """So many problems were noted that looking for more (and for suggestions) is not worth the time."""


@dataclass(slots=True)
class Place:
    """The document that is converted, and what was found wrong with it so far."""

    mark: Mark
    base: str
    """Absolute directory of the configuration files: relative paths start here."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def wrong(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a problem. Raises Enough after MAX_PROBLEMS."""
        self.problems.append(self.mark.problem(path, message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise Enough

    def warn(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a doubt."""
        self.warnings.append(self.mark.problem(path, message, hint))

    def no_effect(self, path: KeyPath, why: str) -> None:
        """Note a problem if ``path`` was written: a value that is accepted and then ignored misleads its reader."""
        if self.mark.has(path):
            self.wrong(path, f"has no effect: {why}", "remove it")

    def absolute(self, path: str) -> str:
        """Resolve a path of the configuration."""
        return str(Path(self.base, path))

    def secret(self, model: SecretModel, path: KeyPath) -> SecretRef:
        """Convert a reference to a secret."""
        where = self.mark.where(path)
        if model.file is not None:
            return SecretRef(kind="file", value=self.absolute(model.file), where=where)
        assert model.env is not None
        return SecretRef(kind="env", value=model.env, where=where)
