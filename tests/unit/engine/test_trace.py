"""A trace tells what the engine did and changes nothing about it."""

from types import GeneratorType
from typing import Any

import pytest

from sidecar.engine.check import retrace
from sidecar.engine.nearest import nearest
from sidecar.engine.trace import Step, Trace
from sidecar.model.ask import Verify
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from tests.support.inputs import make_input
from tests.support.tokens import WALL
from tests.support.world import KEY, World, bearer, config

REQUESTS: dict[str, CheckInput] = {
    "allowed": make_input("GET", "/posts", headers=bearer(roles=["viewer"])),
    "a key": make_input("GET", "/posts", headers={"x-api-key": KEY}),
    "an unknown key": make_input("GET", "/posts", headers={"x-api-key": "sk_unknown"}),
    "anonymous": make_input("GET", "/healthz"),
    "nobody": make_input("GET", "/posts"),
    "two credentials": make_input("GET", "/posts", headers={"x-api-key": KEY, **bearer(roles=["viewer"])}),
    "expired": make_input("GET", "/posts", headers=bearer(roles=["viewer"], exp=WALL - 100)),
    "not a token": make_input("GET", "/posts", headers={"authorization": "Bearer canary.canary.canary"}),
    "too small": make_input("POST", "/posts", headers=bearer(roles=["viewer"])),
    "no role": make_input("GET", "/admin/x", headers=bearer(roles=["viewer"])),
    "no scope": make_input("GET", "/scoped", headers=bearer(scope="write")),
    "no route": make_input("GET", "/post", headers=bearer()),
    "another method": make_input("PUT", "/posts", headers=bearer()),
    "a host": make_input("GET", "/posts", host="a b"),
    "dots": make_input("GET", "/posts/%2e%2e/admin"),
    "a feature": make_input("GET", "/posts;x"),
    "preflight": make_input("OPTIONS", "/posts/1", headers={"origin": "https://a", "access-control-request-method": "GET"}),
    "look-alikes": make_input("GET", "/posts", headers={"x_user_id": "root", **bearer(roles=["viewer"])}),
}


def decide(world: World, request: CheckInput, trace: Trace | None) -> Decision:
    snapshot = world.current.snapshot
    assert snapshot is not None
    outcome = world.engine.check(request, snapshot, world.clock.now(), trace)
    if not isinstance(outcome, GeneratorType):
        assert isinstance(outcome, Allow | Deny)
        return outcome
    said: object = None
    try:
        while True:
            ask = outcome.send(said)
            assert isinstance(ask, Verify)
            said = ask.run()
    except StopIteration as done:
        found: Decision = done.value
        return found


def plain(decision: Decision) -> tuple[object, ...]:
    more = (decision.mutations.upstream.set_headers, decision.mutations.removed) if isinstance(decision, Allow) else (decision.detail,)
    return (type(decision), decision.reason, decision.rule, decision.route, *more)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_traced_check_is_decided_as_any_other(name: str) -> None:
    request, world = REQUESTS[name], World()
    untraced = plain(decide(World(), request, None))
    for _ in range(2):  # unseen, then remembered
        trace = Trace()
        assert plain(decide(world, request, trace)) == untraced
        assert trace.steps
        assert plain(decide(world, request, None)) == untraced


@pytest.mark.parametrize("name", REQUESTS)
def test_the_steps_end_where_the_decision_was_made(name: str) -> None:
    trace = Trace()
    decision = decide(World(), REQUESTS[name], trace)
    refused = [step for step in trace.steps if step.said != "ok"]
    if isinstance(decision, Allow):
        assert refused == []
    elif decision.reason not in {Reason.METHOD_NOT_ALLOWED, Reason.AMBIGUOUS_PATH}:
        assert refused[-1:] == trace.steps[-1:]
    trace.decided(decision)
    last = trace.steps[-1]
    assert last.facts["reason"] == str(decision.reason)
    assert last.facts.get("rule", "") == decision.rule


@pytest.mark.parametrize("name", REQUESTS)
def test_no_credential_is_shown(name: str) -> None:
    """Security rule 22."""
    trace, request = Trace(), REQUESTS[name]
    decision = decide(World(), request, trace)
    trace.decided(decision)
    shown = repr(trace.steps) + repr(nearest(decision, request, World().current.snapshot) if isinstance(decision, Deny) else "")
    for header in ("authorization", "x-api-key"):
        value = request.headers.get(header) or ""
        for part in value.removeprefix("Bearer ").split("."):
            assert len(part) < 3 or part not in shown


def test_text_from_outside_is_safe_to_print() -> None:
    trace = Trace()
    decide(World(), make_input("GET\x1b[31m", "/posts\x07" + "x" * 5000, host="\x1b]0;evil\x07"), trace)
    assert all(text.isprintable() for step in trace.steps for text in (step.text, *step.facts.values()))
    assert len(repr(trace.steps)) < 2000


def steps_of(name: str) -> dict[str, Step]:
    trace = Trace()
    decide(World(), REQUESTS[name], trace)
    return {step.phase: step for step in trace.steps}


def test_what_the_phases_say() -> None:
    allowed = steps_of("allowed")
    assert allowed["host"].text == "api.example.com"
    assert allowed["route"].text == "routes.list"
    assert allowed["credential"].text == "jwt in header authorization (Bearer)"
    assert allowed["token"].facts["kid"] == "k1"
    assert allowed["authentication"].facts["permissions"] == "posts:read, users:read"
    assert allowed["requirement"].text == "permission: posts:read is met"
    assert steps_of("dots")["path"].facts["received"] == "/posts/%2e%2e/admin"
    assert steps_of("another method")["route"].facts["routes_there"] == "GET: list; POST: create"
    assert steps_of("expired")["authentication"].facts["reason"] == "expired_token"


NEAREST = {
    "nobody": "routes.list accepts one of: a token of corp in header authorization (Bearer); an API key of partners in header x-api-key",
    "expired": "issuers.corp takes tokens with iss",
    "too small": "missing permission posts:create; granted by the role editor, admin",
    "no role": "missing role admin",
    "no scope": "missing scope read",
    "no route": "routes.list (/posts): part 1 is post, not posts (a slip?)",
    "another method": "this path is routed for GET, HEAD, POST only, not for PUT",
}


@pytest.mark.parametrize("name", NEAREST)
def test_the_nearest_rule(name: str) -> None:
    world = World()
    decision = decide(world, REQUESTS[name], None)
    snapshot = world.current.snapshot
    assert snapshot is not None
    assert isinstance(decision, Deny)
    assert nearest(decision, REQUESTS[name], snapshot)[0].startswith(NEAREST[name])


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ({"any_permission": ["a:b", "c:d"]}, "missing permission a:b or c:d; no single role grants it"),
        ({"all_permissions": ["posts:read", "posts:create"]}, "missing permission posts:create; granted by the role editor, admin"),
        ({"any_role": ["x", "y"]}, "missing role x or y"),
        ({"any_scope": ["x", "read"]}, "missing scope x or read"),
        ({"authenticated": True, "role": "admin"}, "missing role admin"),
        ({"audiences": ["https://another.example.com"]}, "the token is for https://api.example.com, not for https://another.example.com"),
    ],
)
def test_what_is_missing_follows_the_keyword(require: dict[str, Any], said: str) -> None:
    data = config()
    data["routes"]["one"] = {"paths": ["/one"], "authenticate": ["corp"], "require": require}
    world, request = World(data), make_input("GET", "/one", headers=bearer(roles=["viewer"]))
    decision = decide(world, request, None)
    snapshot = world.current.snapshot
    assert snapshot is not None
    assert isinstance(decision, Deny)
    assert nearest(decision, request, snapshot) == [said]


OTHERS = {"effect": "allow", "conditions": {"request.method": {"equals": "PUT"}}}
ANYONE = {"effect": "deny", "conditions": {"request.method": {"equals": "GET"}}}


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"require": {"policies": ["other"]}}, ["policies.other does not hold"]),
        ({"require": {"policies": ["other"], "role": "admin"}}, ["policies.other does not hold", "missing role admin"]),
        ({"require": {"role": "admin", "policies": ["other"]}}, ["missing role admin"]),
        ({"require": {"any_policy": ["other", "more"]}}, ["none of the policies other, more holds"]),
        ({"require": {"authenticated": True}, "deny": ["anyone"]}, ["policies.anyone denies"]),
        ({"authenticate": ["anonymous"], "deny": ["anyone"]}, ["policies.anyone denies"]),
        ({"authenticate": ["anonymous"], "require": {"policies": ["other"]}}, ["policies.other does not hold"]),
    ],
)
def test_the_policy_that_decided_is_named(route: dict[str, Any], said: list[str]) -> None:
    data = config()
    known = {"other": OTHERS, "more": OTHERS, "anyone": ANYONE}
    data["policies"] = {name: policy for name, policy in known.items() if name in repr(route)}
    data["routes"]["one"] = {"paths": ["/one"], "authenticate": ["corp"], **route}
    world, request = World(data), make_input("GET", "/one", headers={} if "authenticate" in route else bearer(roles=["viewer"]))
    decision = decide(world, request, None)
    snapshot = world.current.snapshot
    assert snapshot is not None
    assert isinstance(decision, Deny)
    assert nearest(decision, request, snapshot) == said


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "preflight"])  # its headers are gone
def test_a_decision_is_traced_again_without_its_credential(name: str) -> None:
    world, request = World(), REQUESTS[name]
    decision = decide(world, request, None)
    snapshot = world.current.snapshot
    assert snapshot is not None
    again = retrace(decision, request._replace(headers=make_input().headers), snapshot, world.clock.now())
    trace = Trace()
    decide(World(), request, trace)
    trace.decided(decision)
    gone = {"credential", "token"} if decision.principal is not None else {"credential", "token", "authentication", "requirement"}
    assert again.steps == [step for step in trace.steps if step.phase not in gone]
