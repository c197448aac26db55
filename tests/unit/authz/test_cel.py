"""``when``: CEL over attributes. Errors are unknown, and nothing is handed over that an expression does not name."""

import pytest

from sidecar.authz.cel import check_expression, compile_expression, names_in
from sidecar.authz.ternary import FALSE, OPEN, TRUE, UNKNOWN
from tests.support.inputs import make_input

from .facts import CATALOGUE, facts


def outcome(text: str, **fields: object) -> int:
    names = check_expression(text, CATALOGUE)
    return compile_expression(text, {name: CATALOGUE.find(name) for name in names})(facts(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('user.department == "eng"', TRUE),
        ('user.department == "ops"', FALSE),
        ("user.level < 3", TRUE),
        ("user.level >= 3.5", FALSE),
        ('"manager" in user.role', TRUE),
        ('user.role.exists(r, r.startsWith("man"))', TRUE),
        ('request.path.startsWith("/posts/")', TRUE),
        ('request.headers["x-tenant"] == "acme" && request.headers["x-other"] == "1"', TRUE),
        ("request.headers.accept == '*/*'", TRUE),
        ('request.query["page"] == "2"', TRUE),
        ('environment.time == "12:00" && environment.date == "2026-11-24" && environment.weekday == "tue"', TRUE),
        ('resource.id == "7" && resource.type == "post"', TRUE),
        ('request.path.matches("^/posts/[0-9]+$")', TRUE),
        ("user.tags[0] == 'a' && size(user.tags) == 2", TRUE),
        ('resource.id == "8" || user.department == "eng" // user.nothing', TRUE),
        ("'user.nothing' == user.id", FALSE),
    ],
)
def test_expressions(text: str, expected: int) -> None:
    request = make_input(path="/posts/7?page=2", headers={"x-tenant": "acme", "x-other": "1", "accept": "*/*"})
    assert outcome(text, request=request, roles=("manager",), attributes={"department": "eng", "level": 2, "tags": ["a", "b"]}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "user.level < 3",  # missing
        "user.department < 3",  # another type
        "user.department[0] == 'e'",
        "user.department.name == 'e'",
        'request.headers["x-none"] == "1"',
        'request.query["twice"] == "1"',
        "int(user.department) == 1",
        "user.department",  # dynamic, and no boolean
    ],
)
def test_an_error_is_unknown(text: str) -> None:
    assert outcome(text, request=make_input(path="/posts/7?twice=1&twice=1"), attributes={"department": "eng"}) == UNKNOWN


def test_an_error_that_makes_no_difference() -> None:
    assert outcome('user.level < 3 || user.department == "eng"', attributes={"department": "eng"}) == TRUE
    assert outcome('user.level < 3 && user.department == "ops"', attributes={"department": "eng"}) == FALSE


def test_a_source_that_gave_nothing() -> None:
    seen = facts(attributes={"department": "eng"})
    text = 'resource.owner.team == "x" && user.department == "eng"'
    names = check_expression(text, CATALOGUE)
    holds = compile_expression(text, {name: CATALOGUE.find(name) for name in names})
    assert holds(seen) == OPEN
    assert seen.wanted == ["owners"]
    assert outcome('resource.owner.team == "x" && user.department == "ops"', attributes={"department": "eng"}) == FALSE
    assert outcome('resource.owner == "7"', sources={"resource.owner": {"id": "7"}}) == TRUE


def test_only_what_is_named() -> None:
    assert names_in('user.department == "user.id" && request.headers["X-A"] == r"resource.owner"', CATALOGUE) == (
        "request.headers.X-A",
        "user.department",
    )


@pytest.mark.parametrize("value", [2**70, -(2**70), float("inf"), "\ud800", {"a": {"b": [1, None]}}, [[[]]]], ids=repr)
def test_odd_values_do_no_harm(value: object) -> None:
    assert outcome("user.level == 3", attributes={"level": value}) in {UNKNOWN, FALSE}


def test_a_comparison_that_would_take_for_ever_ends() -> None:
    many = "user.tags.all(a, user.tags.all(b, user.tags.all(c, user.tags.all(d, a == b || c == d || true))))"
    assert outcome(many, attributes={"tags": [str(n) for n in range(200)]}) == UNKNOWN
