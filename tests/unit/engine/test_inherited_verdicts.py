"""A person's next token takes over verdicts only where a fresh engine would say the same."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from sidecar.model.principal import _OF_THE_PERSON, Identity
from sidecar.model.reason import Reason
from tests.support.tokens import WALL
from tests.support.world import World, bearer, config, payload

FIRST: dict[str, Any] = {"roles": ["viewer"], "scope": "read", "level": 1, "jti": "a", "iat": WALL - 5}
PATHS = ("/me", "/posts", "/scoped", "/admin/x", "/posts/1")


def setting() -> dict[str, Any]:
    data = config(identity_headers={"x-who": "subject", "x-mail": "email", "x-may": "permissions", "x-level": "attributes.level"})
    data["issuers"]["corp"]["claims"]["attributes"] = {"level": "level"}
    data["users"].append({"match": {"issuer": "corp", "subject": "user-1"}, "roles": ["admin"], "not_before": "2027-01-15T08:00:10Z"})
    return data


def answers(world: World, **claims: Any) -> list[dict[str, Any]]:
    found = []
    for path in PATHS:
        plain = MessageToDict(world.answer(payload(path=path, headers=bearer(**claims))))
        plain.get("dynamicMetadata", {}).pop("decision_id", None)
        plain.get("deniedResponse", {}).pop("body", None)
        found.append({**plain, "reason": world.sink.decisions[-1].reason, "rule": world.sink.decisions[-1].rule})
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"jti": "b", "iat": WALL - 1},
        {"exp": WALL + 60},
        {"roles": ["admin"]},
        {"roles": ["viewer", "editor"]},
        {"roles": []},
        {"email": "jane@example.com", "email_verified": True},
        {"email": "jane@example.com", "email_verified": False},
        {"email": "joe@example.com", "email_verified": True},
        {"permissions": ["posts:create"]},
        {"scope": "write"},
        {"level": True},
        {"level": 1.0},
        {"level": "1"},
        {"level": None},
        {"sub": "user-2"},
    ],
    ids=str,
)
def test_whatever_the_next_token_says_counts(change: dict[str, Any]) -> None:
    primed = World(setting())
    before = answers(primed, **FIRST)
    assert answers(primed, **{**FIRST, **change}) == answers(World(setting()), **{**FIRST, **change})
    assert answers(primed, **FIRST) == before


def test_verdicts_are_taken_over() -> None:
    """Else the test above would show nothing."""
    world = World(setting())
    answers(world, **FIRST)
    first = world.decide(path="/me", headers=bearer(**FIRST))
    assert world.decide(path="/me", headers=bearer(**{**FIRST, "jti": "b"})) is first


def test_what_a_reload_changes_counts() -> None:
    world, data = World(setting()), setting()
    answers(world, **FIRST)
    data["routes"]["me"]["require"] = {"role": "editor"}
    data["identity_headers"] = {"x-other": "subject"}
    data["roles"]["viewer"] = {"permissions": ["users:read"]}
    world.load(data)
    assert answers(world, **{**FIRST, "jti": "b"}) == answers(World(data), **{**FIRST, "jti": "b"})


def test_a_grant_that_begins_in_between_counts() -> None:
    world = World(setting())
    assert world.decide(path="/admin/x", headers=bearer(**FIRST)).reason is Reason.INSUFFICIENT_PERMISSION
    world.clock.wall += 20
    assert world.decide(path="/admin/x", headers=bearer(**{**FIRST, "jti": "b"})).reason is Reason.PERMITTED


def test_the_verdicts_weigh_on_each_entry() -> None:
    """Security rule 30: a copy counts as if it had been made anew."""
    world = World(setting())
    answers(world, **FIRST)
    answers(world, **{**FIRST, "jti": "b"})
    one, other = world.engine.authenticator.tokens.memory._entries.values()
    assert one.verdicts == other.verdicts
    assert one.verdicts is not other.verdicts
    assert one.verdicts_weight == other.verdicts_weight > 0


def test_only_id_and_times_are_left_out_of_the_comparison() -> None:
    """A field that a verdict may come to hinge on belongs before these."""
    assert Identity._fields[_OF_THE_PERSON.stop :] == ("credential_id", "issued_at", "not_before", "expires_at")
