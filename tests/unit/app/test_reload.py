"""The reload state machine, with steps that tests control."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sidecar.app.reload import CONFIG, Reloader, Stage, Steps
from sidecar.model.errors import ConfigError, Problem, SourceError, Where
from tests.support.app_fakes import HandClock, until

PROBLEM = Problem(Where("config.yaml", 3, "routes.a"), "unknown key", "did you mean 'paths'?")
GUARDED = Problem(Where("config.yaml", 1, "issuers"), "issuer 'corp' would go away")


@dataclass
class Candidate:
    settings: Any
    revision: str


@dataclass
class Plant:
    """What the steps did, and what they shall do next."""

    answers: list[Candidate | Exception] = field(default_factory=list)
    forbidden: tuple[Problem, ...] = ()
    install_error: Exception | None = None
    running: str = "old"
    validated: int = 0
    installed: list[str] = field(default_factory=list)
    reread: list[frozenset[str]] = field(default_factory=list)
    unreadable: list[frozenset[str] | Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def validate(self) -> Candidate:
        self.validated += 1
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def install(self, candidate: Candidate) -> None:
        if self.install_error is not None:
            raise self.install_error
        self.running = candidate.settings
        self.installed.append(candidate.revision)

    async def reread_sources(self, sources: frozenset[str]) -> frozenset[str]:
        self.reread.append(sources)
        failed = self.unreadable.pop(0) if self.unreadable else frozenset[str]()
        if isinstance(failed, Exception):
            raise failed
        return failed & sources

    def reloader(self) -> Reloader[Candidate]:
        steps: Steps[Any] = Steps(
            validate=self.validate,
            guard=lambda running, new: self.forbidden,
            install=self.install,
            reread=self.reread_sources,
            running=lambda: self.running,  # type: ignore[arg-type,return-value]
        )
        return Reloader("config.yaml", "r1", steps, HandClock(), quiet=0.005)


def during(plant: Plant, act: Callable[[Reloader[Candidate]], Awaitable[None]]) -> Reloader[Candidate]:
    """Run a reloader while ``act`` uses it."""

    async def scenario() -> Reloader[Candidate]:
        reloader = plant.reloader()
        task = asyncio.create_task(reloader.run())
        try:
            await act(reloader)
        finally:
            task.cancel()
        return reloader

    return asyncio.run(scenario())


async def settled(reloader: Reloader[Candidate]) -> None:
    await asyncio.sleep(0.01)
    await until(lambda: reloader.stage is Stage.IDLE and not reloader._wake.is_set())


def once(*sources: str) -> Callable[[Reloader[Candidate]], Awaitable[None]]:
    async def act(reloader: Reloader[Candidate]) -> None:
        reloader.changed(sources)
        await settled(reloader)

    return act


def test_the_load_at_start_counts_as_a_success() -> None:
    reloader = during(Plant(), settled)
    assert reloader.last.ok
    assert reloader.last.revision == "r1"


def test_a_valid_change_is_installed() -> None:
    plant = Plant([Candidate("new", "r2")])
    reloader = during(plant, once(CONFIG))
    assert plant.running == "new"
    assert (reloader.last.ok, reloader.last.revision) == (True, "r2")


def test_many_changes_at_once_are_one_reload() -> None:
    plant = Plant([Candidate("new", "r2")])

    async def act(reloader: Reloader[Candidate]) -> None:
        for _ in range(20):
            reloader.changed((CONFIG,))
        await settled(reloader)

    during(plant, act)
    assert plant.validated == 1


@pytest.mark.parametrize("error", [ConfigError((PROBLEM,)), SourceError("keys.json: no such file"), OSError("no child")])
def test_a_failed_validation_keeps_the_last_good(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Security rule 25: errors with file and line, and the running configuration untouched."""
    plant = Plant([error])
    reloader = during(plant, once(CONFIG))
    assert plant.running == "old"
    assert plant.installed == []
    assert not reloader.last.ok
    assert reloader.last.revision == "r1", "the revision in use, not the broken one"
    assert str(reloader.last.problems[0]) in caplog.text
    assert caplog.records[-1].levelname == "ERROR"


def test_a_guarded_change_is_refused() -> None:
    plant = Plant([Candidate("new", "r2")], forbidden=(GUARDED,))
    reloader = during(plant, once(CONFIG))
    assert plant.running == "old"
    assert reloader.last.problems == (GUARDED,)


def test_a_failed_installation_is_a_failed_reload() -> None:
    plant = Plant([Candidate("new", "r2")], install_error=ConfigError((PROBLEM,)))
    reloader = during(plant, once(CONFIG))
    assert reloader.last.problems == (PROBLEM,)


def test_key_material_is_reread_without_the_configuration() -> None:
    plant = Plant()
    during(plant, once("store:partners"))
    assert plant.reread == [frozenset({"store:partners"})]
    assert plant.validated == 0


def test_key_material_is_reread_while_the_configuration_is_broken() -> None:
    """Security rule 14: a revocation acts although a broken edit lies in the configuration."""
    plant = Plant([ConfigError((PROBLEM,)), ConfigError((PROBLEM,))])

    async def act(reloader: Reloader[Candidate]) -> None:
        await once(CONFIG)(reloader)
        await once("store:partners")(reloader)

    during(plant, act)
    assert plant.reread == [frozenset({"store:partners"})]


def test_after_a_failure_any_change_tries_again() -> None:
    plant = Plant([ConfigError((PROBLEM,)), Candidate("new", "r2")])

    async def act(reloader: Reloader[Candidate]) -> None:
        await once(CONFIG)(reloader)
        await once("issuer:corp")(reloader)

    reloader = during(plant, act)
    assert reloader.last.ok
    assert plant.running == "new"


def test_a_change_during_validation_is_not_lost() -> None:
    plant = Plant([Candidate("new", "r2"), Candidate("newer", "r3")])

    async def act(reloader: Reloader[Candidate]) -> None:
        plant.gate = asyncio.Event()
        reloader.changed((CONFIG,))
        await until(lambda: reloader.stage is Stage.VALIDATING)
        reloader.changed((CONFIG,))
        plant.gate.set()
        await settled(reloader)
        await settled(reloader)

    during(plant, act)
    assert plant.installed == ["r2", "r3"]


def test_a_surprise_does_not_look_like_a_success() -> None:
    plant = Plant([Candidate("new", "r2")], install_error=RuntimeError("boom"))

    async def scenario() -> Reloader[Candidate]:
        reloader = plant.reloader()
        reloader.changed((CONFIG,))
        with pytest.raises(RuntimeError):
            await reloader.run()
        return reloader

    assert not asyncio.run(scenario()).last.ok


def test_a_failure_is_logged_once_however_often_it_is_tried(caplog: pytest.LogCaptureFixture) -> None:
    plant = Plant([ConfigError((PROBLEM,)), ConfigError((PROBLEM,))])

    async def act(reloader: Reloader[Candidate]) -> None:
        await once(CONFIG)(reloader)
        await once(CONFIG)(reloader)

    during(plant, act)
    assert plant.validated == 2
    assert caplog.text.count("unknown key") == 1


def test_after_a_failure_it_tries_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.app.reload.RETRY", 0.02)
    plant = Plant([ConfigError((PROBLEM,)), Candidate("new", "r2")])

    async def act(reloader: Reloader[Candidate]) -> None:
        reloader.changed((CONFIG,))
        await until(lambda: plant.installed == ["r2"])

    assert during(plant, act).last.ok


KEYS, THEIRS = "store:partners", "issuer:corp"


def test_a_source_that_could_not_be_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file will not change again: a key that was revoked in it would stay good."""
    monkeypatch.setattr("sidecar.app.reload.AGAIN", 0.02)
    plant = Plant(unreadable=[frozenset({KEYS}), frozenset({KEYS})])

    async def act(reloader: Reloader[Candidate]) -> None:
        reloader.changed((KEYS, THEIRS))
        await until(lambda: len(plant.reread) == 3)
        await asyncio.sleep(0.1)

    during(plant, act)
    assert plant.reread == [frozenset({KEYS, THEIRS}), frozenset({KEYS}), frozenset({KEYS})]
    assert plant.validated == 0


def test_what_is_unread_outlives_other_changes_and_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.app.reload.AGAIN", 0.02)
    plant = Plant(unreadable=[frozenset({KEYS}), frozenset({THEIRS}), RuntimeError("no thread")])

    async def scenario() -> None:
        reloader = plant.reloader()
        reloader.changed((KEYS,))
        running = asyncio.create_task(reloader.run())
        await until(lambda: len(plant.reread) == 1)
        reloader.changed((THEIRS,))
        with pytest.raises(RuntimeError):
            await running
        running = asyncio.create_task(reloader.run())  # as the supervisor does
        await until(lambda: len(plant.reread) == 4)
        running.cancel()

    asyncio.run(scenario())
    assert plant.reread[-1] == frozenset({KEYS, THEIRS})


def test_a_broken_configuration_is_not_validated_each_time_that_a_source_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.app.reload.AGAIN", 0.01)
    plant = Plant([ConfigError((PROBLEM,)), Candidate("new", "r2")], unreadable=[frozenset({KEYS})] * 4)

    async def act(reloader: Reloader[Candidate]) -> None:
        reloader.changed((CONFIG, KEYS))
        await until(lambda: len(plant.reread) == 4)
        assert plant.validated == 1
        await until(lambda: plant.installed == ["r2"])  # what was unreadable may have been the cause

    assert during(plant, act).last.ok
