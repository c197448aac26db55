"""The commands on real files: what people type, what they get, exit codes, JSON."""

import json
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from sidecar.cli.root import root

ISSUER, AUDIENCE = "https://idp.example.com", "https://api.example.com"


def run(*arguments: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(root, arguments, input=stdin, env={"SIDECAR_CONFIG": ""})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def as_json(*arguments: str, stdin: str = "") -> Any:
    return json.loads(run(*arguments, "--output", "json", stdin=stdin).stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    public = run("token", "key", "--out", str(tmp_path / "key.json")).stdout
    (tmp_path / "jwks.json").write_text(public)
    (tmp_path / "pepper").write_text("a pepper")
    (tmp_path / "keys.yaml").write_text("keys: []\n")
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "max_lifetime": "1h", "keys": {"file": "jwks.json"}, "claims": {"roles": "roles"}}
    store = {"store": {"file": "keys.yaml"}, "peppers": {"1": {"file": "pepper"}}}
    route = {"paths": ["/"], "authenticate": ["corp", "partners"], "require": {"authenticated": True}}
    headers = {"x-user-id": "subject", "x-user-issuer": "issuer"}
    document = {
        "version": 1,
        "issuers": {"corp": issuer},
        "api_keys": {"partners": store},
        "routes": {"r": route},
        "identity_headers": headers,
    }
    (tmp_path / "config.yaml").write_text(json.dumps(document, indent=1))
    return tmp_path


def mint(folder: Path, *more: str) -> str:
    arguments = ("--key", str(folder / "key.json"), "--iss", ISSUER, "--aud", AUDIENCE, "--sub", "alice", *more)
    return run("token", "mint", *arguments).stdout.strip()


def verify(folder: Path, token: str) -> Any:
    return as_json("token", "verify", "--config", str(folder / "config.yaml"), stdin=token)


# --- validate, schema ---


def test_validate_says_that_it_is_valid(folder: Path) -> None:
    result = run("validate", str(folder / "config.yaml"))
    assert result.exit_code == 0
    assert "valid, revision" in result.stdout
    assert as_json("validate", str(folder / "config.yaml"))["ok"] is True


def test_validate_gives_places_and_exit_1(folder: Path) -> None:
    """Security rule 25."""
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace('"paths"', '"pahts"'))
    result = run("validate", str(config))
    assert result.exit_code == 1
    assert f"{config}:" in result.stdout
    assert "routes.r.pahts: error:" in result.stdout
    assert result.stdout.endswith("errors\n")
    errors = as_json("validate", str(config))["errors"]
    assert {"routes.r.pahts"} <= {error["key"] for error in errors}
    assert all(error["line"] > 0 and error["message"] for error in errors)


def test_validate_warns_and_strict_makes_it_count(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace('"max_lifetime": "1h",', ""))
    result = run("validate", str(config))
    assert result.exit_code == 0
    assert "issuers.corp.max_lifetime: warning:" in result.stdout
    assert run("validate", str(config), "--strict").exit_code == 1


def test_a_path_that_is_not_there_is_exit_1(tmp_path: Path) -> None:
    result = run("validate", str(tmp_path / "gone.yaml"))
    assert result.exit_code == 1
    assert "does not exist" in result.stdout


def test_the_schema_accepts_what_validate_accepts(folder: Path) -> None:
    schema = json.loads(run("schema").stdout)
    jsonschema.validate(json.loads((folder / "config.yaml").read_text()), schema)
    assert "keys" in json.loads(run("schema", "--key-file").stdout)["properties"]


# --- keys ---


def test_a_key_from_birth_to_revocation(folder: Path) -> None:
    config = ("--config", str(folder / "config.yaml"))
    made = run("keys", "new", *config, "--id", "billing-1", "--owner", "billing", "--permission", "posts:read", "--expires-in", "90d")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert key.startswith("sk_")
    assert key not in made.stderr
    assert "shown this once" in made.stderr
    digest = run("keys", "hash", *config, stdin=key + "\n").stdout.strip()
    assert digest in (folder / "keys.yaml").read_text()
    listed = run("keys", "list", *config)
    assert "billing-1" in listed.stdout
    assert "pepper 1: 1 live key" in listed.stdout
    assert digest not in listed.stdout
    assert run("keys", "revoke", "billing-1", *config).exit_code == 0
    listing = as_json("keys", "list", *config)
    assert listing["keys"][0]["state"] == "revoked"
    assert listing["peppers"] == {"1": 0}
    assert "may be removed" in run("keys", "list", *config).stdout


def test_keys_of_a_plain_file(folder: Path) -> None:
    file = ("--file", str(folder / "other.yaml"), "--pepper", f"p=file:{folder}/pepper")
    made = as_json("keys", "new", *file, "--id", "ci", "--prefix", "ci", "--cidr", "10.0.0.0/8", "--route", "r")
    assert made["key"].startswith("ci_")
    assert made["entry"]["digest"].startswith("hmac-sha256:p:")
    assert stat.S_IMODE((folder / "other.yaml").stat().st_mode) == 0o600


def test_negative_answers_and_failures_have_their_codes(folder: Path) -> None:
    file = ("--file", str(folder / "keys.yaml"))
    assert run("keys", "revoke", "nobody", *file).exit_code == 1
    assert run("keys", "list", "--file", str(folder / "gone.yaml")).exit_code == 3
    assert run("keys", "new", *file, "--id", "a", "--pepper-id", "9").exit_code == 3
    assert run("keys", "new", *file, "--id", "a", "--expires-in", "soon").exit_code == 3
    assert run("keys", "new", "--id", "a").exit_code == 2
    assert run("keys", "new", *file, "--id", "a", "--pepper", "nonsense").exit_code == 2
    assert run("keys", "new", *file, "--id", "a", "--expires-in", "1d", "--expires-at", "2030-01-01T00:00:00Z").exit_code == 2
    assert run("keys", "new", *file, "--id", "a", "--cidr", "nonsense").exit_code == 1


# --- token ---


def test_a_signing_key_is_private_and_never_overwritten(folder: Path) -> None:
    path = folder / "key.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "d" not in json.loads((folder / "jwks.json").read_text())["keys"][0]
    before = path.read_bytes()
    result = run("token", "key", "--out", str(path))
    assert result.exit_code == 3
    assert path.read_bytes() == before


def test_a_token_is_minted_inspected_and_verified(folder: Path) -> None:
    token = mint(folder, "--claim", 'roles=["viewer"]', "--claim", "team=a=b")
    seen = as_json("token", "inspect", stdin=f"Bearer {token}\n")
    assert seen["verified"] is False
    assert seen["header"] == {"alg": "ES256", "kid": "trial", "typ": "at+jwt"}
    assert (seen["claims"]["roles"], seen["claims"]["team"]) == (["viewer"], "a=b")
    assert "in 4m" in seen["times"]["exp"] or "in 5m" in seen["times"]["exp"]
    result = run("token", "verify", "--config", str(folder / "config.yaml"), stdin=token)
    assert result.exit_code == 0
    assert "subject: alice" in result.stdout
    assert "roles: viewer" in result.stdout


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--expires-in", "-1m"), "exp has passed"),
        (("--claim", "aud=other"), "aud"),
        (("--claim", "iss=https://evil.example.com"), "iss"),
        (("--typ", "logout+jwt"), "typ"),
        (("--claim", "cnf={}"), "cnf"),
        (("--kid", "other"), "kid is not in the issuer's key set"),
    ],
)
def test_verify_says_which_check_fails(folder: Path, more: tuple[str, ...], why: str) -> None:
    verdict = verify(folder, mint(folder, *more))
    assert verdict["verdict"] == "rejected"
    assert why in verdict["failed"]
    assert run("token", "verify", "--config", str(folder / "config.yaml"), stdin=mint(folder, *more)).exit_code == 1


def test_verify_of_a_tampered_token_shows_none_of_it(folder: Path) -> None:
    """Security rule 22."""
    token = mint(folder)
    head, body, signature = token.split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    verdict = verify(folder, f"{head}.{body}.{flipped}")
    assert verdict["failed"] == "the signature does not hold"
    assert flipped not in json.dumps(verdict)


def test_not_a_token(folder: Path) -> None:
    result = run("token", "inspect", stdin="a.b")
    assert result.exit_code == 1
    assert "not three parts" in result.stderr
    assert run("token", "inspect", stdin="\n").exit_code == 2


def test_keys_that_cannot_sign(folder: Path) -> None:
    (folder / "nonsense").write_text("nonsense")
    for arguments in (("--key", str(folder / "nonsense")), ("--key", str(folder / "jwks.json")), ("--key", str(folder / "gone"))):
        result = run("token", "mint", *arguments, "--iss", "i")
        assert result.exit_code == 3
        assert "nonsense\n" not in result.stderr
    assert run("token", "mint", "--key", str(folder / "key.json"), "--iss", "i", "--claim", "nonsense").exit_code == 2


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "EdDSA"])
def test_every_algorithm_verifies(folder: Path, alg: str) -> None:
    public = run("token", "key", "--alg", alg, "--out", str(folder / "other.json")).stdout
    (folder / "jwks.json").write_text(public)
    assert verify(folder, mint(folder, "--key", str(folder / "other.json")))["verdict"] == "verified"


def test_a_shared_secret(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("s" * 32 + "\n")
    config = folder / "config.yaml"
    issuer = f'"algorithms": ["HS256"], "keys": {{"shared_secret": {{"file": "{secret}"}}}}'
    config.write_text(config.read_text().replace('"keys": {\n    "file": "jwks.json"\n   }', issuer))
    assert verify(folder, mint(folder, "--key", str(secret), "--alg", "HS256"))["verdict"] == "verified"
