"""One named break of the code."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class NotApplicable(ValueError):
    """The text to break is not there exactly once: the code went on and the mutant stayed behind."""


class Mutant(NamedTuple):
    """What to break, what the break would mean, and who has to notice.

    ``tests`` are pytest node ids; each of them has to fail. ``hangs``: running out of time counts as noticed.
    """

    name: str
    path: str
    """From the root of the repository."""
    old: str
    new: str
    means: str
    tests: tuple[str, ...]
    hangs: bool = False

    def apply(self, text: str) -> str:
        """Break ``text``, the content of ``path``. Raises NotApplicable."""
        if (count := text.count(self.old)) != 1:
            raise NotApplicable(f"{self.name}: the text to replace is {count} times in {self.path}: {self.old!r}")
        return text.replace(self.old, self.new)

    def broken(self) -> str:
        """The content of the broken file. Raises NotApplicable."""
        return self.apply((ROOT / self.path).read_text(encoding="utf-8"))

    def where(self, text: str) -> str:
        """File and line of the break in ``text``."""
        return f"{self.path.removeprefix('sidecar/')}:{text[: text.index(self.old)].count(chr(10)) + 1}"
