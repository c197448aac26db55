"""``sidecar init``: what it writes is valid, and nothing is overwritten."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.root import root


def run(*arguments: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(root, ["init", *arguments], input=stdin, env={"SIDECAR_CONFIG": ""})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def validated(folder: Path) -> Any:
    shown = CliRunner().invoke(root, ["validate", str(folder / "sidecar.yaml"), "--strict", "--output", "json"])
    return json.loads(shown.stdout)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_defaults_are_valid_without_a_warning(tmp_path: Path) -> None:
    result = run("--yes", "--out", str(tmp_path / "new" / "place"))
    assert result.exit_code == 0
    assert names(tmp_path / "new" / "place") == ["sidecar.yaml"]
    assert validated(tmp_path / "new" / "place") == {**validated(tmp_path / "new" / "place"), "ok": True, "warnings": []}


def test_everything_at_once(tmp_path: Path) -> None:
    flags = ["--issuer", "https://login.example.com/", "--audience", "a", "--audience", 'b "quoted": #', "--listen", "127.0.0.1:9191"]
    flags += ["--transport", "grpcio", "--api-keys", "--route", "GET /x x:read", "--route", "/y", "--envoy", "--upstream", "posts:8080"]
    result = run(*flags, "--out", str(tmp_path), "--output", "json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert sorted(document["files"]) == [str(tmp_path / name) for name in names(tmp_path)]
    assert names(tmp_path) == ["envoy.yaml", "keys/keys.yaml", "keys/pepper", "sidecar.yaml"]
    assert document["warnings"] == []
    assert validated(tmp_path)["ok"] is True
    text = (tmp_path / "sidecar.yaml").read_text()
    assert 'audiences: ["a", "b \\"quoted\\": #"]' in text
    assert 'listen: "127.0.0.1:9191"' in text
    envoy = (tmp_path / "envoy.yaml").read_text()
    assert 'address: "127.0.0.1", port_value: 9191' in envoy
    assert 'address: "posts", port_value: 8080' in envoy
    made = CliRunner().invoke(root, ["keys", "new", "--config", str(tmp_path / "sidecar.yaml"), "--id", "x", "--role", "reader"])
    assert made.exit_code == 0


def test_the_pepper_is_private_fresh_and_not_shown(tmp_path: Path) -> None:
    first = run("--yes", "--api-keys", "--out", str(tmp_path / "a"))
    run("--yes", "--api-keys", "--out", str(tmp_path / "b"))
    peppers = [(tmp_path / name / "keys" / "pepper").read_text().strip() for name in ("a", "b")]
    assert len(set(peppers)) == 2
    assert all(len(pepper) == 64 for pepper in peppers)
    assert peppers[0] not in first.output
    assert stat.S_IMODE((tmp_path / "a" / "keys" / "pepper").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a" / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["sidecar.yaml", "envoy.yaml"])
def test_what_is_there_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    result = run("--yes", "--envoy", "--api-keys", "--out", str(tmp_path))
    assert result.exit_code == 3
    assert str(tmp_path / name) in result.stderr
    assert "--force" in result.stderr
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sidecar.yaml").symlink_to(tmp_path / "elsewhere")
    assert run("--yes", "--out", str(tmp_path)).exit_code == 3
    assert not (tmp_path / "elsewhere").exists()


def test_force_replaces_all_but_keys_and_pepper(tmp_path: Path) -> None:
    run("--yes", "--api-keys", "--out", str(tmp_path))
    config = tmp_path / "sidecar.yaml"
    CliRunner().invoke(root, ["keys", "new", "--config", str(config), "--id", "billing"])
    before = {name: (tmp_path / name).read_bytes() for name in ("keys/keys.yaml", "keys/pepper")}
    result = run("--yes", "--api-keys", "--route", "/only", "--force", "--out", str(tmp_path))
    assert result.exit_code == 0
    assert "keys/pepper: kept" in result.stdout
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert "/only" in config.read_text()
    assert validated(tmp_path)["ok"] is True


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--issuer", "http://idp.example.com"], 1, "plain http"),
        (["--issuer", "nonsense"], 1, "issuers.idp.issuer"),
        (["--listen", "0.0.0.0:9191"], 1, "without TLS"),
        (["--listen", "nonsense"], 1, "server.listen"),
        (["--listen", "nonsense", "--envoy"], 3, "not an address"),
        (["--route", "posts"], 3, "is no route"),
        (["--route", "GET"], 3, "is no route"),
        (["--route", "/a b c"], 3, "is no route"),
        (["--route", "/a/../b"], 1, "routes.a-b"),
        (["--route", "/a bad::permission"], 1, "routes.a"),
        (["--route", "GET /a", "--route", "GET,POST /a"], 1, "routes."),
        (["--envoy", "--upstream", "nonsense"], 3, "host:port"),
        (["--envoy", "--upstream", "unix:///x"], 3, "host:port"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path: Path, flags: list[str], code: int, words: str) -> None:
    result = run("--yes", *flags, "--out", str(tmp_path))
    assert result.exit_code == code
    assert words in result.stderr
    assert "sidecar-init-" not in result.output
    assert names(tmp_path) == []


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    result = run("--out", str(tmp_path), stdin="https://idp.example.com\n")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert run("--issuer", "https://idp.example.com", "--audience", "a", "--out", str(tmp_path)).exit_code == 0


def test_a_doubtful_wish_is_a_warning(tmp_path: Path) -> None:
    result = run("--yes", "--route", "/{rest=**} public", "--route", "/a", "--out", str(tmp_path))
    assert result.exit_code == 0
    assert "lets anyone in on every path" in result.stdout


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--yes", "--out", str(tmp_path / "file" / "below"))
    assert result.exit_code == 3
    assert str(tmp_path / "file") in result.stderr


def on_a_terminal(folder: Path, typed: str, *flags: str) -> str:
    """Run it on a pseudo-terminal; return what it showed."""
    import pty  # noqa: PLC0415 - Unix only
    import sys  # noqa: PLC0415

    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "sidecar", "init", "--out", str(folder), *flags])
    os.write(terminal, typed.encode())
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        shown += part
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    return shown.decode()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_questions_on_a_terminal(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "https://login.example.com\n\n\ny\nnonsense\nGET /posts posts:read\n\nn\n")
    assert "Issuer of tokens" in shown
    assert "is no route" in shown
    assert names(tmp_path) == ["keys/keys.yaml", "keys/pepper", "sidecar.yaml"]
    text = (tmp_path / "sidecar.yaml").read_text()
    assert 'issuer: "https://login.example.com"' in text
    assert "posts:read" in text
    assert validated(tmp_path)["ok"] is True


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_flags_answer_questions_and_yes_asks_none(tmp_path: Path) -> None:
    assert "Issuer of tokens" not in on_a_terminal(tmp_path / "a", "", "--yes")
    shown = on_a_terminal(
        tmp_path / "b", "\n", "--issuer", "https://a.example.com", "--audience", "a", "--route", "/x", "--no-api-keys", "--no-envoy"
    )
    assert "Where Envoy asks" in shown
    assert "Issuer of tokens" not in shown
