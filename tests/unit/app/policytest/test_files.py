"""Which files are test files, and which are fixtures."""

from pathlib import Path

import pytest

from sidecar.app.policytest.files import read_suites
from sidecar.model.errors import ConfigError

TESTS = "version: 1\ncases: {a: {request: GET /, expect: deny}}\n"
SHARED = "version: 1\nprincipals: {p: {subject: p}}\n"


def refused(*paths: str) -> str:
    with pytest.raises(ConfigError) as error:
        read_suites(paths)
    return str(error.value)


def test_a_directory_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.yaml", "a.yml", "deep/c.yaml"):
        (tmp_path / name).write_text(TESTS)
    (tmp_path / ".hidden.yaml").write_text("nonsense")
    (tmp_path / "notes.txt").write_text("nonsense")
    assert [suite.source.name for suite in read_suites([str(tmp_path)])] == [
        f"{tmp_path}/{name}" for name in ("a.yml", "b.yaml", "deep/c.yaml")
    ]


def test_fixtures_in_a_directory_are_no_tests(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(SHARED)
    (tmp_path / "t.yaml").write_text(TESTS + "fixtures: [shared.yaml]\n")
    (suite,) = read_suites([str(tmp_path)])
    assert [source.name for source in suite.sources] == [f"{tmp_path}/t.yaml", f"{tmp_path}/shared.yaml"]
    (tmp_path / "t.yaml").write_text(TESTS)
    assert refused(str(tmp_path)) == (
        f"{tmp_path}/shared.yaml: tests nothing (write `cases` or `matrices`, or name it under `fixtures` of a file that has them)"
    )


def test_a_file_that_is_named_must_test_something(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(SHARED)
    (tmp_path / "t.yaml").write_text(TESTS + "fixtures: [shared.yaml]\n")
    assert "tests nothing" in refused(str(tmp_path / "t.yaml"), str(tmp_path / "shared.yaml"))


def test_a_file_given_twice_is_run_once(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(TESTS)
    assert len(read_suites([str(tmp_path), str(tmp_path / "t.yaml"), f"{tmp_path}/./t.yaml"])) == 1


def test_fixtures_of_fixtures_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHARED + "fixtures: [b.yaml]\n")
    (tmp_path / "b.yaml").write_text("version: 1\nfixtures: [a.yaml]\nrequests: {r: GET /}\n")
    (tmp_path / "t.yaml").write_text(TESTS + "fixtures: [a.yaml]\n")
    (suite,) = read_suites([str(tmp_path)])
    assert len(suite.sources) == 3


def test_every_wrong_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\ncase: {}\n")
    (tmp_path / "b.yaml").write_text("version: 2\n")
    (tmp_path / "c.yaml").write_text("a: &x 1\n")
    said = refused(str(tmp_path), str(tmp_path / "none.yaml"))
    assert f"{tmp_path}/a.yaml:2: case: unknown key 'case' (did you mean 'cases'?)" in said
    assert f"{tmp_path}/b.yaml:1: version: must be 1" in said
    assert f"{tmp_path}/c.yaml:1: a: anchors (&) are not allowed" in said
    assert f"{tmp_path}/none.yaml: does not exist" in said


def test_an_empty_directory(tmp_path: Path) -> None:
    assert "holds no *.yaml or *.yml file" in refused(str(tmp_path))
