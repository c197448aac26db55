"""What keeps failing is left alone, and tried again with one request."""

from sidecar.app.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker
from tests.support.fake_clock import FakeClock


def opened(clock: FakeClock) -> Breaker:
    breaker = Breaker(clock)
    for number in range(FAILURES):
        assert breaker.admits()
        assert breaker.failed() is (number == FAILURES - 1)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(FakeClock())
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"
    breaker = opened(FakeClock())
    assert breaker.state == "open"
    assert not breaker.admits()


def test_one_trial_after_the_pause_closes_it_or_doubles_the_pause() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.seconds += FIRST_PAUSE
    assert breaker.state == "half-open"
    assert breaker.admits()
    assert not breaker.admits(), "one at a time"
    assert breaker.failed()
    clock.seconds += FIRST_PAUSE
    assert not breaker.admits()
    clock.seconds += FIRST_PAUSE
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.admits()
    assert not breaker.failed(), "it counts from the beginning"


def test_the_pause_has_an_end() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    for _ in range(12):
        clock.seconds += LONGEST_PAUSE
        assert breaker.admits()
        breaker.failed()


def test_a_trial_that_is_given_up_makes_room_for_another() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.seconds += FIRST_PAUSE
    assert breaker.admits()
    breaker.given_up()
    assert breaker.admits()


def test_what_was_let_through_before_it_opened_does_not_prolong_it() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.seconds += FIRST_PAUSE / 2
    assert not breaker.failed()
    clock.seconds += FIRST_PAUSE / 2
    assert breaker.admits()
