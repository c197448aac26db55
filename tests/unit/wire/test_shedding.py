"""The native front's queue under overload, without the library: who is refused, and with what."""

import asyncio
from typing import Any

import pytest

from sidecar.model.ask import TURN
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.reason import Reason
from sidecar.wire.asks import LoopAsks
from sidecar.wire.front import TOO_LONG, TOO_MANY, FrontParts, Limits
from sidecar.wire.front_native import BATCH, TURNS_KNOWN, VERIFY_BATCH, DecisionThread, Pace
from sidecar.wire.seam import Pending
from tests.support.server_settings import SETTINGS

CALL, CHECK = 0, 0


class Native:
    def __init__(self) -> None:
        self.replies: dict[int, bytes] = {}

    def respond(self, call_id: int, reply: bytes) -> None:
        assert call_id not in self.replies, "answered twice"
        self.replies[call_id] = reply


class Clock:
    at = 100.0

    def mono(self) -> float:
        return self.at

    def now(self) -> Instant:
        return Instant(self.at, self.at)


class Checks:
    """Allows at once, except what begins with ``new``, which asks for its turn."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.refused: list[tuple[Reason, str, int]] = []
        self.opened = 0

    def open(self, payload: bytes, time_left: float | None) -> bytes | Pending:
        self.opened += 1
        if not payload.startswith(b"new"):
            return b"allow"
        generator = (ask for ask in (TURN,))
        return Pending(generator, next(generator), self.clock.at + (time_left or 0.15))  # type: ignore[arg-type]

    def verify(self, _pending: Pending) -> bytes:
        return b"verified"

    def refuse(self, reason: Reason, detail: str, count: int = 1) -> bytes:
        self.refused.append((reason, detail, count))
        return b"refused"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checks(clock: Clock) -> Checks:
    return Checks(clock)


@pytest.fixture
def native() -> Native:
    return Native()


@pytest.fixture
def thread(native: Native, checks: Checks, clock: Clock) -> DecisionThread:
    loop: Any = asyncio.AbstractEventLoop()
    nothing: Any = None
    parts = FrontParts(settings=SETTINGS, checks=checks, answer=nothing, meter=Meter(), clock=clock)  # type: ignore[arg-type]
    front: Any = native
    made = DecisionThread(front, nothing, LoopAsks(loop, nothing), parts)
    made.apply(Limits(max_in_flight=1000, max_check_size=10_000, check_deadline=0.15, allowed_peers=frozenset()))
    return made


def known(pace: Pace, seconds: float) -> None:
    """Let it be the pace of all turns so far."""
    for _ in range(TURNS_KNOWN):
        pace.learn(seconds * BATCH, BATCH)


def arrive(
    thread: DecisionThread, clock: Clock, count: int, *, payload: bytes = b"known", timeout: bytes = b"200m", first: int = 0
) -> None:
    thread._turn([(CALL, first + number, CHECK, payload, timeout) for number in range(count)], clock.at, clock.at)


def test_what_cannot_be_in_time_is_refused_at_once_and_together(
    thread: DecisionThread, native: Native, checks: Checks, clock: Clock
) -> None:
    known(thread._pace, 0.001)  # 150 ms are good for 112 checks, a quarter of the time to spare
    arrive(thread, clock, 900)
    refused = [call_id for call_id, reply in native.replies.items() if reply == b"refused"]
    assert sorted(refused) == list(range(112, 900)), "the newest"
    assert checks.refused == [(Reason.OVERLOADED, TOO_LONG, 788)], "one answer for all"
    assert sorted(call_id for call_id, reply in native.replies.items() if reply == b"allow") == list(range(BATCH))


def test_the_callers_own_time_counts_when_it_is_shorter(thread: DecisionThread, checks: Checks, clock: Clock) -> None:
    known(thread._pace, 0.0001)
    arrive(thread, clock, 900, timeout=b"20m")
    assert checks.refused == [(Reason.OVERLOADED, TOO_LONG, 900 - 150)]


def test_a_fast_pace_refuses_nobody_below_the_limit(thread: DecisionThread, checks: Checks, clock: Clock) -> None:
    known(thread._pace, 0.00005)
    arrive(thread, clock, 1000)
    assert checks.refused == []
    arrive(thread, clock, 100, first=1000)
    assert checks.refused == [(Reason.OVERLOADED, TOO_MANY, 100 - BATCH)]


def test_new_tokens_are_bounded_and_known_ones_do_not_wait_for_them(
    thread: DecisionThread, native: Native, checks: Checks, clock: Clock
) -> None:
    known(thread._verify_pace, 0.003)  # 200 ms are good for 50 of them
    arrive(thread, clock, BATCH, payload=b"new")
    assert len([reply for reply in native.replies.values() if reply == b"refused"]) == BATCH - 51
    arrive(thread, clock, 10, first=1000)
    assert [native.replies[1000 + number] for number in range(10)] == [b"allow"] * 10
    assert thread._unverified, "and they still wait"


@pytest.mark.parametrize(("busy", "more"), [(0.0, 0), (0.003, 3), (0.090, 5)])
def test_new_tokens_get_as_much_time_as_all_else_but_never_much(
    thread: DecisionThread, native: Native, checks: Checks, clock: Clock, busy: float, more: int
) -> None:
    taken = clock.at
    arrive(thread, clock, BATCH, payload=b"new")
    assert list(native.replies.values()).count(b"verified") == VERIFY_BATCH
    verify, left = checks.verify, VERIFY_BATCH

    def slowly(pending: Pending) -> bytes:  # those that come in any case take no time here, each further one a millisecond
        nonlocal left
        left -= 1
        clock.at += 0.001 if left < 0 else 0.0
        return verify(pending)

    checks.verify = slowly  # type: ignore[method-assign]
    clock.at = taken + busy
    thread._turn([], taken, taken)
    assert list(native.replies.values()).count(b"verified") == 2 * VERIFY_BATCH + more


def test_everything_is_answered_once_and_nothing_stays_in_flight(thread: DecisionThread, native: Native, clock: Clock) -> None:
    known(thread._pace, 0.001)
    known(thread._verify_pace, 0.01)
    arrive(thread, clock, 500)
    arrive(thread, clock, 500, payload=b"new", first=500)
    for _ in range(100):
        thread._turn([], clock.at, clock.at)
    assert len(native.replies) == 1000
    assert thread._meter.in_flight == 0


def test_a_stall_is_no_pace() -> None:
    pace = Pace(BATCH)
    for took in (0.0064, 0.0064, 3.0, 0.0064, 5.0, 0.0064, 4.0):
        pace.learn(took, BATCH)
        assert pace.seconds() <= 0.0001


def test_few_checks_say_nothing_of_many() -> None:
    pace = Pace(BATCH)
    for _ in range(TURNS_KNOWN):
        pace.learn(0.001, 1)
    assert pace.seconds() == 0.001 / BATCH


def test_a_pace_that_lasts_is_known_soon_and_forgotten_soon() -> None:
    pace = Pace(BATCH)
    for took in (0.0064, 0.64, 0.0064):
        for _ in range(4):
            pace.learn(took, BATCH)
        assert pace.seconds() == took / BATCH
