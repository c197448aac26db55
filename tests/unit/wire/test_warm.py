"""The short way and the long way give the same answers, whatever is asked and whatever changes in between."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.authn.key_source import read_keys
from sidecar.authn.keytable import ALWAYS
from sidecar.model.steps import to_end
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from tests.support.tokens import WALL, claims, jwks, mint, shared_key
from tests.support.world import KEY, OTHER, World, allowed, bearer, config, payload, token

GOOD = token(roles=["viewer"])
ADMIN = token(roles=["admin"], sub="root")
TIMED = token(roles=["viewer"], exp=WALL + 20)
THEIRS = mint(shared_key("RS256", number=1), claims(iss=OTHER, roles=["viewer"]))
FORGED = mint(shared_key("RS256", number=2), claims(roles=["viewer"]))
TOKENS = {"good": GOOD, "admin": ADMIN, "timed": TIMED, "theirs": THEIRS, "forged": FORGED, "key": KEY}


def setting(**changes: Any) -> dict[str, Any]:
    data = config(
        strip_headers=["x-auth-*"],
        dynamic_metadata=["decision_id", "route", "reason", "rule", "subject", "revision"],
        **changes,
    )
    data["routes"]["hosted"] = {
        "hosts": ["api.example.com"],
        "methods": ["GET"],
        "paths": ["/hosted/{id}"],
        "authenticate": ["corp"],
        "require": {"permission": "posts:read"},
    }
    data["policies"] = {
        "seventh": {
            "effect": "allow",
            "conditions": {"resource.id": {"in": ["7", "8"]}, "environment.time": {"between": ["00:00", "23:59"]}},
        },
        "noted": {"effect": "deny", "when": 'request.headers["x-n"] == "1" && resource.id != "8"'},
        "tried": {"effect": "deny", "mode": "shadow", "conditions": {"request.method": {"equals": "GET"}}},
    }
    for name, deny in (("ruled", ["noted"]), ("shadowed", ["noted", "tried"])):
        data["routes"][name] = {
            "methods": ["GET"],
            "paths": [f"/{name}/{{id}}"],
            "authenticate": ["corp"],
            "require": {"permission": "posts:read", "policies": ["seventh"]},
            "deny": deny,
        }
    data["routes"]["both"] = {"paths": ["/both"], "authenticate": ["corp", "other"], "require": {"authenticated": True}}
    # what has routes of its own sees no others, so the hosted ones stand for all
    for route in data["routes"].values():
        route["hosts"] = ["api.example.com"]
    return data


def one(world: World, check: bytes) -> dict[str, Any]:
    """An answer and what was recorded of it, without what differs between any two checks."""
    response = world.answer(check)
    plain = MessageToDict(response)
    plain.get("dynamicMetadata", {}).pop("decision_id", None)
    plain.get("deniedResponse", {}).pop("body", None)
    decision = world.sink.decisions[-1]
    return {"answer": plain, "reason": decision.reason, "rule": decision.rule, "facts": world.sink.facts[-1]}


def long_way(world: World) -> World:
    world.service._warm = lambda *_: None
    return world


SHORT, LONG = World(setting()), long_way(World(setting()))


def taken_short(world: World) -> list[int]:
    """Count what the short way answered."""
    find, count = world.service._warm, [0]

    def counted(*args: Any) -> Any:
        found = find(*args)
        count[0] += found is not None
        return found

    world.service._warm = counted
    return count


COUNT = taken_short(SHORT)
VALUES = st.sampled_from(
    [f"Bearer {value}" for value in TOKENS.values()]
    + [
        f"bearer {GOOD}",
        f"Bearer  {GOOD}",
        f"Bearer {GOOD} ",
        f"Bearer {GOOD},",
        f"Basic {GOOD}",
        GOOD,
        "Bearer ",
        "Bearer",
        f"Bearer\t{GOOD}",
    ]
)
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just("authorization"), VALUES),
        st.tuples(
            st.sampled_from(["x-api-key", "x-request-id", "traceparent", "x-user-id", "x_user_id", "x-auth-a", "cookie", "accept", "x-n"]),
            st.sampled_from(["", "1", KEY, "a,b"]),
        ),
    ),
    max_size=5,
)
PATHS = st.sampled_from(
    [
        "/posts",
        "/posts?x=1",
        "/posts/",
        "/posts/1",
        "/hosted/1",
        "/hosted/a%20b",
        "/hosted/..",
        "/hosted",
        "/admin/x",
        "/both",
        "/both;a",
        "/ruled/7",
        "/ruled/8",
        "/ruled/9?x=1",
        "/shadowed/7",
        "/me",
        "/scoped",
        "/nowhere",
        "/%70osts",
        "",
        "/posts#a",
        "/hosted/7!",
    ]
)
HOSTS = st.sampled_from(["api.example.com"] * 6 + ["API.example.com", "api.example.com:80", "other.example.com", "a b", ""])
METHODS = st.sampled_from(["GET"] * 5 + ["POST", "HEAD", "OPTIONS", "", "get"])


def check_of(
    raw: bool, method: str, host: str, path: str, headers: list[tuple[str, str]], context: Mapping[str, str], last: bytes
) -> bytes:
    message = CheckRequest()
    message.attributes.source.address.socket_address.address = "10.0.0.9"
    http = message.attributes.request.http
    http.method, http.host, http.path, http.id = method, host, path, "id-1"
    if raw:
        for name, value in headers:
            line = http.header_map.headers.add()
            line.key, line.raw_value = name, value.encode()
        if last:
            line = http.header_map.headers.add()
            line.key, line.raw_value = "x-request-id", last
    else:
        http.headers.update(headers)
    message.attributes.context_extensions.update(context)
    return message.SerializeToString()


CHECKS = st.builds(
    check_of,
    st.booleans(),
    METHODS,
    HOSTS,
    PATHS,
    HEADERS,
    st.sampled_from([{}, {"vhost": "one"}]),
    st.sampled_from([b"", b"\xff", b"r-1"]),
)


@settings(max_examples=600, deadline=None)
@given(CHECKS)
def test_both_ways_say_the_same(check: bytes) -> None:
    for _ in range(2):
        assert one(SHORT, check) == one(LONG, check)


def test_the_short_way_is_taken() -> None:
    """Else the property above would compare the long way with itself."""
    for raw, path in product((False, True), ("/hosted/7", "/ruled/7")):
        before = COUNT[0]
        for _ in range(10):
            assert allowed(SHORT.answer(payload(raw=raw, path=path, headers={**bearer(GOOD), "accept": "*/*", "x-n": "2"})))
        assert COUNT[0] - before >= 7


def test_a_policy_counts_for_each_request_on_the_short_way() -> None:
    """What let the last request through says nothing of the next one: another path variable, header or time."""
    world = World(setting())
    good = payload(path="/ruled/7", headers={**bearer(GOOD), "x-n": "2"})
    for _ in range(4):
        assert allowed(world.answer(good))
    assert not allowed(world.answer(payload(path="/ruled/9", headers={**bearer(GOOD), "x-n": "2"})))
    assert not allowed(world.answer(payload(path="/ruled/7", headers={**bearer(GOOD), "x-n": "1"})))
    assert not allowed(world.answer(payload(path="/ruled/7", headers=bearer(GOOD)))), "unknown holds as a deny"
    assert allowed(world.answer(payload(path="/ruled/8", headers={**bearer(GOOD), "x-n": "1"})))
    assert allowed(world.answer(good))


EVENTS: dict[str, Any] = {
    "time passes": lambda world: setattr(world.clock, "wall", WALL + 60),
    "the clock goes back": lambda world: setattr(world.clock, "wall", WALL - 4000),
    "roles change": lambda world: world.load(
        setting(roles={"viewer": {"permissions": ["x:y"]}, "editor": {"permissions": ["x:z"]}, "admin": {"permissions": ["*"]}})
    ),
    "audiences change": lambda world: world.load(other_audience()),
    "the route goes": lambda world: world.load(without("hosted")),
    "the route takes another issuer": lambda world: world.load(another_issuer()),
    "the headers change": lambda world: world.load(setting(identity_headers={"x-who": "subject"})),
    "the key goes": lambda world: replace_keys(world, shared_key("ES256", "k2")),
    "the key is another": lambda world: replace_keys(world, shared_key("RS256", number=5)),
    "a key comes": lambda world: replace_keys(world, shared_key("RS256"), shared_key("RS256", "k9", 9)),
    "the policies change": lambda world: world.load(other_policy()),
    "no configuration": lambda world: setattr(world.current, "snapshot", None),
}


def other_audience() -> dict[str, Any]:
    data = setting()
    data["issuers"]["corp"]["audiences"] = ["https://another.example.com"]
    return data


def other_policy() -> dict[str, Any]:
    data = setting()
    data["policies"]["seventh"]["conditions"] = {"resource.id": {"equals": "8"}}
    return data


def without(name: str) -> dict[str, Any]:
    data = setting()
    del data["routes"][name]
    return data


def another_issuer() -> dict[str, Any]:
    data = setting()
    data["routes"]["hosted"]["authenticate"] = ["other"]
    return data


def replace_keys(world: World, *keys: Any) -> None:
    snapshot = world.current.snapshot
    assert snapshot is not None
    issuer = snapshot.issuers["corp"]
    issuer.table.replace(to_end(read_keys(issuer.settings, jwks(*keys))), ALWAYS)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("value", [GOOD, TIMED])
@pytest.mark.parametrize("path", ["/hosted/7", "/ruled/7"])
@pytest.mark.parametrize("raw", [False, True])
def test_whatever_changes_counts_on_the_short_way_too(event: str, value: str, path: str, raw: bool) -> None:
    check = payload(raw=raw, path=path, headers={**bearer(value), "x-n": "2"})
    worlds = [World(setting()), long_way(World(setting()))]
    answers = []
    for world in worlds:
        before = [one(world, check) for _ in range(3)]
        EVENTS[event](world)
        answers.append([*before, *(one(world, check) for _ in range(3))])
    assert answers[0] == answers[1]


@pytest.mark.parametrize(("left", "late"), [(None, 0.2), (0.01, 0.0081)])
def test_an_allow_that_the_short_way_finds_too_late_is_a_denial(left: float | None, late: float) -> None:
    world = World(setting())
    check = payload(path="/hosted/7", headers=bearer(GOOD))
    for _ in range(3):
        assert allowed(world.answer(check))
    find = world.service._warm

    def slow(*args: Any) -> Any:
        world.clock.seconds += late
        return find(*args)

    world.service._warm = slow
    response = world.answer(check, left)
    assert not allowed(response)
    assert response.dynamic_metadata.fields["reason"].string_value == "deadline_exceeded"


@pytest.mark.parametrize("fault", [RuntimeError("sk_canary"), StopIteration("x"), KeyError("x")])
def test_a_fault_on_the_short_way_is_a_denial(fault: Exception) -> None:
    world = World(setting())

    def fail(*_: Any) -> Any:
        raise fault

    world.service._warm = fail
    response = world.answer(payload(path="/hosted/7", headers=bearer(GOOD)))
    assert isinstance(response, CheckResponse)
    assert not allowed(response)
