"""``sidecar explain``: what it takes, what it refuses, what it never shows."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import MessageToJson

from sidecar.authn.mint import new_private_jwk, public_jwks, sign
from sidecar.cli.root import root
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest
from sidecar.wire.saved import compose

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"
POSTS = "https://api.example.com/posts"
CANARY = "s3cr3t-canary"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A configuration, and a token of it for somebody who may read."""
    folder = tmp_path_factory.mktemp("explain")
    key = new_private_jwk("ES256", "k1")
    (folder / "jwks.json").write_text(json.dumps(public_jwks(key)))
    data: dict[str, Any] = {
        "version": 1,
        "server": {"listen": "unix:///run/sidecar/check.sock"},
        "issuers": {"corp": {"issuer": ISSUER, "audiences": [AUDIENCE], "keys": {"file": "jwks.json"}, "claims": {"roles": "roles"}}},
        "roles": {"viewer": {"permissions": ["posts:read"]}},
        "routes": {
            "list": {"methods": ["GET"], "paths": ["/posts"], "authenticate": ["corp"], "require": {"permission": "posts:read"}},
            "local": {"paths": ["/local"], "match": {"context": {"vhost": "one"}}, "authenticate": ["anonymous"]},
        },
    }
    (folder / "sidecar.yaml").write_text(json.dumps(data))
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "roles": ["viewer"], "iat": 1_700_000_000, "exp": 4_000_000_000}
    return str(folder / "sidecar.yaml"), sign(json.dumps(key).encode(), None, {"kid": "k1", "typ": "at+jwt"}, claims)


def run(config: str, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(root, ["explain", "--config", config, *arguments], input=stdin)


def test_an_allow(site: tuple[str, str]) -> None:
    config, token = site
    result = run(config, "GET", POSTS, "--token-stdin", stdin=f"Bearer {token}\n")
    assert result.exit_code == 0, result.output
    assert "rule: routes.list.require.permission" in result.output
    assert "set x-user-id: alice" in result.output
    assert token.rpartition(".")[2] not in result.output


def test_json_for_programs(site: tuple[str, str]) -> None:
    config, token = site
    result = run(config, "GET", POSTS, "--output", "json", "-H", f"Authorization: Bearer {token}")
    data = json.loads(result.output)
    assert (data["decision"], data["reason"], data["route"]) == ("allow", "permitted", "list")
    assert [step["phase"] for step in data["steps"]][:3] == ["host", "path", "route"]
    denied = json.loads(run(config, "GET", POSTS, "--output", "json").output)
    assert (denied["decision"], denied["status"], len(denied["nearest"])) == ("deny", 401, 1)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_saved_check(site: tuple[str, str], tmp_path: Path, as_json: bool) -> None:
    config, token = site
    data = compose("GET", "api.example.com", "/posts", [("authorization", f"Bearer {token}")], "10.0.0.1", {})
    saved = tmp_path / "check"
    saved.write_bytes(MessageToJson(CheckRequest.FromString(data)).encode() if as_json else data)
    assert run(config, "--check", str(saved)).exit_code == 0


def test_the_path_is_taken_byte_for_byte(site: tuple[str, str]) -> None:
    result = run(site[0], "GET", "https://api.example.com/a/../posts%2F?x=1#y")
    assert "received: /a/../posts%2F" in result.output
    assert run(site[0], "GET", "https://api.example.com?x").output.splitlines()[1].split() == ["✓", "path", "/"]


def test_context_and_time(site: tuple[str, str]) -> None:
    config, token = site
    assert run(config, "GET", "https://api.example.com/local").exit_code == 1
    assert run(config, "GET", "https://api.example.com/local", "--context", "vhost=one").exit_code == 0
    late = run(config, "GET", POSTS, "--token-stdin", "--at", "2100-01-01T00:00:00Z", stdin=token)
    assert "reason: expired_token" in late.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give METHOD and URL"),
        (["GET", "/posts"], "is not a whole URL"),
        (["GET", "ftp://x/y"], "is not a whole URL"),
        (["GET", POSTS, "-H", f"no colon {CANARY}"], "-H wants 'NAME: VALUE'"),
        (["GET", POSTS, "--context", "x"], "--context wants KEY=VALUE"),
        (["GET", POSTS, "--at", "yesterday"], "--at wants a time"),
        (["GET", POSTS, "--at", "2026-01-01T00:00:00"], "--at wants a time zone"),
        (["GET", POSTS, "--token-stdin"], "there is nothing on standard input"),
        (["--check", "/nonexistent"], "does not exist"),
        (["GET", POSTS, "--check", __file__], "--check is a whole request"),
    ],
)
def test_a_wrong_command_line_says_what_is_wanted(site: tuple[str, str], arguments: list[str], said: str) -> None:
    result = run(site[0], *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert CANARY not in result.output


@pytest.mark.parametrize("content", [b"nonsense", b"{nonsense", b'{"attributes": 5}', b"", b"\x0a\x05half", b"\xff" * 50])
def test_a_file_that_is_no_check(site: tuple[str, str], tmp_path: Path, content: bytes) -> None:
    saved = tmp_path / "check"
    saved.write_bytes(content)
    result = run(site[0], "--check", str(saved))
    assert result.exit_code == 3
    assert str(saved) in result.output
    assert "Traceback" not in result.output


def test_half_a_check_is_a_decision(site: tuple[str, str], tmp_path: Path) -> None:
    """The sidecar would deny it, so that is what is explained."""
    (tmp_path / "check").write_text('{"attributes": {"source": {"principal": "x"}}}')
    result = run(site[0], "--check", str(tmp_path / "check"))
    assert result.exit_code == 1
    assert "a check without an HTTP request" in result.output


def test_what_is_no_token_is_not_repeated(site: tuple[str, str]) -> None:
    """Security rule 22."""
    for value in (CANARY, f"a.{CANARY}.c", f"{CANARY}.{CANARY}.{CANARY}"):
        result = run(site[0], "GET", POSTS, "--token-stdin", stdin=value)
        assert result.exit_code == 1
        assert "reason: invalid_token" in result.output
        assert CANARY not in result.output


def test_an_invalid_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("version: 1\nroutez: {}\n")
    result = run(str(tmp_path / "c.yaml"), "GET", POSTS)
    assert result.exit_code == 1
    assert "routez" in result.output
    assert run("/nonexistent.yaml", "GET", POSTS).exit_code in {1, 3}
