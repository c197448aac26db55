"""Policies on a route: deny beats allow, unknown holds as a deny and not as an allow, and nothing in shadow counts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.engine.trace import Trace, document
from sidecar.model.decision import Allow
from tests.support.inputs import make_input
from tests.support.policies import NOON, decided, person, snapshot_of

ISSUER = {
    "issuer": "https://idp.example.com",
    "audiences": ["a"],
    "keys": {"discovery": True},
    "claims": {"roles": "roles", "attributes": {name: name for name in "abcd"}},
}
NAMES = ("a", "b", "c", "d")
"""One attribute, one allow policy and one deny policy of each name."""


def configured(
    deny: list[str], every: list[str], some: list[str], *, shadow: tuple[str, ...] = (), order: tuple[str, ...] = ("permission",)
) -> Any:
    policies: dict[str, Any] = {}
    for name in NAMES:
        condition = {f"user.{name}": {"equals": "yes"}}
        policies[f"if-{name}"] = {"effect": "allow", "conditions": condition}
        policies[f"not-{name}"] = {"effect": "deny", "conditions": condition}
    for name in shadow:
        policies[name]["mode"] = "shadow"
    parts: dict[str, Any] = {"permission": "posts:read", "policies": [f"if-{n}" for n in every], "any_policy": [f"if-{n}" for n in some]}
    require = {key: parts[key] for key in dict.fromkeys((*order, "permission", "policies", "any_policy")) if parts[key]}
    route = {"paths": ["/p"], "authenticate": ["corp"], "require": require, "deny": [f"not-{n}" for n in deny]}
    if not deny:
        del route["deny"]
    unattached = {"paths": ["/q"], "authenticate": ["corp"], "require": {"role": "r"}, "deny": [f"not-{n}" for n in NAMES]}
    return snapshot_of(
        json.dumps(
            {
                "version": 1,
                "issuers": {"corp": ISSUER},
                "roles": {"r": {"permissions": ["posts:read"]}},
                "policies": policies,
                "routes": {"p": route, "q": unattached},
            }
        )
    )


SOME = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
VALUES = st.fixed_dictionaries({}, optional={name: st.sampled_from(["yes", "no", 5]) for name in NAMES})
ROLES = st.sampled_from([[], ["r"]])


def outcome(values: dict[str, Any], name: str) -> bool | None:
    value = values.get(name)
    return None if not isinstance(value, str) else value == "yes"


@settings(max_examples=150, deadline=None)
@given(SOME, SOME, SOME, VALUES, ROLES)
def test_an_allow_is_what_the_definition_says(
    deny: list[str], every: list[str], some: list[str], values: dict[str, Any], roles: list[str]
) -> None:
    snapshot = configured(deny, every, some)
    decision = decided(person(roles=roles, attributes=values), make_input(path="/p"), snapshot)
    denied = [name for name in deny if outcome(values, name) is not False]
    unmet = [name for name in every if outcome(values, name) is not True]
    none_of = bool(some) and not any(outcome(values, name) is True for name in some)
    assert isinstance(decision, Allow) is (not denied and not unmet and not none_of and bool(roles))
    if denied:
        assert (decision.reason, decision.rule) == ("policy_denied", f"policies.not-{denied[0]}")
    elif not roles:
        assert (decision.reason, decision.rule) == ("insufficient_permission", "routes.p.require.permission")
    elif unmet:
        assert (decision.reason, decision.rule) == ("policy_not_satisfied", f"policies.if-{unmet[0]}")
    elif none_of:
        assert (decision.reason, decision.rule) == ("policy_not_satisfied", "routes.p.require.any_policy")


@settings(max_examples=80, deadline=None)
@given(SOME, SOME, VALUES, st.sampled_from(NAMES))
def test_one_more_deny_never_grants_and_order_never_counts(deny: list[str], every: list[str], values: dict[str, Any], more: str) -> None:
    who, request = person(roles=["r"], attributes=values), make_input(path="/p")
    before = isinstance(decided(who, request, configured(deny, every, [])), Allow)
    after = isinstance(decided(who, request, configured(list({*deny, more}), every, [])), Allow)
    assert before or not after
    assert isinstance(decided(who, request, configured(deny[::-1], every[::-1], [])), Allow) is before


@settings(max_examples=80, deadline=None)
@given(SOME, VALUES, st.sampled_from(NAMES))
def test_a_policy_in_shadow_never_counts(deny: list[str], values: dict[str, Any], name: str) -> None:
    who, request = person(roles=["r"], attributes=values), make_input(path="/p")
    others = [one for one in deny if one != name]
    without = decided(who, request, configured(others, [], []))
    shadowed = decided(who, request, configured([name, *others], [], [], shadow=(f"not-{name}",)))
    assert (type(without), without.reason, without.rule) == (type(shadowed), shadowed.reason, shadowed.rule)
    assert [one.policy for one in shadowed.shadow] == [f"not-{name}"]
    assert shadowed.shadow[0].would == ("pass" if outcome(values, name) is False else "deny")
    assert without.shadow == ()


@pytest.mark.parametrize("effect", ["policies", "any_policy"])
def test_a_shadowed_policy_that_is_required_grants_nothing(effect: str) -> None:
    every, some = (["a", "b"], []) if effect == "policies" else ([], ["a", "b"])
    snapshot = configured([], every, some, shadow=("if-a",))
    assert not isinstance(decided(person(roles=["r"], attributes={"a": "yes"}), make_input(path="/p"), snapshot), Allow)
    assert isinstance(decided(person(roles=["r"], attributes={"b": "yes"}), make_input(path="/p"), snapshot), Allow)


@pytest.mark.parametrize(
    ("order", "rule"),
    [(("policies", "permission"), "policies.if-a"), (("permission", "policies"), "routes.p.require.permission")],
)
def test_reasons_come_as_require_is_written(order: tuple[str, ...], rule: str) -> None:
    decision = decided(person(attributes={"a": "no"}), make_input(path="/p"), configured([], ["a"], [], order=order))
    assert decision.rule == rule


def test_a_remembered_verdict_is_none_of_another_request() -> None:
    """What policies say is worked out for each request, whatever is remembered of its principal."""
    snapshot = configured(["a"], [], [])
    for values, allowed in (({"a": "no"}, True), ({"a": "yes"}, False), ({}, False), ({"a": "no"}, True)):
        assert isinstance(decided(person(roles=["r"], attributes=values), make_input(path="/p"), snapshot), Allow) is allowed


def test_a_trace_shows_each_part_and_never_a_credential() -> None:
    data = {
        "version": 1,
        "issuers": {"corp": ISSUER},
        "policies": {
            "p": {
                "effect": "allow",
                "conditions": {"or": [{"request.headers.authorization": {"exists": False}}, {"user.a": {"equals": "yes"}}]},
            }
        },
        "routes": {"p": {"paths": ["/p"], "authenticate": ["corp"], "require": {"policies": ["p"]}}},
    }
    trace = Trace()
    decided(
        person(attributes={"a": "no"}),
        make_input(path="/p", headers={"authorization": "Bearer canary"}),
        snapshot_of(json.dumps(data)),
        trace=trace,
    )
    (step,) = [step for step in trace.steps if step.phase == "policy"]
    assert (step.said, step.text) == ("refused", "policies.p (allow): false")
    (found,) = [document(*one) for one in trace.policies]
    assert "canary" not in str(found) + str(trace.steps)
    assert found["tree"] == {
        "key": "conditions.or",
        "text": "any of",
        "outcome": "false",
        "values": {},
        "parts": [
            {
                "key": "conditions.or[0].request.headers.authorization.exists",
                "text": "request.headers.authorization exists false",
                "outcome": "false",
                "values": {"request.headers.authorization": "(not shown)"},
                "parts": [],
            },
            {
                "key": "conditions.or[1].user.a.equals",
                "text": "user.a equals yes",
                "outcome": "false",
                "values": {"user.a": '"no"'},
                "parts": [],
            },
        ],
    }


def test_times_are_those_of_the_zone() -> None:
    def at(zone: str, wall: float) -> bool:
        data = {
            "version": 1,
            "environment": {"timezone": zone},
            "policies": {"p": {"effect": "allow", "conditions": {"environment.time": {"between": ["22:00", "06:00"]}}}},
            "routes": {"p": {"paths": ["/p"], "authenticate": ["anonymous"], "require": {"policies": ["p"]}}},
        }
        nobody = person()._replace(kind="anonymous", authenticator="", issuer="", subject="")
        return isinstance(decided(nobody, make_input(path="/p"), snapshot_of(json.dumps(data)), wall), Allow)

    noon = NOON
    assert [at("UTC", noon + hours * 3600) for hours in (0, 9.99, 10, 18, 18.01, 18.02)] == [False, False, True, True, True, False]
    assert at("Asia/Tokyo", noon + 3600)
    assert not at("Asia/Tokyo", noon)
