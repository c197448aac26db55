"""The command tree: help with examples everywhere, lazy loading, exit codes."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from sidecar.cli.lazy import LazyGroup
from sidecar.cli.root import root


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(group, LazyGroup):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, (*path, name))


ALL = list(commands(root))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_examples_and_exit_codes(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(root, [*path, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"  sidecar {' '.join(path)}" in result.output
    assert "Exit codes:" in result.output


@pytest.mark.parametrize("path", [path for path in ALL if path], ids=" ".join)
def test_the_group_says_what_a_command_is_for(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(root, [*path[:-1], "--help"])
    assert f"  {path[-1]} " in result.output


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["serve"], ["validate"], ["keys", "new"], ["token", "verify"], ["validate", "x", "--output", "xml"]]
)
def test_a_wrong_command_line_is_exit_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(root, arguments, env={"SIDECAR_CONFIG": ""}).exit_code == 2


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(root, ["--version"]).output.startswith("sidecar, version ")


def test_the_help_of_the_group_imports_no_command() -> None:
    code = (
        "import sys; from sidecar.cli.root import root; root(['--help'], standalone_mode=False);"
        "sys.exit(any(name.startswith(('sidecar.app', 'sidecar.cli.keys', 'sidecar.cli.validate')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
