"""A candidate configuration beside the active one: what it says is recorded and counted, and never changes an answer."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.engine.snapshot import Current
from sidecar.model.decision import Would
from sidecar.wire.candidate import Candidate
from tests.support.tokens import claims, mint, shared_key
from tests.support.world import World, allowed, bearer, config, payload, token

VIEWER, NOBODY = token(roles=["viewer"]), token(roles=[])
FORGED = mint(shared_key("RS256", number=2), claims(roles=["viewer"]))


def stricter() -> dict[str, Any]:
    data = config()
    data["routes"]["list"] = {**data["routes"]["list"], "require": {"permission": "posts:write"}}
    return data


def looser() -> dict[str, Any]:
    data = config()
    data["routes"]["list"] = {**data["routes"]["list"], "require": {"authenticated": True}}
    return data


def beside(data: dict[str, Any], share: float = 1.0) -> World:
    """The usual world, with a candidate."""
    world, other = World(), World(data)
    world.service._candidate = Candidate(other.engine, other.current, share, world.meter)
    return world


def seen(world: World) -> tuple[Would, ...]:
    return world.sink.decisions[-1].shadow


@pytest.mark.parametrize("raw", [False, True])
def test_what_it_would_do_otherwise_is_recorded(raw: bool) -> None:
    check = payload(raw=raw, path="/posts", headers=bearer(VIEWER))
    world = beside(stricter())
    for _ in range(3):
        assert allowed(world.answer(check))
        assert seen(world) == (Would("candidate", "deny", "insufficient_permission"),)
    world = beside(looser())
    assert not allowed(world.answer(payload(raw=raw, path="/posts", headers=bearer(NOBODY))))
    assert seen(world) == (Would("candidate", "allow", "permitted"),)
    assert world.meter.shadow == {("candidate", "allow"): 1}


def test_what_it_would_do_alike_is_counted_alone() -> None:
    world = beside(config())
    for value in (VIEWER, NOBODY, FORGED):
        world.answer(payload(path="/posts", headers=bearer(value)))
        assert seen(world) == ()
    assert world.meter.shadow == {("candidate", "same"): 3}


def test_other_headers_are_another_answer() -> None:
    world = beside(config(identity_headers={"x-who": "subject"}))
    assert allowed(world.answer(payload(path="/posts", headers=bearer(VIEWER))))
    assert seen(world) == (Would("candidate", "other_headers", "permitted"),)


@pytest.mark.parametrize(("share", "expected"), [(1.0, 100), (0.1, 10), (0.25, 25), (0.03, 3)])
def test_it_is_asked_about_its_share(share: float, expected: int) -> None:
    world = beside(stricter(), share)
    for _ in range(100):
        assert allowed(world.answer(payload(path="/posts", headers=bearer(VIEWER))))
    assert abs(sum(world.meter.shadow.values()) - expected) <= 1
    assert abs(len([one for one in world.sink.decisions if one.shadow]) - expected) <= 1


def test_one_that_is_not_there_or_fails_costs_nothing() -> None:
    world = beside(stricter())
    world.service._candidate = Candidate(world.engine, Current(), 1.0, world.meter)
    assert allowed(world.answer(payload(path="/posts", headers=bearer(VIEWER))))
    assert world.meter.shadow == {}

    def fail(*_: Any) -> Any:
        raise RuntimeError("sk_canary")

    world = beside(stricter())
    assert world.service._candidate is not None
    world.service._candidate._check = fail
    assert allowed(world.answer(payload(path="/posts", headers=bearer(VIEWER))))
    assert world.meter.shadow == {("candidate", "not_compared"): 1}


def test_an_allow_that_the_candidate_made_late_is_a_denial() -> None:
    world = beside(stricter())
    candidate = world.service._candidate
    assert candidate is not None
    check = candidate._check

    def slow(*args: Any) -> Any:
        world.clock.seconds += 0.2
        return check(*args)

    candidate._check = slow
    response = world.answer(payload(path="/posts", headers=bearer(VIEWER)), 0.1)
    assert response.dynamic_metadata.fields["reason"].string_value == "deadline_exceeded"


ALONE, BESIDE = World(), beside(stricter(), 0.5)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["/posts", "/posts/1", "/me", "/admin/x", "/nowhere", "/posts/%2561"]),
    st.sampled_from([VIEWER, NOBODY, FORGED, "", "x"]),
    st.booleans(),
)
def test_it_never_changes_an_answer(path: str, value: str, raw: bool) -> None:
    check = payload(raw=raw, path=path, headers=bearer(value) if value else {})
    answers = []
    for world in (ALONE, BESIDE):
        response = world.answer(check)
        response.dynamic_metadata.Clear()
        response.denied_response.body = ""
        answers.append(response)
    assert answers[0] == answers[1]
    assert ALONE.sink.decisions[-1].reason == BESIDE.sink.decisions[-1].reason
