"""The fail-closed boundary: a fault anywhere behind it is a denial, and nothing secret leaves."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authn.extract import Extraction
from sidecar.authz.require import Requirement
from sidecar.engine import check as check_module
from sidecar.engine import routes as routes_module
from sidecar.engine.authenticate import Authenticator
from sidecar.engine.identity import IdentityPlan
from sidecar.engine.removals import Credentials, LookAlikes
from sidecar.engine.routes import RouteTable
from sidecar.model.ask import TURN, Verify
from sidecar.model.reason import Reason
from sidecar.wire import service as service_module
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.encode import Encoder
from sidecar.wire.seam import Pending
from sidecar.wire.service import CheckService
from tests.support.world import KEY, World, allowed, bearer, payload, token


@pytest.fixture
def world() -> World:
    return World()


def reason(response: CheckResponse) -> str:
    return response.dynamic_metadata.fields["reason"].string_value


GOOD = payload(headers=bearer(roles=["viewer"]))
LOOK_ALIKE = payload(headers={**bearer(roles=["viewer"]), "x_user_id": "root"})
TRAILING_SLASH = payload(path="/posts/", headers=bearer(roles=["viewer"]))
OTHERS = {
    "host": TRAILING_SLASH,
    "combine": LOOK_ALIKE,
    "credentials": LOOK_ALIKE,
    "look-alikes": LOOK_ALIKE,
    "path": TRAILING_SLASH,
    "route": TRAILING_SLASH,
}
WITH_KEY = payload(headers={"x-api-key": KEY})


def begun(service: CheckService, check: bytes, time_left: float | None) -> Pending:
    """Begin a check with a new token, up to the question whether its signature holds."""
    out = service.open(check, time_left)
    assert isinstance(out, Pending)
    assert out.ask is TURN
    out = service.verify(out)
    assert isinstance(out, Pending)
    return out


def test_a_good_request_is_allowed(world: World) -> None:
    for one in (GOOD, WITH_KEY, payload(raw=True, headers=bearer(roles=["viewer"]))):
        response = world.answer(one)
        assert allowed(response)
        assert response.WhichOneof("http_response") == "ok_response"


def test_before_the_first_snapshot_nothing_is_allowed(world: World) -> None:
    world.current.snapshot = None
    response = world.answer(GOOD)
    assert not allowed(response)
    assert response.denied_response.status.code == 503


PHASES: dict[str, tuple[Any, str]] = {
    "parse": (service_module, "parse"),
    "decode": (service_module, "decode"),
    "host": (check_module, "canonical_host"),
    "usual host": (routes_module, "canonical_host"),
    "path": (check_module, "canonical_path"),
    "plain path": (routes_module, "is_plain"),
    "route": (RouteTable, "find"),
    "usual route": (RouteTable, "usual"),
    "extract": (Extraction, "read"),
    "remembered": (Authenticator, "remembered"),
    "token": (Authenticator, "token"),
    "require": (Requirement, "check"),
    "identity": (IdentityPlan, "mutations"),
    "look-alikes": (LookAlikes, "present"),
    "credentials": (Credentials, "take_off"),
    "combine": (check_module, "combine"),
    "encode": (Encoder, "allow"),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "fault", [RuntimeError("sk_canary"), KeyError("sk_canary"), RecursionError(), MemoryError(), StopIteration("x"), TimeoutError()]
)
def test_a_fault_in_any_phase_is_a_denial(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, phase: str, fault: Exception
) -> None:
    """Security rule 22: and its text is in no answer and no log."""

    def fail(*_: Any, **__: Any) -> Any:
        raise fault

    monkeypatch.setattr(*PHASES[phase], fail)
    with caplog.at_level(logging.DEBUG):
        out = world.service.open(OTHERS.get(phase, GOOD), None)
        while isinstance(out, Pending):
            out = world.service.resume(out, out.ask.run())
    response = CheckResponse.FromString(out)
    assert not allowed(response)
    assert response.denied_response.status.code == 503
    assert b"canary" not in out
    assert "canary" not in caplog.text
    if phase != "encode":
        assert reason(response) == "internal_error"
        assert world.sink.decisions[-1].reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize("broken", ["_emit", "_count", "_next_id", "_mono", "answer"])
def test_a_fault_while_concluding_is_a_denial(world: World, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError

    monkeypatch.setattr(service_module if broken == "answer" else world.service, broken, fail)
    response = world.answer(payload() if broken == "answer" else GOOD)
    assert not allowed(response)
    assert response.denied_response.status.code == 503


@pytest.mark.parametrize("nonsense", [None, True, "allow", object(), 0])
def test_what_is_no_decision_is_a_denial(world: World, monkeypatch: pytest.MonkeyPatch, nonsense: object) -> None:
    def steps(*_: Any) -> Any:
        return nonsense
        yield

    for check in (steps, lambda *_: nonsense):
        monkeypatch.setattr(world.service, "_check", check)
        assert reason(world.answer(GOOD)) == "internal_error"
        assert world.sink.decisions[-1].reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize("answer", [None, False, 1, "True", b"", object(), RuntimeError])
def test_only_true_is_a_signature_that_holds(world: World, answer: object) -> None:
    out = begun(world.service, GOOD, None)
    assert isinstance(out.ask, Verify)
    final = world.service.resume(out, answer)
    assert isinstance(final, bytes)
    assert not allowed(CheckResponse.FromString(final))


@pytest.mark.parametrize("fault", [ValueError("sk_canary"), MemoryError(), StopIteration("x")])
def test_a_signature_check_that_fails_is_a_denial(world: World, caplog: pytest.LogCaptureFixture, fault: Exception) -> None:
    def fail() -> bool:
        raise fault

    out = world.service.open(GOOD, None)
    assert isinstance(out, Pending)
    out.ask = Verify(fail)
    response = CheckResponse.FromString(world.service.verify(out))
    assert not allowed(response)
    assert reason(response) == "internal_error"
    assert "canary" not in caplog.text


def test_a_signature_check_goes_on_with_what_it_says() -> None:
    for verdict, status in ((lambda ask: ask, 0), (lambda ask: Verify(lambda: False), 401)):
        service = World().service
        out = begun(service, GOOD, None)
        out.ask = verdict(out.ask)
        final = service.verify(out)
        assert isinstance(final, bytes)
        assert CheckResponse.FromString(final).denied_response.status.code == status


@pytest.mark.parametrize("why", [Reason.DEADLINE_EXCEEDED, Reason.NOT_READY, Reason.INTERNAL_ERROR])
def test_a_check_that_is_given_up_is_denied_and_cannot_go_on(world: World, why: Reason) -> None:
    out = world.service.open(GOOD, None)
    assert isinstance(out, Pending)
    assert not allowed(CheckResponse.FromString(world.service.fail(out, why)))
    assert world.sink.decisions[-1].reason is why
    again = world.service.resume(out, True)
    assert isinstance(again, bytes)
    assert not allowed(CheckResponse.FromString(again))


@pytest.mark.parametrize(("time_left", "seconds"), [(None, 0.151), (0.05, 0.0481), (10.0, 0.151)])
def test_a_late_allow_is_a_denial(world: World, time_left: float | None, seconds: float) -> None:
    out = begun(world.service, GOOD, time_left)
    verified = out.ask.run()
    world.clock.seconds += seconds
    response = CheckResponse.FromString(world.service.resume(out, verified))
    assert not allowed(response)
    assert reason(response) == "deadline_exceeded"


def test_an_allow_just_in_time(world: World) -> None:
    out = begun(world.service, GOOD, 0.05)
    world.clock.seconds += 0.0479
    assert allowed(CheckResponse.FromString(world.service.resume(out, out.ask.run())))


@pytest.mark.parametrize("why", [Reason.OVERLOADED, Reason.MALFORMED_REQUEST, Reason.NOT_READY])
def test_refusing_unread(world: World, why: Reason) -> None:
    response = CheckResponse.FromString(world.service.refuse(why, "x"))
    assert not allowed(response)
    assert response.denied_response.status.code == why.status


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"\x0a\x00"])
def test_malformed_messages_are_denied_counted_and_recorded(world: World, garbage: bytes) -> None:
    response = world.answer(garbage)
    assert response.denied_response.status.code == 400
    assert not allowed(response)
    assert world.meter.no_route.decisions == {Reason.MALFORMED_REQUEST: 1}
    assert world.sink.decisions[-1].reason is Reason.MALFORMED_REQUEST


def test_dropped_records_change_nothing(world: World) -> None:
    world.sink.full = True
    assert allowed(world.answer(GOOD))


def test_phases_of_a_sample_are_timed(world: World) -> None:
    for _ in range(3 * 64 + 1):
        world.answer(GOOD)
    assert {phase: sum(times.counts) for phase, times in world.meter.phases.items()} == {"decode": 3, "decide": 3, "answer": 3}


def test_denials_say_the_id_that_the_metadata_has(world: World) -> None:
    response = world.answer(payload(headers=bearer(aud="other")))
    body = json.loads(response.denied_response.body)
    assert body["decision_id"] == response.dynamic_metadata.fields["decision_id"].string_value
    assert (body["reason"], reason(response)) == ("invalid_token", "invalid_token")


def test_no_credential_is_in_any_answer(world: World) -> None:
    """Security rule 22."""
    secret = token(aud="other")
    for one in (
        payload(headers=bearer(secret)),
        payload(headers={"x-api-key": "sk_canary"}),
        payload(path=f"/posts?access_token={secret}"),
    ):
        out = world.answer(one).SerializeToString()
        assert secret.encode() not in out
        assert b"sk_canary" not in out


@given(st.binary(max_size=300))
def test_no_bytes_allow(data: bytes) -> None:
    assert not allowed(WORLD.answer(data))


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_damaged_request_is_answered(at: int, byte: int, other: int, another: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at], damaged[other] = byte, another
    response = WORLD.answer(bytes(damaged))
    assert response.WhichOneof("http_response") == ("ok_response" if allowed(response) else "denied_response")


WORLD = World()
