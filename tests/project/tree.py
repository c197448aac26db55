"""The files of the repository as git sees them, and their syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "sidecar/wire/_gen/"
Node = TypeVar("Node", bound=ast.AST)


@cache
def files() -> tuple[str, ...]:
    """Every file that is, or is about to be, in the repository; paths from its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return tuple(sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file()))


def python_files(*folders: str) -> list[str]:
    """The Python files under ``folders`` (all without any) that people write."""
    names = [name for name in files() if name.endswith(".py") and not name.startswith(GENERATED)]
    return [name for name in names if not folders or name.startswith(folders)]


def text(name: str) -> str:
    """The content of a text file."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(text(name), name)


def nodes(name: str, kind: type[Node]) -> Iterator[Node]:
    """Every node of one kind in a Python file."""
    return (node for node in ast.walk(tree(name)) if isinstance(node, kind))
