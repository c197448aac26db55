"""The Clock port: the system's and the tests' own."""

import time

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.ports import Clock
from tests.support.app_fakes import HandClock


@pytest.fixture(params=[SystemClock, HandClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    return request.param()


def test_time_does_not_go_back(clock: Clock) -> None:
    seen = [clock.mono(), clock.now().mono, clock.mono()]
    assert seen == sorted(seen)
    assert clock.now().wall > 1_700_000_000


def test_the_system_clock_is_the_system_clock() -> None:
    assert abs(SystemClock().now().wall - time.time()) < 1
    assert abs(SystemClock().mono() - time.monotonic()) < 1
