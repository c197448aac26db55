"""``sidecar test``: exit codes, files written, what it refuses."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.root import root
from tests.project.tree import ROOT

CONFIG = """version: 1
server: {listen: "unix:///run/sidecar/check.sock"}
issuers: {corp: {issuer: https://auth.example.com, audiences: [a], keys: {discovery: true}, claims: {roles: roles}}}
roles: {viewer: {permissions: ["posts:read"]}}
routes:
  list: {methods: [GET], paths: [/posts], authenticate: [corp], require: {permission: "posts:read"}}
  open: {methods: [GET], paths: [/open], authenticate: [anonymous]}
"""
TESTS = "version: 1\nprincipals: {vic: {roles: [viewer]}}\ncases:\n  a: {principal: vic, request: GET /posts, expect: allow}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("test")
    (made / "sidecar.yaml").write_text(CONFIG)
    (made / "good.yaml").write_text(TESTS)
    (made / "bad.yaml").write_text(TESTS.replace("allow", "deny"))
    (made / "wrong.yaml").write_text(TESTS.replace("principal: vic", "principal: vik"))
    return made


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(root, ["test", "--config", str(folder / "sidecar.yaml"), *arguments])


def test_all_as_expected(folder: Path) -> None:
    result = run(folder, str(folder / "good.yaml"))
    assert result.exit_code == 0, result.output
    assert "1 decision of" in result.output
    assert "all passed" in result.output
    assert "never reached: routes.open (--coverage says more)" in result.output


def test_a_failure(folder: Path) -> None:
    result = run(folder, str(folder / "good.yaml"), str(folder / "bad.yaml"))
    assert result.exit_code == 1
    assert "decision  expected deny, was allow" in result.output
    assert "2 decisions" in result.output


def test_a_wrong_test_file(folder: Path) -> None:
    result = run(folder, str(folder / "wrong.yaml"))
    assert result.exit_code == 2
    assert f"{folder}/wrong.yaml:4: cases.a.principal: error: there is no principal 'vik' (did you mean 'vic'?)" in result.output
    data = json.loads(run(folder, str(folder / "wrong.yaml"), "--output", "json").output)
    assert data["errors"][0]["line"] == 4
    assert run(folder, str(folder / "none.yaml")).exit_code == 2
    assert run(folder).exit_code == 2


def test_an_invalid_configuration(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sidecar.yaml").write_text("version: 1\nroutez: {}\n")
    result = run(tmp_path, str(folder / "good.yaml"))
    assert result.exit_code == 1
    assert "routez" in result.output


def test_coverage(folder: Path) -> None:
    result = run(folder, str(folder / "good.yaml"), "--coverage")
    assert "coverage: 50 %" in result.output
    assert "routes.open never reached" in result.output
    assert run(folder, str(folder / "good.yaml"), "--min-coverage", "50").exit_code == 0
    low = run(folder, str(folder / "good.yaml"), "--min-coverage", "50.1")
    assert low.exit_code == 1
    assert "the tests cover 50.0 %, and 50.1 % are wanted" in low.output
    assert "routes.open never reached" in low.output
    data = json.loads(run(folder, str(folder / "good.yaml"), "--min-coverage", "60", "--output", "json").output)
    assert (data["ok"], data["failed"], data["coverage"]["percent"]) == (False, 0, 50.0)


def test_junit(folder: Path, tmp_path: Path) -> None:
    assert run(folder, str(folder / "bad.yaml"), "--junit", str(tmp_path / "r.xml")).exit_code == 1
    assert ET.parse(tmp_path / "r.xml").getroot().get("failures") == "1"
    assert run(folder, str(folder / "bad.yaml"), "--junit", "/nonexistent/r.xml").exit_code == 3


def test_the_example_passes() -> None:
    result = CliRunner().invoke(root, ["test", str(ROOT / "examples/policy-tests"), "--config", str(ROOT / "examples/demo/sidecar.yaml")])
    assert result.exit_code == 0, result.output
    assert "all passed" in result.output
