"""``sidecar doctor`` on real files: what people see, exit codes, JSON, bad input."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.root import root
from tests.support.envoy_config import SHIPPED, Parts

CANARY = "c4n4ry-of-this-test"


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    result = CliRunner().invoke(root, ["doctor", *arguments], input=stdin, env={"SIDECAR_CONFIG": ""})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert CANARY not in result.output
    return result


@pytest.fixture(scope="module")
def jwks(tmp_path_factory: pytest.TempPathFactory) -> str:
    return CliRunner().invoke(root, ["token", "key", "--out", str(tmp_path_factory.mktemp("keys") / "key.json")]).stdout


@pytest.fixture
def config(tmp_path: Path, jwks: str) -> Path:
    """One that needs no network, with a pepper that nobody else reads."""
    tmp_path.chmod(0o755)
    for name, content in (("jwks.json", jwks), ("keys.yaml", "keys: []\n"), ("pepper", CANARY)):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    issuer = {"issuer": "https://idp.example.com", "audiences": ["a"], "max_lifetime": "1h", "keys": {"file": "jwks.json"}}
    document = {
        "version": 1,
        "server": {"listen": f"unix://{tmp_path}/check.sock"},
        "issuers": {"corp": issuer},
        "api_keys": {"keys": {"store": {"file": "keys.yaml"}, "peppers": {"1": {"file": "pepper"}}}},
        "routes": {"r": {"paths": ["/"], "authenticate": ["corp", "keys"], "require": {"authenticated": True}}},
        "identity_headers": {"x-user-id": "subject", "x-user-issuer": "issuer"},
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(document, indent=1))
    path.chmod(0o600)
    return path


def envoy_for(config: Path, **changes: Any) -> Path:
    """The shipped Envoy configuration, asking at this configuration's socket."""
    parts = Parts()
    parts.address["pipe"]["path"] = str(config.parent / "check.sock")
    parts.filter.update(changes)
    path = config.parent / "envoy.json"
    path.write_text(json.dumps(parts.document, indent=1))
    return path


def as_json(*arguments: str, stdin: str = "") -> Any:
    return json.loads(run(*arguments, "--output", "json", stdin=stdin).stdout)


def test_all_is_well(config: Path) -> None:
    result = run("--config", str(config), "--envoy", str(envoy_for(config)))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("0 errors, 0 warnings, ")
    assert "\x1b[" not in result.stdout
    quiet = run("--config", str(config), "--envoy", str(envoy_for(config)), "--quiet")
    assert len(quiet.stdout.splitlines()) == 1


def test_an_error_is_exit_1_with_its_place_and_the_way_out(config: Path) -> None:
    envoy = envoy_for(config, failure_mode_allow=True)
    result = run("--config", str(config), "--envoy", str(envoy), "--quiet")
    assert result.exit_code == 1
    line, last = result.stdout.splitlines()
    assert line.startswith(f"error    {envoy}:")
    assert line.endswith("(set it to false)")
    assert last.startswith("1 error, 0 warnings, ")
    document = as_json("--config", str(config), "--envoy", str(envoy), "--quiet")
    assert document["ok"] is False
    assert document["counts"]["error"] == 1
    (finding,) = document["findings"]
    assert finding["check"] == "envoy.failure_mode_allow"
    assert finding["file"] == str(envoy)
    assert finding["line"] > 1
    assert finding["key"].endswith("http_filters[0].typed_config.failure_mode_allow")


def test_warnings_are_exit_0_unless_strict(config: Path) -> None:
    arguments = ("--config", str(config), "--envoy", str(envoy_for(config, validate_mutations=False)))
    assert run(*arguments).exit_code == 0
    assert run(*arguments, "--strict").exit_code == 1


def test_warnings_of_validate_are_among_the_findings(config: Path) -> None:
    config.write_text(config.read_text().replace('"max_lifetime": "1h",', ""))
    document = as_json("--config", str(config))
    assert [finding["key"] for finding in document["findings"] if finding["check"] == "config.lint"] == ["issuers.corp.max_lifetime"]


def test_offline_asks_nobody(config: Path) -> None:
    config.write_text(config.read_text().replace('"file": "jwks.json"', '"url": "https://idp.invalid/jwks.json"'))
    document = as_json("--config", str(config), "--offline")
    assert document["ok"] is True
    checks = {finding["check"] for finding in document["findings"]}
    assert "config" in checks
    assert not {check for check in checks if check.startswith(("issuers", "clock"))}


def test_an_invalid_configuration_does_not_stop_the_rest(config: Path) -> None:
    config.write_text(config.read_text().replace('"paths"', f'"{CANARY[:4]}aths"'))
    document = as_json("--config", str(config), "--envoy", str(envoy_for(config, failure_mode_allow=True)))
    checks = {finding["check"] for finding in document["findings"] if finding["severity"] == "error"}
    assert checks == {"config", "envoy.failure_mode_allow"}


def test_envoy_comes_over_standard_input_too(config: Path) -> None:
    stdin = envoy_for(config, failure_mode_allow=True).read_text()
    assert run("--config", str(config), "--envoy", "-", stdin=stdin).exit_code == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("", "is empty"),
        (f"secret: {CANARY}\n", "is no Envoy configuration"),
        (SHIPPED.read_text()[:5000] + f"\n  {CANARY}: [", "not valid YAML"),
        ("{" + f'"a": "{CANARY}', "not valid YAML"),
    ],
)
def test_bad_envoy_input_is_one_sentence_and_exit_3(config: Path, content: str | None, words: str) -> None:
    path = config.parent / "bad.yaml"
    if content is not None:
        path.write_text(content)
    result = run("--config", str(config), "--envoy", str(path))
    assert result.exit_code == 3
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {path}")
    assert words in line
    document = as_json("--config", str(config), "--envoy", str(path))
    assert document["ok"] is False
    assert words in document["error"]


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run("--config", str(tmp_path / "gone.yaml"))
    assert result.exit_code == 3
    assert result.stderr == f"error: {tmp_path}/gone.yaml: no such file or directory\n"


@pytest.mark.parametrize("option", ["--envoy", "--admin"])
def test_an_address_that_is_none_shows_no_credential(config: Path, option: str) -> None:
    result = run("--config", str(config), option, f"http://user:{CANARY}@[::bad/x?key={CANARY}")
    assert result.exit_code == (3 if option == "--envoy" else 1)


def test_every_check_is_explained() -> None:
    """The page has the name of each check, and no other."""
    page = (SHIPPED.parents[1] / "docs" / "how-to" / "doctor.md").read_text()
    named = {name for line in page.splitlines() if line.startswith("| `") for name in re.findall(r"`([a-z_.0-9]+)`", line.split("|")[1])}
    source = "".join(path.read_text() for path in (SHIPPED.parents[1] / "sidecar" / "app" / "doctor").rglob("*.py"))
    said = set(re.findall(r'(?:error|warning|ok|problems)\(\s*(?:Severity\.[A-Z]+, )?"([a-z_.0-9]+)"', source))
    said |= {"envoy.encode_raw_headers", "envoy.validate_mutations", "envoy.normalize_path", "envoy.merge_slashes"}  # by f"envoy.{name}"
    assert len(said) > 50
    files = {"sidecar.yaml", "envoy.yaml", "keys/keys.yaml"}
    assert named - files == said
