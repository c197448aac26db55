"""When the process may get traffic."""

import asyncio

from sidecar.app.readiness import FIRST_TRY_LIMIT, Readiness, SourceState
from tests.support.app_fakes import HandClock

TRIED = SourceState("corp", tried=True, present=False, required=False)
UNTRIED = SourceState("corp", tried=False, present=False, required=False)
REQUIRED = SourceState("corp", tried=True, present=False, required=True)
PRESENT = SourceState("corp", tried=True, present=True, required=True)


def readiness(*sources: SourceState, clock: HandClock | None = None) -> Readiness:
    made = Readiness(clock or HandClock(), lambda: sources)
    made.serving()
    return made


def test_not_ready_before_the_listener_is_open() -> None:
    made = Readiness(HandClock(), tuple)
    assert made.reasons() == ("starting",)
    made.serving()
    assert made.ready


def test_each_source_is_tried_once_first() -> None:
    """Security rule 9."""
    assert readiness(UNTRIED).reasons() == ("corp: not tried yet",)
    assert readiness(TRIED).ready, "a failed try of an optional source is a 503 for its tokens, not for everyone"


def test_an_untried_source_holds_readiness_back_for_ten_seconds_at_most() -> None:
    """Security rule 9."""
    clock = HandClock()
    made = readiness(UNTRIED, clock=clock)
    clock.move(FIRST_TRY_LIMIT - 0.1)
    assert not made.ready
    clock.move(0.2)
    assert made.ready


def test_a_required_source_is_waited_for_without_limit() -> None:
    """Security rule 9: ``required_for_ready`` waits for success."""
    clock = HandClock()
    made = readiness(REQUIRED, clock=clock)
    clock.move(3600)
    assert made.reasons() == ("corp: required, and its keys are not there yet",)
    assert readiness(PRESENT).ready


def test_once_ready_stays_ready_until_it_drains() -> None:
    sources = [PRESENT]
    made = Readiness(HandClock(), lambda: sources)
    made.serving()
    assert made.ready
    sources[:] = [REQUIRED]
    assert made.ready, "a reload that adds a source must not take the pod out of service"
    made.draining = True
    assert made.reasons() == ("shutting down",)


def test_waiting_ends_when_ready_or_draining() -> None:
    sources = [UNTRIED]
    made = Readiness(HandClock(), lambda: sources)
    made.serving()

    async def scenario() -> None:
        waiting = asyncio.create_task(made.until_ready())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        sources[:] = [TRIED]
        async with asyncio.timeout(1):
            await waiting
        made.draining = True
        async with asyncio.timeout(1):
            await made.until_ready()

    asyncio.run(scenario())
