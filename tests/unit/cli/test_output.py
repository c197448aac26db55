"""How commands print."""

import json

import click
import pytest
from click.testing import CliRunner

from sidecar.cli import exits
from sidecar.cli.output import describe, fail, paint, table
from sidecar.model.errors import ConfigError, Problem, SidecarError, Where

PROBLEM = Problem(Where("config.yaml", 3, "routes.a.pahts"), "unknown key", "did you mean 'paths'?")


def run(error: SidecarError | OSError | str, output: str = "text") -> tuple[int, str, str]:
    @click.command()
    def command() -> None:
        fail(error, output)

    result = CliRunner().invoke(command)
    return result.exit_code, result.stdout, result.stderr


def test_an_invalid_configuration_is_exit_1_with_the_place_and_the_way_out() -> None:
    code, stdout, stderr = run(ConfigError((PROBLEM,)))
    assert code == exits.NEGATIVE
    assert stdout == ""
    assert stderr == "config.yaml:3: routes.a.pahts: error: unknown key (did you mean 'paths'?)\n"


def test_an_invalid_configuration_as_json() -> None:
    code, stdout, _ = run(ConfigError((PROBLEM,)), "json")
    assert code == exits.NEGATIVE
    assert json.loads(stdout)["errors"] == [
        {"file": "config.yaml", "line": 3, "key": "routes.a.pahts", "message": "unknown key", "hint": "did you mean 'paths'?"}
    ]


def test_what_could_not_be_done_is_exit_3() -> None:
    code, _, stderr = run(PermissionError(13, "Permission denied", "keys.yaml"))
    assert code == exits.FAILED
    assert stderr == "error: keys.yaml: Permission denied\n"
    assert json.loads(run("no child", "json")[1]) == {"ok": False, "error": "no child"}


def test_os_errors_are_said_in_words() -> None:
    assert describe(OSError("only a text")) == "only a text"


def test_colours_only_on_a_terminal_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def command() -> None:
        click.echo(paint("valid", "green"))

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert CliRunner().invoke(command).output == "valid\n"
    assert CliRunner().invoke(command, color=True).output == "\x1b[32mvalid\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert CliRunner().invoke(command, color=True).output == "valid\n"


def test_tables_have_columns() -> None:
    assert table([("ID", "OWNER"), ("billing-1", "b")]) == "ID         OWNER\nbilling-1  b"
