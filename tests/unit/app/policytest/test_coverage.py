"""Only what had a say is covered."""

from pathlib import Path
from typing import Any

from .site import run_cases

CONFIG = """
version: 1
server: {listen: "unix:///run/sidecar/check.sock"}
issuers:
  corp: {issuer: https://auth.example.com, audiences: [a], keys: {discovery: true}, claims: {roles: roles, attributes: {a: a, b: b, c: c}}}
roles: {viewer: {}}
policies:
  first: {effect: deny, conditions: {user.a: {equals: deny}}}
  second: {effect: deny, conditions: {user.b: {equals: deny}}}
  both: {effect: allow, conditions: {and: [{user.a: {equals: one}}, {user.b: {equals: one}}]}}
  either: {effect: allow, conditions: {or: [{user.a: {equals: two}}, {not: {user.b: {equals: two}}}]}}
  shadowed: {effect: allow, mode: shadow, conditions: {user.c: {equals: one}}}
routes:
  all:
    methods: [GET]
    paths: [/]
    authenticate: [corp]
    deny: [first, second]
    require: {role: viewer, policies: [both, shadowed]}
  some: {methods: [GET], paths: [/some], authenticate: [corp], require: {any_policy: [both, either]}}
"""


def seen(folder: Path, path: str, *, roles: bool = True, **attributes: Any) -> dict[str, set[str]]:
    """What one request of one person covers, by policy or part: the ways; and ``reached`` the policies."""
    principal = {"roles": ["viewer"] if roles else [], "attributes": attributes}
    report = run_cases(folder, {"one": {"principal": principal, "request": f"GET {path}", "expect": "allow"}}, CONFIG)
    found: dict[str, set[str]] = {}
    for point, count in report.coverage.points.items():
        if count and point.kind in {"condition", "require"}:
            found.setdefault(point.key.removeprefix("policies."), set()).add(point.way)
        elif count and point.kind == "policy":
            found.setdefault("reached", set()).add(point.key.removeprefix("policies."))
    return found


def test_everything_up_to_an_allow(tmp_path: Path) -> None:
    assert seen(tmp_path, "/", a="one", b="one", c="one") == {
        "reached": {"first", "second", "both", "shadowed"},
        "routes.all.require.role": {"met"},
        "first.conditions.user.a.equals": {"false"},
        "second.conditions.user.b.equals": {"false"},
        "both.conditions.and[0].user.a.equals": {"true"},
        "both.conditions.and[1].user.b.equals": {"true"},
        "shadowed.conditions.user.c.equals": {"true"},
    }


def test_nothing_behind_a_deny_policy(tmp_path: Path) -> None:
    assert seen(tmp_path, "/", a="deny", b="deny") == {"reached": {"first"}, "first.conditions.user.a.equals": {"true"}}
    found = seen(tmp_path, "/", a="no", b="deny")
    assert found == {
        "reached": {"first", "second"},
        "first.conditions.user.a.equals": {"false"},
        "second.conditions.user.b.equals": {"true"},
    }


def test_only_deny_policies_where_the_role_is_missing(tmp_path: Path) -> None:
    found = seen(tmp_path, "/", roles=False, a="x", b="x")
    assert found["reached"] == {"first", "second", "shadowed"}
    assert found["routes.all.require.role"] == {"not met"}
    assert not [key for key in found if key.startswith("both.")]


def test_nothing_behind_what_settles_an_and_or_an_or(tmp_path: Path) -> None:
    found = seen(tmp_path, "/", a="x", b="x", c="x")
    assert found["both.conditions.and[0].user.a.equals"] == {"false"}
    assert "both.conditions.and[1].user.b.equals" not in found
    found = seen(tmp_path, "/some", a="two", b="two")
    assert found["either.conditions.or[0].user.a.equals"] == {"true"}
    assert [key for key in found if key.startswith("either.")] == ["either.conditions.or[0].user.a.equals"]
    found = seen(tmp_path, "/some", a="x", b="two")
    assert {key: ways for key, ways in found.items() if key.startswith("either.")} == {
        "either.conditions.or[0].user.a.equals": {"false"},
        "either.conditions.or[1].not.user.b.equals": {"true"},
    }
