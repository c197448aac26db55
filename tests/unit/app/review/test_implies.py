"""When one part of a demand certainly implies another, and when that cannot be shown."""

import pytest

from sidecar.app.review.atoms import Atom, Audience, Begins, Ends, Holds, Leaf, Named, Scope, Within, atom_text, condition_text, implies
from sidecar.app.review.changes import effect_between
from sidecar.app.review.demand import Clause
from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Expression, Not, Operand, Ref


def leaf(operator: str, operand: Operand, *, wanted: bool = True, attribute: str = "user.department", meaning: object = "") -> Leaf:
    return Leaf(wanted, attribute, operator, repr(operand), meaning, None, Comparison("", attribute, operator, operand))


TIME = "environment.time"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Named(), Named()),
        (Holds("posts:*"), Holds("posts:read")),
        (Audience(frozenset({"a"})), Audience(frozenset({"a", "b"}))),
        (Begins(2.0), Begins(1.0)),
        (Ends(1.0), Ends(2.0)),
        (Within(("10.0.0.0/8",)), Within(("10.0.0.0/8", "192.0.2.0/24"))),
        (leaf("equals", "a"), leaf("in", ("a", "b"))),
        (leaf("in", ("a", "b"), wanted=False), leaf("equals", "a", wanted=False)),
        (leaf("between", ("09:00", "17:00"), attribute=TIME), leaf("between", ("08:00", "17:00"), attribute=TIME)),
        (leaf("between", (2, 3)), leaf("between", (1, 3.5))),
    ],
)
def test_one_implies_the_other_and_not_the_reverse(one: Atom, other: Atom) -> None:
    assert implies(one, other)
    assert implies(other, one) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Scope("a"), Scope("b")),
        (leaf("equals", 1), leaf("equals", True)),
        (leaf("equals", "a"), leaf("in", ("a", Ref("user.id")))),
        (leaf("equals", "a"), leaf("equals", "a", wanted=False)),
        (leaf("equals", "a"), leaf("in", ("a", "b"), attribute="user.id")),
        (leaf("equals", "a"), leaf("in", ("a", "b"), meaning="another zone")),
        (leaf("between", ("22:00", "06:00"), attribute=TIME), leaf("between", ("21:00", "07:00"), attribute=TIME)),
        (leaf("between", ("a", "b")), leaf("between", ("a", "c"))),
        (leaf("greater_than", 3), leaf("greater_than", 2)),
    ],
)
def test_what_cannot_be_shown_is_not_taken_for_granted(one: Atom, other: Atom) -> None:
    assert not implies(one, other)
    assert not implies(other, one)


def clause(*atoms: Atom, roles: tuple[str, ...] = ()) -> Clause:
    return Clause(frozenset(roles), frozenset(atoms), "")


def test_effects() -> None:
    narrow, wide = clause(roles=("a",)), clause(roles=("a", "b"))
    assert effect_between([narrow], [wide]) == "opens"
    assert effect_between([wide], [narrow]) == "closes"
    assert effect_between([narrow], [narrow, clause(Named())]) == "closes"
    assert effect_between([clause(roles=("a",))], [clause(roles=("b",))]) == "changes"
    assert effect_between([], []) == "none"


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Comparison("", "user.id", "equals", "ann"), "user.id equals ann"),
        (
            AllOf("", (Expression("", "a > 1", ()), AnyOf("", (Comparison("", "user.id", "in", ("a", "b")),)))),
            "when a > 1 and (user.id in [a, b])",
        ),
        (Not("", Comparison("", "user.id", "exists", True)), "not (user.id exists true)"),
    ],
)
def test_conditions_as_text(condition: Condition, text: str) -> None:
    assert condition_text(condition) == text


def test_atoms_as_text() -> None:
    atoms = [Named(), Holds("a"), Scope("s"), Audience(frozenset({"b", "a"})), Begins(0.0), Ends(0.0), Within(("10.0.0.0/8",))]
    assert [atom_text(atom) for atom in atoms] == [
        "the caller says who it is",
        "permission a given directly",
        "scope s",
        "a token for a or b",
        "not before 1970-01-01T00:00:00Z",
        "until 1970-01-01T00:00:00Z",
        "from 10.0.0.0/8",
    ]
