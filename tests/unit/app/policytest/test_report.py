"""What is said of the results: differences, tables, coverage, JUnit, data."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sidecar.app.policytest.coverage import Point, coverage_of
from sidecar.app.policytest.data import report_data
from sidecar.app.policytest.junit import junit
from sidecar.app.policytest.words import MAX_CELLS, coverage_lines, never_reached, report_lines

from .site import configured, run_text

TEXT = """version: 1
now: 2026-03-02T12:00:00Z
principals:
  meg: {authenticator: corp, roles: [manager], attributes: {department: sales, clearance_level: 5}}
  vic: {authenticator: corp, roles: [viewer]}
cases:
  right: {principal: meg, request: GET /posts, expect: allow}
  wrong: {principal: vic, request: POST /posts, expect: allow}
matrices:
  table:
    principals:      [anonymous, vic,    meg]
    rows:
      GET /posts:    [deny,      allow,  allow]
      POST /posts:   [deny,      allow,  insufficient_permission]
      GET /d/sales:  [-,         policy_not_satisfied, allow]
"""


def plain(text: str, colour: str) -> str:
    return text


def marked(text: str, colour: str) -> str:
    return f"<{colour}>{text}</>"


def test_failures_in_words(tmp_path: Path) -> None:
    report = run_text(tmp_path, TEXT)
    assert list(report_lines(report, plain)) == [
        "✗ wrong",
        f"    {tmp_path}/t.yaml:8, POST /posts as vic",
        "    decision  expected allow, was deny",
        "    it was deny: insufficient_permission, by routes.create.require.permission",
        "    permission posts:create not met",
        "    → missing permission posts:create; granted by the role manager",
        "✗ table: 2 of 8 cells are otherwise",
        f"    {tmp_path}/t.yaml:14",
        "                  anonymous  vic                   meg",
        "    GET /posts    deny       allow                 allow",
        "    POST /posts   deny       deny (not allow)      permitted (not insufficient_permission)",
        "    GET /d/sales  -          policy_not_satisfied  allow",
        "  POST /posts as vic (line 14)",
        "    decision  expected allow, was deny",
        "    it was deny: insufficient_permission, by routes.create.require.permission",
        "    permission posts:create not met",
        "    → missing permission posts:create; granted by the role manager",
        "  POST /posts as meg (line 14)",
        "    decision  expected deny, was allow",
        "    reason    expected insufficient_permission, was permitted",
        "    it was allow: permitted, by routes.create.require.permission",
        "10 decisions of config.yaml (revision r1): 3 failed",
    ]
    assert "    POST /posts   deny       <red>deny (not allow)</>     " in "\n".join(report_lines(report, marked))


def test_a_policy_that_decided_otherwise_is_shown_with_its_values(tmp_path: Path) -> None:
    text = TEXT.replace("POST /posts, expect: allow", "GET /d/legal, expect: allow")
    lines = list(report_lines(run_text(tmp_path, text), plain))
    at = lines.index("    policies.same-department: unknown  all of")
    assert lines[at + 1].strip().startswith("conditions.and[0].user.department.equals: unknown  user.department equals resource.department")
    assert '"legal"' in lines[at + 1]


def test_a_wide_failure_stays_readable(tmp_path: Path) -> None:
    rows = "".join(f"      GET /posts?{number}: [deny]\n" for number in range(MAX_CELLS + 3))
    text = f"{TEXT[: TEXT.index('matrices')]}matrices:\n  m:\n    principals: [meg]\n    rows:\n{rows}"
    lines = list(report_lines(run_text(tmp_path, text), plain))
    assert "  and 3 more" in lines


def test_coverage(tmp_path: Path) -> None:
    coverage = run_text(tmp_path, TEXT).coverage
    assert never_reached(coverage) == [
        "routes.upload",
        "routes.guarded",
        "routes.public",
        "policies.secret-body",
        "policies.unused-by-tests",
    ]
    assert coverage.points[Point("require", "routes.create.require.permission", "met")] == 1
    assert coverage.points[Point("require", "routes.create.require.permission", "not met")] == 2
    assert Point("require", "routes.upload.require.authenticated", "not met") not in coverage.points
    assert coverage.missing("condition") == [
        Point("condition", "policies.same-department.conditions.and[0].user.department.equals", "false"),
        Point("condition", "policies.same-department.conditions.and[1].environment.time.between", "false"),
        Point("condition", "policies.secret-body.conditions.request.body.secret.equals", "true"),
        Point("condition", "policies.secret-body.conditions.request.body.secret.equals", "false"),
        Point("condition", "policies.unused-by-tests.conditions.user.clearance_level.less_than", "true"),
        Point("condition", "policies.unused-by-tests.conditions.user.clearance_level.less_than", "false"),
    ]
    lines = list(coverage_lines(coverage, plain))
    assert lines[0] == f"coverage: {coverage.percent:.0f} %"
    assert "  routes: 3 of 6" in lines
    assert "    routes.public never reached" in lines
    assert "    policies.secret-body.conditions.request.body.secret.equals never true: request.body.secret equals true" in lines
    assert coverage.percent == 37.5


def test_coverage_of_nothing_is_whole() -> None:
    validated = configured('version: 1\nserver: {listen: "unix:///run/sidecar/check.sock"}\nroutes: {}\n')
    assert coverage_of(validated.settings, ()).percent == 100


def test_junit(tmp_path: Path) -> None:
    text = TEXT.replace("  wrong:", '  "a <b> & \\"c\\" \\u0007":')
    tree = ET.fromstring(junit(run_text(tmp_path, text)))
    assert (tree.get("tests"), tree.get("failures"), tree.get("errors")) == ("10", "3", "0")
    (suite,) = tree
    assert suite.get("name") == f"{tmp_path}/t.yaml"
    cases = list(suite)
    assert len(cases) == 10
    failed = [case for case in cases if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == [
        'a <b> & "c" \ufffd', "table: POST /posts as vic", "table: POST /posts as meg",
    ]  # fmt: skip
    failure = failed[0].find("failure")
    assert failure is not None
    assert failure.get("message") == "decision: expected allow, was deny"
    assert "rule: routes.create.require.permission" in (failure.text or "")
    assert {case.get("line") for case in failed} == {"8", "14"}


def test_data_for_programs(tmp_path: Path) -> None:
    data = json.loads(json.dumps(report_data(run_text(tmp_path, TEXT))))
    assert (data["passed"], data["failed"]) == (7, 3)
    wrong = next(result for result in data["results"] if not result["ok"])
    assert (wrong["name"], wrong["line"], wrong["reason"]) == ("wrong", 8, "insufficient_permission")
    assert wrong["differences"] == [{"what": "decision", "wanted": "allow", "found": "deny"}]
    assert data["results"][-1]["policies"] == {"same-department": "true"}
    assert data["coverage"]["seen"]["route"] == {"seen": 3, "of": 6}
    assert {"kind": "route", "key": "routes.public", "way": "", "text": ""} in data["coverage"]["never"]


@pytest.mark.parametrize("secret", ["s3cr3t-canary"])
def test_no_credential_is_shown(tmp_path: Path, secret: str) -> None:
    """Security rule 22."""
    (tmp_path / "key").write_text(secret)
    (tmp_path / "pepper").write_text("0" * 64)
    (tmp_path / "keys.yaml").write_text("keys: []")
    text = "version: 1\ncases: {a: {principal: {api_key: {file: key}}, request: GET /posts, expect: allow}}\n"
    report = run_text(tmp_path, text)
    shown = "\n".join([*report_lines(report, plain), junit(report), json.dumps(report_data(report)), repr(report)])
    assert report.failed
    assert secret not in shown
