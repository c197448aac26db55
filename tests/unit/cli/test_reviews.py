"""``who-can``, ``access`` and ``diff``: what they print, and how they end."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.root import root

Change = Callable[[dict[str, Any]], None]


def document() -> dict[str, Any]:
    return {
        "version": 1,
        "server": {"listen": "unix:///run/sidecar/check.sock"},
        "issuers": {
            "corp": {
                "issuer": "https://auth.example.com",
                "audiences": ["https://api.example.com"],
                "keys": {"url": "https://auth.example.com/jwks"},
                "claims": {"email": "email", "roles": {"from": "roles", "allow": ["viewer", "editor"]}, "attributes": {"team": "team"}},
            }
        },
        "api_keys": {"partners": {"credentials": [{"header": "x-api-key", "forward": False}], "store": {"file": "../keys.yaml"}}},
        "roles": {"viewer": {"permissions": ["posts:read"]}, "editor": {"inherits": ["viewer"], "permissions": ["posts:create"]}},
        "users": [{"match": {"issuer": "corp", "subject": "=cmd()"}, "roles": ["editor"], "expires_at": "2099-01-01T00:00:00Z"}],
        "policies": {"sales": {"effect": "allow", "conditions": {"user.team": {"equals": "sales"}}}},
        "routes": {
            "list": {"methods": ["GET"], "paths": ["/posts"], "authenticate": ["corp", "partners"], "require": {"permission": "posts:read"}},
            "create": {
                "methods": ["POST"], "paths": ["/posts"], "authenticate": ["corp"], "require": {"permission": "posts:create", "policies": ["sales"]},
            },
            "files": {"methods": ["GET"], "paths": ["/public/{rest=**}"], "authenticate": ["anonymous"]},
        },
        "identity_headers": {"x-user-id": "subject"},
    }  # fmt: skip


def write(folder: Path, name: str, change: Change = lambda _: None) -> str:
    data = document()
    change(data)
    path = folder / name / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))
    return str(path)


def keys(folder: Path, roles: str = "viewer", **more: object) -> None:
    entry = {"id": "k1", "owner": "billing", "digest": f"sha256:{1:064x}", "roles": [roles], **more}
    (folder / "keys.yaml").write_text(json.dumps({"version": 1, "keys": [entry]}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, list(arguments))


def test_who_can_for_people_programs_and_auditors(tmp_path: Path) -> None:
    keys(tmp_path)
    config = write(tmp_path, "old")
    text = run("who-can", "list", "--config", config)
    assert text.exit_code == 0, text.output
    assert "always  role:editor of corp  editor > viewer > posts:read" in text.output
    assert "always  key:partners/k1" in text.output
    data = json.loads(run("who-can", "posts:create", "--config", config, "--output", "json").output)
    assert {row["who"]: row["verdict"] for row in data["rows"]} == {"role:editor of corp": "depends", "corp:=cmd()": "depends"}
    assert data["rows"][0]["conditions"] == ["policy sales: user.team equals sales"]
    rows = list(csv.DictReader(io.StringIO(run("who-can", "posts:create", "--config", config, "--output", "csv").output)))
    assert [row["name"] for row in rows] == ["editor", "'=cmd()"]  # no formula for a spreadsheet
    assert rows[1]["validity"] == "until 2099-01-01T00:00:00Z"


def test_access_by_every_form(tmp_path: Path) -> None:
    keys(tmp_path)
    config = write(tmp_path, "old")
    for principal, said in (
        ("anonymous", "always  files"),
        ("key:partners/k1", "always  list"),
        ("role:editor", "depends  create"),
        ("corp:=cmd()", "granted: role editor until 2099-01-01T00:00:00Z"),
        ("corp:nobody", "`users` gives corp:nobody nothing"),
        ("role:viewer", "held by the keys key:partners/k1"),
    ):
        result = run("access", principal, "--config", config)
        assert result.exit_code == 0
        assert said in result.output


def test_time_limits_count(tmp_path: Path) -> None:
    keys(tmp_path, not_before="2098-01-01T00:00:00Z", expires_at="2098-06-01T00:00:00Z", cidrs=["10.0.0.0/8"])
    config = write(tmp_path, "old")
    result = run("access", "key:partners/k1", "--config", config)
    assert "if the credential: not before 2098-01-01T00:00:00Z" in result.output
    assert "if the credential: from 10.0.0.0/8" in result.output
    assert "key:partners/k1 is expired" in run("access", "key:partners/k1", "--config", config, "--at", "2099-01-01T00:00:00Z").output
    later = run("access", "corp:=cmd()", "--config", config, "--at", "2099-06-01T00:00:00Z").output
    assert "gives corp:=cmd() nothing" in later


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("who-can", "posts:raed"), "did you mean 'posts:read'?"),
        (("access", "corpus:ann"), "did you mean 'corp'?"),
        (("access", "key:partners/k1x"), "did you mean 'k1'?"),
        (("access", "key:nowhere/k1"), "there is no key store 'nowhere'"),
        (("access", "role:viever"), "did you mean 'viewer'?"),
        (("access", "ann"), "write ISSUER:SUBJECT"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, arguments: tuple[str, str], said: str) -> None:
    keys(tmp_path)
    result = run(*arguments, "--config", write(tmp_path, "old"))
    assert result.exit_code == 3
    assert said in result.output


def gain(data: dict[str, Any]) -> None:
    data["roles"]["viewer"]["permissions"].append("posts:create")


CHANGES: list[tuple[str, Change, str, int]] = [
    ("a role gains", gain, "opens    create: role:viewer of corp", 3),
    ("a policy goes", lambda data: data["routes"]["create"].update(require={"permission": "posts:create"}), "after: always", 3),
    ("a policy is another", lambda data: data["policies"]["sales"].update(conditions={"user.team": {"equals": "it"}}), "changes  create", 3),
    ("a policy allows less", lambda data: data["routes"]["list"]["require"].update(policies=["sales"]), "closes   list", 0),
    ("a route is renamed", lambda data: data["routes"].update(posts=data["routes"].pop("list")), "note     routes.posts", 0),
    ("a route is new", lambda data: data["routes"].update(new={"paths": ["/n"], "authenticate": ["anonymous"]}), "opens    (no route) → new: anonymous", 3),
    ("a path is narrower", lambda data: data["routes"]["files"].update(paths=["/public/{a}"]), "closes   files → (no route): anonymous callers", 0),
    ("a preflight", lambda data: data["routes"]["create"].update(cors_preflight="allow"), "opens    create (preflight)", 3),
    ("a path feature", lambda data: data["routes"]["files"].update(allow=["dots"]), "opens    files (path)", 3),
    ("an audience", lambda data: data["issuers"]["corp"]["audiences"].append("https://b.example"), "opens    issuers.corp.audiences", 3),
    ("an algorithm less", lambda data: data["issuers"]["corp"].update(algorithms=["RS256"]), "closes   issuers.corp.algorithms", 0),
    ("a header goes", lambda data: data.update(identity_headers={"x-user": "subject"}), "opens    identity_headers.x-user-id", 3),
    ("anonymous", lambda data: data["routes"]["list"]["authenticate"].append("anonymous"), "no access changes", 0),
    ("other issuer keys", lambda data: data["issuers"]["corp"].update(keys={"discovery": True}), "changes  issuers.corp.keys", 3),
    ("plain http", lambda data: data["issuers"]["corp"].update(keys={"url": "http://a.example/k", "unsafe_http": True}), "opens    unsafe.issuers.corp", 3),
    ("an allow-list", lambda data: data["issuers"]["corp"]["claims"]["roles"].pop("allow"), "opens    issuers.corp.claims.roles", 3),
    ("a person", lambda data: data["users"].append({"match": {"issuer": "corp", "subject": "bo"}, "roles": ["viewer"]}), "opens    list: corp:bo", 3),
    ("a grant ends later", lambda data: data["users"][0].update(expires_at="2099-02-01T00:00:00Z"), "opens    create: corp:=cmd()", 3),
    ("a grant ends sooner", lambda data: data["users"][0].update(expires_at="2098-02-01T00:00:00Z"), "closes   create: corp:=cmd()", 0),
    ("a claim more", lambda data: data["policies"]["sales"].update(when="user.claims.tier == 'gold'"), "closes   create", 0),
    ("an attribute of another claim", lambda data: data["issuers"]["corp"]["claims"]["attributes"].update(team="t"), "changes  issuers.corp", 3),
    ("nothing", lambda _: None, "no access changes", 0),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said", "code"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_diff_says_what_opens(tmp_path: Path, change: Change, said: str, code: int) -> None:
    result = run("diff", write(tmp_path, "old"), write(tmp_path, "new", change), "--no-files")
    assert result.exit_code == code, result.output
    assert said in result.output


def test_diff_of_keys(tmp_path: Path) -> None:
    old, new = tmp_path / "one", tmp_path / "two"
    for folder in (old, new):
        folder.mkdir()
    keys(old)
    keys(new, "editor", expires_at="2099-01-01T00:00:00Z")
    data = json.loads(run("diff", write(old, "c"), write(new, "c"), "--output", "json").output)
    assert data["effect"] == "closes"
    assert [(change["effect"], change["who"]) for change in data["changes"]] == [("closes", ["key:partners/k1"])]


@pytest.mark.parametrize(("fail_on", "code"), [("opens", 0), ("any", 3), ("none", 0)])
def test_what_fails_can_be_chosen(tmp_path: Path, fail_on: str, code: int) -> None:
    def closes(data: dict[str, Any]) -> None:
        del data["routes"]["files"]

    assert run("diff", write(tmp_path, "old"), write(tmp_path, "new", closes), "--no-files", "--fail-on", fail_on).exit_code == code
    assert run("diff", write(tmp_path, "old"), write(tmp_path, "new", gain), "--no-files", "--fail-on", "none").exit_code == 0


def test_a_diff_that_cannot_be_made_is_exit_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nroutez: {}\n")
    assert run("diff", write(tmp_path, "old"), str(broken), "--no-files").exit_code == 1
    assert run("diff", write(tmp_path, "old"), str(tmp_path / "nowhere.yaml"), "--no-files").exit_code == 1


def record(decision: str, reason: str, route: str, path: str = "/posts", method: str = "GET", **principal: str) -> str:
    fields = {"time": "2026-11-24T09:12:04.318201Z", "decision_id": "a" * 16, "decision": decision, "reason": reason, "route": route}
    fields |= {"method": method, "host": "api.example.com", "path": path, "source_ip": "10.0.0.1"}
    return json.dumps({**fields, **({"principal": principal} if principal else {})})


CORP = {"issuer": "https://auth.example.com", "subject": "alice", "authenticator": "corp"}
BILLING = {"issuer": "partners", "subject": "billing", "authenticator": "partners", "key_id": "k1"}


def test_records_are_decided_again(tmp_path: Path) -> None:
    keys(tmp_path)

    def change(data: dict[str, Any]) -> None:
        gain(data)
        data["routes"]["create"]["require"] = {"permission": "posts:create"}
        data["routes"]["list"]["authenticate"] = ["corp"]
        data["routes"]["open"] = {"paths": ["/o"], "authenticate": ["anonymous"]}

    records = tmp_path / "r.jsonl"
    lines = [
        record("allow", "permitted", "list", **CORP),
        record("deny", "insufficient_permission", "create", method="POST", **CORP),
        record("allow", "permitted", "list", **BILLING),
        record("allow", "permitted", "list", **BILLING),
        record("deny", "no_route", "", path="/o"),
        record("allow", "anonymous", "files", path="/public/x"),
        record("deny", "invalid_token", "list"),
        "nonsense",
    ]
    records.write_text("\n".join(lines))
    result = run("diff", write(tmp_path, "old"), write(tmp_path, "new", change), "--records", str(records), "--output", "json")
    assert result.exit_code == 3, result.output
    found = json.loads(result.output)["records"]
    assert found["counts"] == {"records": 8, "unchanged": 2, "changes": 1, "closes": 2, "opens": 1}
    assert sum(found["left_out"].values()) == 2
    assert [(one["effect"], one["times"], one["caller"]) for one in found["changes"]] == [
        ("opens", 1, "anonymous"), ("changes", 1, "corp:alice"), ("closes", 2, "key:partners/k1"),
    ]  # fmt: skip
    shown = run("diff", write(tmp_path, "old"), write(tmp_path, "new", change), "--records", str(records))
    assert "closes   2 times key:partners/k1: GET api.example.com/posts" in shown.output


def test_the_same_configuration_decides_the_same(tmp_path: Path) -> None:
    keys(tmp_path)
    (tmp_path / "r.jsonl").write_text(record("allow", "permitted", "create", method="POST", **CORP))
    config = write(tmp_path, "old")
    result = run("diff", config, config, "--records", str(tmp_path / "r.jsonl"), "--output", "json")
    assert result.exit_code == 0
    assert json.loads(result.output)["records"]["counts"] == {"records": 1, "unchanged": 1}
