"""Where each value of a configuration stands, and how a place is written for operators."""

from typing import TypeAlias

from sidecar.model.errors import Problem, Where

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_SHOWN = 80


class Nothing:
    """Stands in a document where no usable value does: a null, or something that was already reported.

    Every strict type of the schema refuses it, so that it can never pass for a value.
    """

    __slots__ = ("reported",)

    def __init__(self, *, reported: bool) -> None:
        """``reported``: the reader already made a Problem of it."""
        self.reported = reported


NULL = Nothing(reported=False)
REPORTED = Nothing(reported=True)


class Mark:
    """The line of one value (of its key, inside a map) and the marks of what is in it."""

    __slots__ = ("children", "file", "line")

    def __init__(self, file: str, line: int, children: "dict[str, Mark] | list[Mark] | None" = None) -> None:
        """``file`` as operators know it; ``line`` counts from 1."""
        self.file = file
        self.line = line
        self.children = children

    def child(self, step: str | int) -> "Mark | None":
        """Return the mark one step down, or None where the document has nothing."""
        if isinstance(self.children, dict):
            return self.children.get(str(step))
        if isinstance(self.children, list) and isinstance(step, int) and 0 <= step < len(self.children):
            return self.children[step]
        return None

    def has(self, path: KeyPath) -> bool:
        """Tell whether the document has something at ``path``, so that a value there is no default."""
        mark: Mark | None = self
        for step in path:
            mark = mark.child(step) if mark is not None else None
        return mark is not None

    def where(self, path: KeyPath = ()) -> Where:
        """Return the place of ``path`` under the document root; of the deepest part of it that exists."""
        mark = self
        for step in path:
            below = mark.child(step)
            if below is None:
                break
            mark = below
        return Where(mark.file, mark.line, key_text(path))

    def here(self, path: KeyPath, message: str, hint: str = "") -> Problem:
        """Make a Problem at this very mark, which stands at ``path`` of the document."""
        return Problem(Where(self.file, self.line, key_text(path)), message, hint)

    def problem(self, path: KeyPath, message: str, hint: str = "") -> Problem:
        """Make a Problem at ``path``."""
        return Problem(self.where(path), message, hint)


def key_text(path: KeyPath) -> str:
    """``("routes", "a", "paths", 0)`` → ``routes.a.paths[0]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{shown(step)}" if text else shown(step)
    return text


def shown(text: str) -> str:
    """Operator-written text made safe for one line of a message: controls escaped, length capped."""
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text[: MAX_SHOWN + 1])
    return safe if len(safe) <= MAX_SHOWN else safe[:MAX_SHOWN] + "..."
