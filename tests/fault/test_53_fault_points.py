"""Row 53: something is raised at every point of a check, one at a time: the answer is a denial, never code 0, and nothing stays behind."""

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import pytest

from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.engine import authenticate, check, denials, removals
from sidecar.engine.compile import compile_snapshot
from sidecar.model.ask import Attributes, Got, RefreshResult, Verify
from sidecar.model.key_entry import KeyEntry
from sidecar.model.reason import Reason
from sidecar.model.steps import to_end
from sidecar.wire import decode, encode, service, warm
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.seam import Pending
from tests.support.tokens import shared_key
from tests.support.world import KEY, World, allowed, bearer, config, payload, token

from .fault_points import Injector, Point, functions_of

FAULTS: tuple[type[Exception], ...] = (RuntimeError, ValueError, KeyError, TimeoutError, MemoryError, RecursionError, StopIteration)
"""The first at every point as often as it is passed, the others at each different point."""
ENDS: tuple[type[BaseException], ...] = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends a task or the process: it may leave the boundary, as no answer at all, but never as an allow."""
BOUNDARY = ("CheckService.", "_fault", "_without_time", "report", "Deny.__init__")
"""What holds everything else cannot hold itself: what is raised in its own few lines leaves it, and the front has no answer to send."""
ES256 = shared_key("ES256", "k2")
STRANGER = shared_key("ES256", "k2", number=1)


Spoil: TypeAlias = Callable[[World], None]


class Outcome(NamedTuple):
    """How a check ended: its gRPC code and reason, or what was raised."""

    code: int
    reason: str
    raised: str = ""


class Scenario(NamedTuple):
    """``request`` makes the message, a new one each time where the credential has to be new; ``warm``: asked before already."""

    request: Callable[[], bytes]
    warm: bool = False
    refresh: RefreshResult = RefreshResult.UNAVAILABLE
    give_up: bool = False
    sampled: bool = False
    places: bool = False
    """Credentials are read from cookies and queries, too."""
    rules: bool = False
    """Routes have policies, of which one hinges on a source that has to be asked; one lets its denials through."""


_numbers = iter(range(10**9))


def with_places() -> dict[str, Any]:
    """A configuration that reads credentials from cookies and queries, too."""
    data = config()
    places = [{"header": "authorization", "scheme": "Bearer"}, {"cookie": "access", "forward": False}, {"query": "token", "forward": False}]
    data["issuers"]["corp"]["credentials"] = places
    return data


def with_rules() -> dict[str, Any]:
    """A configuration with attribute policies."""
    data = config()
    data["policies"] = {
        "small": {"effect": "allow", "conditions": {"resource.id": {"in": ["7", "8"]}, "request.headers.x-n": {"equals": "1"}}},
        "cel": {"effect": "deny", "when": 'request.path == "/ruled/9" || user.id == "nobody"'},
        "tried": {"effect": "deny", "mode": "shadow", "conditions": {"request.method": {"equals": "GET"}}},
        "owned": {"effect": "allow", "conditions": {"resource.owner": {"equals": "eng"}}},
    }
    data["attributes"] = {"owner": {"provides": "resource.owner", "http": {"url": "http://127.0.0.1:1/{id}"}, "cache": "0s"}}
    for name, policy, deny in (("ruled", "small", ["cel"]), ("shadowed", "small", ["tried"]), ("owned", "owned", ["cel"])):
        data["routes"][name] = {
            "paths": [f"/{name}/{{id}}"], "authenticate": ["corp"], "require": {"permission": "posts:read", "policies": [policy]}, "deny": deny,
        }  # fmt: skip
    data["routes"]["lenient"] = {
        "paths": ["/lenient"], "authenticate": ["corp"], "require": {"role": "root"}, "unsafe_shadow_allows": True,
    }  # fmt: skip
    return data


def ruled(path: str, value: str = "", **headers: str) -> bytes:
    """A request to a route with policies."""
    return payload(path=path, headers={**bearer(value or token(ES256, roles=["viewer"])), "x-n": "1", **headers})


def fresh_token(key: Any = ES256, **claims: Any) -> str:
    """A token never seen before."""
    return token(key, **{"roles": ["viewer"], "jti": str(next(_numbers)), **claims})


def fresh(key: Any = ES256, **claims: Any) -> bytes:
    """A request with a token never seen before."""
    return payload(headers=bearer(fresh_token(key, **claims)))


GOOD = payload(headers=bearer(token(ES256, roles=["viewer"])))
LOOK_ALIKE = payload(headers={**bearer(token(ES256, roles=["viewer"])), "x_user_id": "root"})
PREFLIGHT = payload(path="/posts/1", method="OPTIONS", headers={"origin": "https://a.example.com", "access-control-request-method": "GET"})
SCENARIOS = {
    "warm": Scenario(lambda: GOOD, warm=True),
    "warm, raw headers": Scenario(lambda: payload(raw=True, headers=bearer(token(ES256, roles=["viewer"]))), warm=True),
    "warm, sampled": Scenario(lambda: GOOD, warm=True, sampled=True),
    "warm, another host": Scenario(lambda: payload(host="API.example.com:443", headers=bearer(token(ES256, roles=["viewer"]))), warm=True),
    "look-alike": Scenario(lambda: LOOK_ALIKE, warm=True),
    "trailing slash": Scenario(lambda: payload(path="/posts/", headers=bearer(token(ES256, roles=["viewer"]))), warm=True),
    "variable": Scenario(lambda: payload(path="/posts/7", headers=bearer(token(ES256, roles=["viewer"]))), warm=True),
    "new token": Scenario(fresh),
    "new RSA token": Scenario(lambda: fresh(shared_key("RS256"))),
    "raw headers": Scenario(lambda: payload(raw=True, headers=bearer(token(ES256, roles=["viewer"], jti=str(next(_numbers)))))),
    "cookie": Scenario(lambda: payload(headers={"cookie": f"a=b; access={fresh_token()}; c=d"}), places=True),
    "cookie, raw headers": Scenario(lambda: payload(raw=True, headers={"cookie": f"a=b; access={fresh_token()}"}), places=True),
    "query": Scenario(lambda: payload(path=f"/posts?a=b&token={fresh_token()}"), places=True),
    "taken off": Scenario(lambda: payload(path="/healthz", headers={"authorization": "Bearer a, Basic b", "x-api-key": KEY})),
    "exclamation mark": Scenario(lambda: payload(path="/posts/a!", headers=bearer(token(ES256, roles=["viewer"])))),
    "exclamation mark, raw headers": Scenario(lambda: payload(path="/posts/a!", raw=True, headers={":path": "/posts/a!", **bearer()})),
    "API key": Scenario(lambda: payload(headers={"x-api-key": KEY})),
    "API key as Bearer": Scenario(lambda: payload(headers={"authorization": f"Bearer {KEY}"})),
    "anonymous": Scenario(lambda: payload(path="/healthz")),
    "optional": Scenario(lambda: payload(path="/posts/7")),
    "preflight": Scenario(lambda: PREFLIGHT),
    "scope": Scenario(lambda: payload(path="/scoped", headers=bearer(token(ES256, scope="read")))),
    "role": Scenario(lambda: payload(path="/admin/x", headers=bearer(token(ES256, roles=["admin"])))),
    "policy, short way": Scenario(lambda: ruled("/ruled/7"), warm=True, rules=True),
    "policy, long way": Scenario(lambda: ruled("/ruled/7", x_user_id="root"), warm=True, rules=True),
    "policy in shadow": Scenario(lambda: ruled("/shadowed/8"), warm=True, rules=True),
    "policy, a source asked": Scenario(lambda: ruled("/owned/7"), warm=True, rules=True),
    "policy, new token": Scenario(lambda: ruled("/owned/7", fresh_token()), rules=True),
    "denied and let through": Scenario(lambda: ruled("/lenient"), warm=True, rules=True),
    "new token, denied and let through": Scenario(lambda: ruled("/lenient", fresh_token()), rules=True),
    "bad: policy": Scenario(lambda: ruled("/ruled/6"), warm=True, rules=True),
    "bad: deny policy": Scenario(lambda: ruled("/ruled/9"), rules=True),
    "bad: signature": Scenario(lambda: fresh(STRANGER), refresh=RefreshResult.FRESH),
    "bad: expired": Scenario(lambda: fresh(exp=1)),
    "bad: role": Scenario(lambda: fresh(roles=["nobody"])),
    "bad: rejected before": Scenario(lambda: payload(headers=bearer(token(ES256, exp=1))), warm=True),
    "bad: unknown kid": Scenario(lambda: fresh(shared_key("ES256", "gone"))),
    "bad: unknown kid, fresh keys": Scenario(lambda: fresh(shared_key("ES256", "gone")), refresh=RefreshResult.FRESH),
    "bad: API key": Scenario(lambda: payload(headers={"x-api-key": KEY[:-1] + "x"})),
    "bad: nothing": Scenario(payload),
    "bad: no route": Scenario(lambda: payload(path="/nowhere")),
    "bad: method": Scenario(lambda: payload(method="DELETE")),
    "bad: path": Scenario(lambda: payload(path="/posts/%2e%2e/admin")),
    "bad: host": Scenario(lambda: payload(host="a b")),
    "bad: two credentials": Scenario(lambda: payload(headers={**bearer("a.b.c"), "x-api-key": KEY})),
    "bad: no CheckRequest": Scenario(lambda: b"\xff\xff"),
    "bad: empty": Scenario(lambda: b""),
    "bad: large": Scenario(lambda: payload(headers={f"x-{number}": "x" * 4000 for number in range(80)})),
    "bad: large, raw headers": Scenario(lambda: payload(raw=True, headers={f"x-{number}": "x" * 4000 for number in range(80)})),
    "bad: given up": Scenario(fresh, give_up=True),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Ten thousands of logged faults are not what is looked at here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def drive(world: World, scenario: Scenario, message: bytes, watch: Injector) -> Outcome:
    """As a front does."""
    world.service._until_sample = 1 if scenario.sampled else 64
    assert world.current.snapshot is not None
    issuer = world.current.snapshot.issuers["corp"]
    issuer._paused.clear()  # a refresh that brought nothing is not asked for again within a second, and here no time passes
    issuer._absent.clear()
    try:
        out = watch.run(world.service.open, message, None)
        while isinstance(out, Pending):
            if scenario.give_up:
                out = watch.run(world.service.fail, out, Reason.DEADLINE_EXCEEDED)
            elif isinstance(out.ask, Verify):
                out = watch.run(world.service.verify, out)
            elif isinstance(out.ask, Attributes):
                out = watch.run(world.service.resume, out, tuple(Got("eng", 5, world.clock.mono()) for _ in out.ask.requests))
            else:
                out = watch.run(world.service.resume, out, scenario.refresh)
    except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt is one of those thrown in here
        return Outcome(-1, "", type(error).__name__)
    answer = CheckResponse.FromString(out)
    assert answer.WhichOneof("http_response") == ("ok_response" if allowed(answer) else "denied_response")
    return Outcome(answer.status.code, answer.dynamic_metadata.fields["reason"].string_value)


class Tried(NamedTuple):
    """What was done to one scenario."""

    passed: int
    runs: int
    left: int
    """Times that what was raised in the boundary itself left it."""
    wrong: list[tuple[str, Point, Outcome]]


class Fetched(World):
    """Its keys come from a URL, so that a token can ask for others."""

    def load(self, data: Mapping[str, Any], keys: tuple[KeyEntry, ...] | None = None) -> None:
        super().load(config(), keys)
        changed = dict(data)
        changed["issuers"]["corp"]["keys"] = {"url": "https://idp.example.com/jwks.json"}
        files = ConfigFiles(path="x.yaml", base="/", is_directory=False, files=(("x.yaml", json.dumps(changed).encode()),))
        settings = load(files, {}, with_files=False).settings
        self.current.snapshot = to_end(compile_snapshot(settings, "fetched", self.tables, self.meter, None))


def world_of(scenario: Scenario) -> World:
    """The world that it takes place in."""
    if scenario.rules:
        return World(with_rules())
    return Fetched() if not scenario.places else World(with_places())


def whole(_: World) -> None:
    """Nothing is broken before."""


def usual(scenario: Scenario, spoil: Spoil = whole) -> tuple[World, Outcome, bytes]:
    """A world, how the scenario ends in it, and a message of it."""
    world = world_of(scenario)
    spoil(world)
    message = scenario.request()
    for _ in range(3 if scenario.warm else 1):
        outcome = drive(world, scenario, message, Injector())
    return world, outcome, message


def unknown(point: Point) -> bool:
    """What CEL raises makes its rule unknown, no fault: a deny policy holds then, and the long way looks again."""
    return point.file == "/authz/cel.py" and point.callee in {"eval", "value"}


def break_everywhere(scenario: Scenario, faults: tuple[type[BaseException], ...], points: set[Point], *, spoil: Spoil = whole) -> Tried:
    """Raise at every point; those that are not in ``points`` get all faults, and are added. ``spoil`` breaks the world before."""
    world, normal, message = usual(scenario, spoil)
    wrong, runs, left, number = [], 0, 0, 0
    gc.freeze()  # so that the collections before each run look at what the runs leave only
    while True:
        known = False
        for fault in faults:
            one = message if scenario.warm else scenario.request()
            watch = Injector(number, fault)
            outcome = drive(world, scenario, one, watch)
            runs += 1
            if not watch.hit:
                return Tried(number, runs, left, wrong)
            point = watch.seen[number]
            if fault is faults[0]:
                known = point in points
                points.add(point)
            leaves = bool(outcome.raised) and point.function.startswith(BOUNDARY)
            left += leaves
            if (outcome.code == 0 and not unknown(point)) or (outcome.raised and issubclass(fault, Exception) and not leaves):
                wrong.append((fault.__name__, point, outcome))
            after = drive(world, scenario, one, Injector())
            if after != normal:
                wrong.append((f"after {fault.__name__}", point, after))
                world, normal, message = usual(scenario, spoil)
            if known:
                break
        number += 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # raised in what is just being closed
@pytest.mark.slow
@pytest.mark.parametrize("faults", [FAULTS, ENDS], ids=["faults", "ends"])
def test_row_53_every_call_of_a_check(faults: tuple[type[BaseException], ...], figure: Callable[..., None]) -> None:
    points: set[Point] = set()
    runs, left, wrong = 0, 0, []
    for name, scenario in SCENARIOS.items():
        tried = break_everywhere(scenario, faults, points)
        assert tried.passed, name
        runs += tried.runs
        left += tried.left
        wrong += [(name, *one) for one in tried.wrong]
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"
    names = ", ".join(fault.__name__ for fault in faults)
    words = f"{len(points)} points of {len(SCENARIOS)} kinds of checks (100 %), {runs:,} runs: code 0 never, {left} without an answer; the next check as ever"
    figure(53, f"raised at each call and return of a check: {names}", "denied, or no answer where the process ends; never code 0", words,
           wrongly_allowed=0)  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
def test_row_53_a_second_fault_while_the_first_is_handled(figure: Callable[..., None]) -> None:
    """The answer to a fault is made by code that can break as well."""
    points: set[Point] = set()
    runs = 0

    def fail(*_: object) -> None:
        raise MemoryError

    for name in ("new token", "API key", "anonymous"):
        for part in ("_check", "_emit", "_count", "_next_id"):
            tried = break_everywhere(
                SCENARIOS[name], (RuntimeError,), points, spoil=lambda world, part=part: setattr(world.service, part, fail)
            )
            assert not tried.wrong, (part, tried.wrong[:5])
            assert tried.passed > 20, (name, part)
            runs += tried.runs
    words = f"{len(points)} points, {runs} runs: code 0 never"
    figure(53, "a second exception while the first is answered", "denied", words, wrongly_allowed=0)


ON_THE_PATH = [service, warm, decode, encode, check, authenticate, removals, denials]
ELSEWHERE = {
    *("engine.authenticate.Authenticator.__init__", "engine.check.Engine.__init__", "wire.service.CheckService.__init__"),
    *("wire.warm.Warm.__init__", "wire.encode.last_resort"),  # when the process starts
    *("engine.removals.Credentials.__init__", "engine.removals.Credentials.stays", "engine.removals.LookAlikes.__init__"),  # compiled
    *("engine.check.retrace", "engine.check.decide_as"),  # for explanations, and for tools
    "wire.service.CheckService._compared",  # of a candidate, whose faults are none of the check (tests/unit/wire/test_candidate.py)
    *("wire.service._fault", "wire.service._without_time"),  # what the other tests of this row end in
}
"""Not on the way of a check that nothing is wrong with."""


def test_row_53_no_function_is_left_out(figure: Callable[..., None]) -> None:
    """Every function of the modules that decide is reached by a scenario: a new one has to get one, or a reason in ELSEWHERE."""
    reached: set[Any] = set()
    for scenario in SCENARIOS.values():
        world, message = world_of(scenario), scenario.request()
        for _ in range(3):  # the short way is open from the third time on
            watch = Injector()
            drive(world, scenario, message, watch)
            reached |= watch.functions
    for refusal in (Reason.OVERLOADED, Reason.NOT_READY):
        watch = Injector()
        watch.run(world.service.refuse, refusal, "x")
        reached |= watch.functions
    written = functions_of(ON_THE_PATH)
    missing = {name for code, name in written.items() if code not in reached}
    assert missing == ELSEWHERE
    figure(53, "functions of the deciding modules", "coverage of points 100 %", f"{len(written) - len(missing)} reached")
