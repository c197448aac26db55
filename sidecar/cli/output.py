"""How commands print: text for people, JSON for programs, colours on a terminal only (and never with NO_COLOR)."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from sidecar.model.errors import ConfigError, Problem, SidecarError

from . import exits

F = TypeVar("F", bound=Callable[..., Any])

EPILOG_CODES = "Exit codes: 0 done or yes, 1 invalid or no, 2 usage, 3 could not be done."


def output_option(command: F) -> F:
    """Add ``--output text|json``."""
    return click.option(
        "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Print for people or for programs."
    )(command)


def examples(*lines: str) -> str:
    r"""An epilog of example command lines, kept as they are (click rewraps what has no ``\b`` mark)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines) + "\n\n" + EPILOG_CODES


def paint(text: str, colour: str) -> str:
    """Colour ``text``; click strips colours where the stream is not a terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def print_json(data: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def problem_data(problem: Problem) -> Mapping[str, object]:
    """One problem for ``--output json``."""
    where = problem.where
    return {"file": where.file, "line": where.line, "key": where.key, "message": problem.message, "hint": problem.hint}


def print_problems(problems: Sequence[Problem], word: str, colour: str, *, err: bool) -> None:
    """One line for each: ``file:line: key: error: message (hint)``."""
    for problem in problems:
        hint = f" ({problem.hint})" if problem.hint else ""
        click.echo(f"{problem.where}: {paint(word, colour)}: {problem.message}{hint}", err=err)


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    raise click.exceptions.Exit(code)


def fail(error: SidecarError | OSError | str, output: str = "text", code: int = exits.FAILED) -> NoReturn:
    """Say what went wrong on stderr (as JSON on stdout with ``--output json``) and end."""
    if isinstance(error, ConfigError):
        if output == "json":
            print_json({"ok": False, "errors": [problem_data(problem) for problem in error.problems]})
        else:
            print_problems(error.problems, "error", "red", err=True)
        leave(exits.NEGATIVE)
    text = describe(error)
    if output == "json":
        print_json({"ok": False, "error": text})
    else:
        click.echo(f"{paint('error', 'red')}: {text}", err=True)
    leave(code)


def describe(error: Exception | str) -> str:
    """An error in words: for an OSError the file and the system's reason, without the Python wrapping."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    return str(error)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
