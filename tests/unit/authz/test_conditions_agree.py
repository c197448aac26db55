"""Conditions against an evaluator written from the definition, and against their own explanation.

The definition (docs/reference/policies.md): a comparison with a missing attribute or a wrong type is unknown; ``not``
unknown is unknown; and/or follow Kleene; ``exists`` is two-valued; on sets a positive operator holds if any member does,
a negative one if none does; a source that gave nothing stands for true, false or unknown.
"""

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.authz.conditions import compile_condition, explain
from sidecar.authz.ternary import FALSE, TRUE, UNKNOWN
from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Not, Ref

from .facts import CATALOGUE, MAPPED, facts

Outcome = bool | None
SCALARS = st.sampled_from(["eng", "ops", "e", "", 1, 2, 2.0, -3, True, False])
VALUES = st.one_of(SCALARS, st.none(), st.lists(SCALARS, max_size=3), st.just({"id": "eng"}))
NAMES = [f"user.{name}" for name in MAPPED] + ["resource.owner", "resource.owner.team", "resource.class"]
BITS = {True: TRUE, False: FALSE, None: UNKNOWN}


def comparison() -> st.SearchStrategy[Comparison]:
    name, other = st.sampled_from(NAMES), st.sampled_from(NAMES).map(Ref)
    one = st.one_of(SCALARS, other)
    number = st.sampled_from([0, 1, 2, 2.5])
    operand = st.one_of(
        st.tuples(st.sampled_from(["equals", "not_equals", "contains"]), one),
        st.tuples(st.sampled_from(["in", "not_in"]), st.one_of(other, st.lists(one, min_size=1, max_size=3).map(tuple))),
        st.tuples(st.sampled_from(["greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal"]), st.one_of(number, other)),
        st.tuples(st.just("between"), st.tuples(number, number)),
        st.tuples(st.sampled_from(["starts_with", "ends_with"]), st.sampled_from(["e", "eng", ""])),
        st.tuples(st.just("exists"), st.booleans()),
    )
    return st.tuples(name, operand).map(lambda pair: Comparison("k", pair[0], pair[1][0], pair[1][1]))


def conditions() -> st.SearchStrategy[Condition]:
    return st.recursive(
        comparison(),
        lambda part: st.one_of(
            st.lists(part, min_size=1, max_size=3).map(lambda parts: AllOf("k", tuple(parts))),
            st.lists(part, min_size=1, max_size=3).map(lambda parts: AnyOf("k", tuple(parts))),
            part.map(lambda inner: Not("k", inner)),
        ),
        max_leaves=6,
    )


# --- the definition ---


class Gone(Exception):
    """A source gave nothing."""


def scalar(operator: str, value: Any, operand: Any) -> Outcome:
    number = lambda one: isinstance(one, int | float) and not isinstance(one, bool)  # noqa: E731
    if operator == "equals":
        alike = type(value) is type(operand) or (number(value) and number(operand))
        return value == operand if alike and not isinstance(value, list | dict) else None
    if operator in {"starts_with", "ends_with"}:
        if not isinstance(value, str):
            return None
        return value.startswith(operand) if operator == "starts_with" else value.endswith(operand)
    if operator == "contains":
        return operand in value if isinstance(value, str) and isinstance(operand, str) else None
    if operator == "between":
        return operand[0] <= value <= operand[1] if number(value) else None
    if not number(value) or not number(operand):
        return None
    return {
        "greater_than": value > operand,
        "greater_than_or_equal": value >= operand,
        "less_than": value < operand,
        "less_than_or_equal": value <= operand,
    }[operator]


def any_of(outcomes: list[Outcome]) -> Outcome:
    return True if True in outcomes else None if None in outcomes else False


def all_of(outcomes: list[Outcome]) -> Outcome:
    return False if False in outcomes else None if None in outcomes else True


def opposite(outcome: Outcome) -> Outcome:
    return None if outcome is None else not outcome


def look(name: str, world: dict[str, Any]) -> Any:
    if name.startswith("user."):
        value = world[name]
    else:
        root = ".".join(name.split(".")[:2])
        if root not in world:
            raise Gone
        value = world[root]
        for step in name.split(".")[2:]:
            value = value.get(step) if isinstance(value, dict) else None
    return value.get("id") if isinstance(value, dict) and name.startswith("resource.") else value


def leaf(one: Comparison, world: dict[str, Any]) -> Outcome:
    if one.operator in {"not_equals", "not_in"}:
        return opposite(leaf(Comparison("k", one.attribute, one.operator[4:], one.operand), world))
    if one.operator == "exists":
        value = look(one.attribute, world)
        return (value is not None and value != []) is one.operand
    written = one.operand if isinstance(one.operand, tuple) else (one.operand,)
    gone, read = False, []
    for item in (Ref(one.attribute), *written):
        try:
            found = look(item.name, world) if isinstance(item, Ref) else item
        except Gone:
            gone = True
            continue
        if found is None:
            return None  # a missing attribute: unknown, whatever the others
        read.append(found)
    if gone:
        raise Gone
    value, *operands = read
    members = value if isinstance(value, list) else [value]
    if one.operator == "between":
        return any_of([scalar("between", member, operands) for member in members])
    if one.operator == "in":
        spread = [item for operand in operands for item in (operand if isinstance(operand, list) else [operand])]
        return any_of([any_of([scalar("equals", member, item) for item in spread]) for member in members])
    (operand,) = operands
    operator = "equals" if one.operator == "contains" and isinstance(value, list) else one.operator
    return any_of([scalar(operator, member, item) for item in (operand if isinstance(operand, list) else [operand]) for member in members])


def leaves_of(condition: Condition) -> list[Comparison]:
    match condition:
        case AllOf(_, parts) | AnyOf(_, parts):
            return [found for part in parts for found in leaves_of(part)]
        case Not(_, part):
            return leaves_of(part)
        case Comparison():
            return [condition]
    raise AssertionError(condition)


def whole(condition: Condition, outcomes: Any) -> Outcome:
    match condition:
        case AllOf(_, parts):
            return all_of([whole(part, outcomes) for part in parts])
        case AnyOf(_, parts):
            return any_of([whole(part, outcomes) for part in parts])
        case Not(_, part):
            return opposite(whole(part, outcomes))
        case _:
            return next(outcomes)


def possible(condition: Condition, world: dict[str, Any]) -> set[Outcome]:
    """Every outcome, when each comparison that a source leaves open may be any of the three (``exists`` any of two)."""
    choices: list[list[Outcome]] = []
    for one in leaves_of(condition):
        try:
            choices.append([leaf(one, world)])
        except Gone:
            choices.append([True, False] if one.operator == "exists" else [True, False, None])
    return {whole(condition, iter(chosen)) for chosen in product(*choices)}


WORLDS = st.fixed_dictionaries(
    {f"user.{name}": VALUES for name in MAPPED}, optional={"resource.owner": VALUES, "resource.class": VALUES}
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(conditions(), WORLDS)
def test_a_condition_is_what_the_definition_says(condition: Condition, world: dict[str, Any]) -> None:
    attributes = {name[5:]: value for name, value in world.items() if name.startswith("user.") and value is not None}
    seen = facts(attributes=attributes, sources={name: value for name, value in world.items() if name.startswith("resource.")})
    outcome = compile_condition(condition, CATALOGUE)(seen)
    expected = 0
    for one in possible(condition, world):
        expected |= BITS[one]
    assert outcome == expected
    assert (outcome in {TRUE, FALSE, UNKNOWN}) is (not seen.wanted), "what is open names the sources it hinges on, and only that does"
    assert explain(condition, CATALOGUE, seen).outcome == outcome
