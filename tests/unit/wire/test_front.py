"""What both fronts share, without a socket: admission, the caller's timeout, quiet."""

import asyncio

import pytest

from sidecar.model.instant import Instant
from sidecar.model.reason import Reason
from sidecar.wire.front import Desk, Limits, wait_quiet
from sidecar.wire.front_native import timeout_seconds
from sidecar.wire.seam import Pending

LIMITS = Limits(max_in_flight=100, max_check_size=10, check_deadline=0.15, allowed_peers=frozenset())


class Checks:
    def __init__(self) -> None:
        self.opened: list[bytes] = []
        self.calls: list[tuple[object, ...]] = []

    def open(self, payload: bytes, time_left: float | None) -> bytes | Pending:
        self.opened.append(payload)
        return b"ok"

    def refuse(self, reason: Reason, detail: str, count: int = 1) -> bytes:
        self.calls.extend([("refuse", reason, detail)] * count)
        return b"refused"


@pytest.mark.parametrize(
    ("payload", "left", "reason"),
    [
        (b"x" * 11, None, Reason.MALFORMED_REQUEST),
        (b"x", 0.0019, Reason.OVERLOADED),
        (b"x", 0.0, Reason.OVERLOADED),
        (b"x", -1.0, Reason.OVERLOADED),
        (b"x" * 11, 0.0, Reason.MALFORMED_REQUEST),
    ],
)
def test_refused_unread(payload: bytes, left: float | None, reason: Reason):
    """Security rule 30."""
    checks = Checks()
    assert Desk(checks, LIMITS).open(payload, left) == b"refused"
    assert checks.calls[0][:2] == ("refuse", reason)
    assert checks.opened == []


@pytest.mark.parametrize(("payload", "left"), [(b"x" * 10, None), (b"", 0.002), (b"x", 100.0)])
def test_admitted(payload: bytes, left: float | None):
    checks = Checks()
    assert Desk(checks, LIMITS).open(payload, left) == b"ok"
    assert checks.opened == [payload]


class StepClock:
    """Each look takes 10 ms."""

    def __init__(self) -> None:
        self.at = 0.0

    def mono(self) -> float:
        self.at += 0.01
        return self.at

    def now(self) -> Instant:
        return Instant(self.at, self.at)


@pytest.mark.parametrize(
    ("received", "in_flight", "quiet"),
    [
        (lambda clock: 0, lambda: 0, True),
        (lambda clock: int(clock.at * 20), lambda: 0, False),
        (lambda clock: 0, lambda: 1, False),
        (lambda clock: min(5, int(clock.at * 20)), lambda: 0, True),
    ],
    ids=["idle", "calls keep coming", "one never ends", "calls stop"],
)
def test_quiet(received, in_flight, quiet: bool):
    clock = StepClock()
    assert asyncio.run(wait_quiet(lambda: received(clock), in_flight, clock, 0.2, 1.0)) is quiet
    assert clock.at >= 0.2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"200m", 0.2),
        (b"1S", 1.0),
        (b"2M", 120.0),
        (b"1H", 3600.0),
        (b"1500u", 0.0015),
        (b"99999999n", 0.099999999),
        (b"0m", 0.0),
        (b"", None),
        (b"m", None),
        (b"200", None),
        (b"-1m", None),
        (b"1.5S", None),
        (b" 1m", None),
        (b"100000000m", None),
        (b"200x", None),
        ("²m".encode(), None),
    ],
)
def test_grpc_timeout(value: bytes, seconds: float | None):
    read = timeout_seconds(value)
    assert read == (seconds if seconds is None else pytest.approx(seconds))
