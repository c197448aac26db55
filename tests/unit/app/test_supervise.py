"""Background tasks that have to go on."""

import asyncio

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.app.supervise import LoopLag, Supervisor
from tests.support.app_fakes import until


def test_a_crashed_task_starts_again_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    runs = []

    async def body() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("boom")

    async def scenario() -> Supervisor:
        supervisor = Supervisor(SystemClock(), first_pause=0.001)
        supervisor.start("refresh corp", body)
        await until(lambda: len(runs) == 3)
        await supervisor.close()
        return supervisor

    supervisor = asyncio.run(scenario())
    assert supervisor.crashes["refresh corp"] == 2
    assert "background task crashed" in caplog.text


def test_a_task_that_returns_is_done() -> None:
    runs = []

    async def body() -> None:
        runs.append(1)

    async def scenario() -> None:
        supervisor = Supervisor(SystemClock(), first_pause=0.001)
        supervisor.start("once", body)
        await asyncio.sleep(0.02)
        supervisor.start("once", body)
        await asyncio.sleep(0.02)

    asyncio.run(scenario())
    assert len(runs) == 2


def test_a_stopped_task_does_not_start_again() -> None:
    ended = []

    async def body() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(1)

    async def scenario() -> None:
        supervisor = Supervisor(SystemClock(), first_pause=0.001)
        supervisor.start("a", body)
        supervisor.start("b", body)
        await asyncio.sleep(0.01)
        await supervisor.stop("a")
        assert ended == [1]
        await supervisor.stop("a")
        await supervisor.close()

    asyncio.run(scenario())
    assert ended == [1, 1]


def test_loop_lag_sees_a_blocked_loop() -> None:
    async def scenario() -> float:
        lag = LoopLag(SystemClock())
        task = asyncio.create_task(lag.measure())
        await asyncio.sleep(0.01)
        end = SystemClock().mono() + 0.4
        while SystemClock().mono() < end:
            pass
        await asyncio.sleep(0.01)
        task.cancel()
        return lag.value

    assert asyncio.run(scenario()) > 0.1


def test_a_late_loop_gets_the_interpreter_sooner_until_it_is_on_time_again():
    switched: list[float] = []
    lag = LoopLag(SystemClock(), switched.append)
    for late in (0.001, 0.030, 0.010):
        lag.note(late)
    assert switched == [LoopLag.SWITCH, LoopLag.SWITCH_LATE, LoopLag.SWITCH_LATE], "the worst of the latest counts"
    for _ in range(LoopLag.KEPT):
        lag.note(0.010)  # as late as the shorter interval leaves it: no reason to go back
    assert set(switched[2:]) == {LoopLag.SWITCH_LATE}
    for _ in range(LoopLag.KEPT):
        lag.note(0.001)
    assert switched[-1] == LoopLag.SWITCH
