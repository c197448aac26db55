"""The Markdown pages of the repository and the fenced blocks in them."""

import re
from typing import NamedTuple

from tests.project.tree import files, text

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block. ``info``: its first line after the backticks, split into words."""

    page: str
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """``page:line``, for test ids and messages."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every Markdown page that people read."""
    return [name for name in files() if name.endswith(".md") and not name.startswith("tests/")]


def blocks(*languages: str) -> list[Block]:
    """Every fenced block in one of these languages."""
    found = []
    for page in pages():
        content = text(page)
        for match in FENCE.finditer(content):
            info = tuple(match["info"].split())
            if info and info[0] in languages:
                found.append(Block(page, content.count("\n", 0, match.start()) + 1, info, match["text"]))
    return found


def prose(page: str) -> str:
    """The text of a page without its fenced blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text(page)))
