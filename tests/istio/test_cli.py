"""``sidecar import istio``: exit codes, where things are written, what the report says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.root import root

from .test_translate import UNSAYABLE, authentication, policy

Files = Callable[..., str]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    def write(*documents: object) -> str:
        path = tmp_path / "policies.yaml"
        path.write_text("\n---\n".join(json.dumps(one) for one in documents))
        return str(path)

    return write


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(root, ["import", "istio", *arguments], input=stdin)


def test_the_configuration_is_valid_and_on_standard_output(files: Files, tmp_path: Path) -> None:
    result = run(files(policy(), authentication()), "--audience", "api")
    assert result.exit_code == 0
    assert "imported" in result.stderr
    imported = tmp_path / "sidecar.yaml"
    imported.write_text(result.stdout)
    assert CliRunner().invoke(root, ["validate", str(imported)]).exit_code == 0


def test_output_to_a_file(files: Files, tmp_path: Path) -> None:
    target = tmp_path / "out.yaml"
    result = run(files(policy()), "--output", str(target))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "shop-p-rule-0" in target.read_text()
    assert run(files(policy()), "--output", str(tmp_path / "none" / "x")).exit_code == 3


def test_what_keeps_people_out_is_exit_1_and_nothing_is_written(files: Files, tmp_path: Path) -> None:
    target = tmp_path / "out.yaml"
    name = files(policy("DENY", [UNSAYABLE]))
    result = run(name, "--output", str(target))
    assert (result.exit_code, result.stdout, target.exists()) == (1, "", False)
    assert f"{name}:1: spec.rules[0].from[0].source.principals: " in result.stderr.replace("\n", "")
    assert "nothing written" in result.stderr
    partial = run(name, "--output", str(target), "--partial")
    assert partial.exit_code == 0
    assert "# denied more widely: " in target.read_text()


def test_the_report_for_programs(files: Files) -> None:
    result = run(files(policy("ALLOW", [UNSAYABLE]), policy("DENY", name="q")), "--report", "json")
    report = json.loads(result.stderr)
    assert result.exit_code == 0
    assert report["counts"] == {"blocking": 0, "denied": 0, "left-out": 1, "note": 0}
    assert [one["name"] for one in report["policies"]] == ["shop-q-rule-0", "allow-nothing"]
    assert report["findings"][0]["key"] == "spec.rules[0].from[0].source.principals"


def test_standard_input() -> None:
    assert run("-", stdin=json.dumps(policy())).exit_code == 0


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        ("kind: [", [], 1),
        ("a: 1", [], 1),
        (None, [], 3),
        ("", [], 1),
        ('{"kind": "Service"}', [], 1),
        (json.dumps(policy()), ["--label", "app"], 2),
        (json.dumps(policy()), ["--trusted-hops", "1"], 2),
        (json.dumps(policy()), ["--trusted-from", "10.0.0.0/8"], 2),
        (json.dumps(policy()), ["--trusted-hops", "1", "--trusted-from", "10.0.0.1/8"], 1),
    ],
)
def test_what_cannot_be_read(text: str | None, arguments: list[str], code: int, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    if text is not None:
        path.write_text(text)
    for report in ("text", "json"):
        result = run(str(path), *arguments, "--report", report)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr
