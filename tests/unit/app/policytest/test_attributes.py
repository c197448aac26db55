"""Attribute sources give what the tests say, and none is ever asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from .site import NOON, problems, run_text

CONFIG = """
version: 1
server: {listen: "unix:///run/sidecar/check.sock"}
issuers: {corp: {issuer: https://auth.example.com, audiences: [a], keys: {discovery: true}, claims: {roles: roles}}}
attributes:
  post-owner: {provides: resource.owner, http: {url: "http://127.0.0.1:8081/posts/{post_id}/owner"}, timeout: 30ms, cache: 30s}
  levels: {provides: user.level, file: {path: levels.json, format: json, key: "{user.id}"}}
  regions: {provides: resource.region, static: {key: "{post_id}", values: {"1": eu, "2": us}}}
policies:
  own: {effect: allow, conditions: {resource.owner: {equals: {ref: user.id}}}}
  low: {effect: deny, conditions: {user.level: {less_than: 3}}}
  outside: {effect: deny, conditions: {resource.region: {equals: us}}}
routes:
  read: {methods: [GET], paths: ["/posts/{post_id}"], authenticate: [corp], require: {policies: [own]}}
  edit: {methods: [PUT], paths: ["/posts/{post_id}"], authenticate: [corp], require: {authenticated: true}, deny: [low]}
  ship: {methods: [POST], paths: ["/posts/{post_id}"], authenticate: [corp], require: {authenticated: true}, deny: [outside]}
"""


def said(folder: Path, request: str, shared: dict[str, Any] | None = None, own: dict[str, Any] | None = None) -> tuple[str, list[str]]:
    """The reason, and the sources that the tests should have answered for."""
    case = {"principal": "ann", "request": request, "expect": {"status": 599}, **({"attributes": own} if own else {})}
    data = {"version": 1, "now": NOON, "principals": {"ann": {}}, "attributes": shared or {}, "cases": {"one": case}}
    (result,) = run_text(folder, json.dumps(data), CONFIG).results
    return str(result.decided.reason), [wrong.what for wrong in result.wrong if wrong.what != "status"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"answer": {"id": "ann"}}, "permitted"),
        ({"answer": "ann"}, "permitted"),
        ({"answer": {"id": "bob"}}, "policy_not_satisfied"),
        ({"answer": None}, "policy_not_satisfied"),
        ("missing", "policy_not_satisfied"),
        ("unavailable", "dependency_unavailable"),
    ],
)
def test_a_source_over_http(tmp_path: Path, answer: Any, reason: str) -> None:
    assert said(tmp_path, "GET /posts/1", {"post-owner": answer}) == (reason, [])


def test_a_case_goes_before_its_file(tmp_path: Path) -> None:
    shared = {"post-owner": {"answer": "ann"}}
    assert said(tmp_path, "GET /posts/1", shared, {"post-owner": "missing"}) == ("policy_not_satisfied", [])


def test_a_table_in_a_file(tmp_path: Path) -> None:
    assert said(tmp_path, "PUT /posts/1", {"levels": {"answer": 3}}) == ("permitted", [])
    assert said(tmp_path, "PUT /posts/1", {"levels": {"answer": 2}}) == ("policy_denied", [])
    assert said(tmp_path, "PUT /posts/1", {"levels": "unavailable"}) == ("dependency_unavailable", [])


def test_a_table_in_the_configuration_counts_as_it_is(tmp_path: Path) -> None:
    assert said(tmp_path, "POST /posts/1") == ("permitted", [])
    assert said(tmp_path, "POST /posts/2") == ("policy_denied", [])


def test_a_source_that_nothing_is_said_of_fails_the_case(tmp_path: Path) -> None:
    assert said(tmp_path, "GET /posts/1") == ("dependency_unavailable", ["attributes.post-owner"])
    text = json.dumps({"version": 1, "cases": {"one": {"principal": {"subject": "a"}, "request": "GET /posts/1", "expect": "deny"}}})
    (result,) = run_text(tmp_path, text, CONFIG).results
    assert [wrong.what for wrong in result.wrong] == ["attributes.post-owner"]


def test_answers_for_what_is_not_there(tmp_path: Path) -> None:
    case = "cases: {a: {request: GET /posts/1, expect: deny}}\n"
    assert problems(tmp_path, f"version: 1\nattributes: {{post-owners: missing}}\n{case}", CONFIG) == [
        "t.yaml:2: attributes.post-owners: there is no attribute source 'post-owners' (did you mean 'post-owner'?)"
    ]
    assert problems(tmp_path, f"version: 1\nattributes: {{regions: missing}}\n{case}", CONFIG) == [
        "t.yaml:2: attributes.regions: attributes.regions is a table in the configuration itself, which counts as it is (remove it)"
    ]


def test_the_rule_may_be_a_source(tmp_path: Path) -> None:
    expect = {"rule": "attributes.post-owner", "status": 503}
    case = {"principal": {"subject": "a"}, "request": "GET /posts/1", "attributes": {"post-owner": "unavailable"}, "expect": expect}
    assert not run_text(tmp_path, json.dumps({"version": 1, "cases": {"one": case}}), CONFIG).failed


def test_conditions_are_seen_with_what_the_source_gave(tmp_path: Path) -> None:
    def outcome(answer: Any, expected: object) -> bool:
        expect = {"policies": {"own": expected}}
        case = {"principal": {"subject": "ann"}, "request": "GET /posts/1", "attributes": {"post-owner": answer}, "expect": expect}
        return not run_text(tmp_path, json.dumps({"version": 1, "cases": {"one": case}}), CONFIG).failed

    assert outcome({"answer": "ann"}, expected=True)
    assert outcome({"answer": "bob"}, expected=False)
    assert outcome("missing", expected="unknown")
    assert outcome("unavailable", expected="unknown")
