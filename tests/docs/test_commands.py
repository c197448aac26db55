"""Commands that README and docs show exist: make targets, and sidecar's commands with their options."""

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from sidecar.cli.root import root
from tests.project.tree import text

from .pages import Block, blocks

SHELL = blocks("sh", "console")
TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)


def lines(block: Block) -> list[str]:
    """The lines of a block that are typed, continued ones joined."""
    joined = block.text.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ").strip() for line in joined if block.info[0] == "sh" or line.startswith("$ ")]


def simple_commands(line: str) -> list[list[str]]:
    """The words of each simple command of a line: split at pipes and lists; no redirections, assignments, comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    target = False
    for word in lexer:
        if word.startswith("#"):
            break
        if set(word) <= set("|&;()"):
            found.append([])
        elif set(word) <= set("<>"):
            target = True
        elif target:
            target = False
        elif found[-1] or not re.match(r"[A-Z_]+=", word):
            found[-1].append(word)
    return [command for command in found if command]


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Every (place, arguments) with which the pages run ``program``."""
    found = []
    for block in SHELL:
        for line in lines(block):
            found += [(block.place, part[1:]) for part in simple_commands(line) if part[0].rpartition("/")[2] == program]
    return found


def test_make_targets_exist() -> None:
    targets = set(TARGET.findall(text("Makefile")))
    shown = commands("make")
    wanted = {(place, word) for place, arguments in shown for word in arguments if "=" not in word and not word.startswith("-")}
    assert ("README.md", "demo") in {(place.partition(":")[0], word) for place, word in wanted}
    assert {(place, word) for place, word in wanted if word not in targets} == set()


def unknown(arguments: list[str]) -> str:
    """What of a ``sidecar`` command line does not exist; empty if all of it does."""
    command: click.Command = root
    context = click.Context(root)
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        below = command.get_command(context, rest[0])
        if below is None:
            return f"no command {rest[0]!r}"
        command = below
        rest.pop(0)
    known = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]} | {"-h", "--help", "--version"}
    strange = [word for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
    return ", ".join(strange)


def test_sidecar_commands_and_options_exist() -> None:
    shown = commands("sidecar")
    assert shown
    assert {(place, wrong) for place, arguments in shown if (wrong := unknown(arguments))} == set()


def test_lines_are_split_into_commands() -> None:
    assert simple_commands("A=1 sidecar token mint --claim 'x=[\"a;b\"]' > t.txt | jq . # why") == [
        ["sidecar", "token", "mint", "--claim", 'x=["a;b"]'],
        ["jq", "."],
    ]


def test_what_does_not_exist_is_found() -> None:
    assert unknown(["explode"])
    assert unknown(["validate", "--hard", "x"]) == "--hard"
    assert not unknown(["validate", "--strict", "config.yaml"])


HELP = [block for block in blocks("console") if re.match(r"\$ sidecar .*--help\n", block.text)]


@pytest.mark.parametrize("block", HELP, ids=lambda block: block.place)
def test_help_is_what_the_page_shows(block: Block) -> None:
    command, _, shown = block.text.partition("\n")
    result = CliRunner().invoke(root, shlex.split(command.removeprefix("$ sidecar ")), prog_name="sidecar", terminal_width=100)
    assert result.exit_code == 0
    assert result.output.strip() == shown.strip()
