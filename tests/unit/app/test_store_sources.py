"""Live API key tables."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.app.store_sources import StoreSources, files_of
from sidecar.authn.api_key import digest_of
from sidecar.model.errors import ConfigError, Problem, SourceError, Where
from sidecar.model.key_entry import KeyEntry
from sidecar.model.secret import Secret
from sidecar.model.settings import KeyStoreSettings
from tests.support.settings import make_settings

PEPPER = Secret(b"a pepper")


def entry(key: str, **fields: Any) -> KeyEntry:
    return KeyEntry(id=key, digest=digest_of(key, "1", PEPPER), **fields)


def stores(file: str = "/etc/sidecar-keys/keys.yaml", **changes: Any) -> Mapping[str, KeyStoreSettings]:
    store = {"store": {"file": file}, "peppers": {"1": {"file": "/run/pepper"}}} | changes
    return make_settings(api_keys={"partners": store}).api_keys


class Plant:
    def __init__(self) -> None:
        self.entries: tuple[KeyEntry, ...] | Exception = ()
        self.pepper: Secret | None = PEPPER
        self.sources = StoreSources(self, SystemClock(), self.read_entries)

    def read(self, kind: str, value: str) -> Secret:
        if self.pepper is None:
            raise SourceError(f"{value}: no such file")
        return self.pepper

    async def read_entries(self, settings: KeyStoreSettings) -> tuple[KeyEntry, ...]:
        if isinstance(self.entries, Exception):
            raise self.entries
        return self.entries

    async def load(self, settings: Mapping[str, KeyStoreSettings], *entries: KeyEntry) -> Any:
        prepared = await self.sources.prepare(settings, {"partners": entries}, paced=True)
        self.sources.commit(prepared)
        return prepared.refs["partners"]


def run(scenario: Callable[[Plant], Any]) -> None:
    asyncio.run(scenario(Plant()))


def test_a_store_is_loaded() -> None:
    async def scenario(plant: Plant) -> None:
        ref = await plant.load(stores(), entry("a"))
        assert ref.current.lookup("a") is not None
        assert ref.current.lookup("b") is None
        assert files_of(stores()["partners"]) == ("/etc/sidecar-keys/keys.yaml", "/run/pepper")

    run(scenario)


def test_the_reference_outlives_reloads_of_the_same_file() -> None:
    async def scenario(plant: Plant) -> None:
        ref = await plant.load(stores(), entry("a"))
        assert await plant.load(stores(invalid_status=401), entry("b")) is ref
        assert ref.current.lookup("b") is not None
        assert await plant.load(stores("/etc/other.yaml"), entry("c")) is not ref

    run(scenario)


def test_a_missing_pepper_is_an_error_with_the_store_s_place() -> None:
    async def scenario(plant: Plant) -> None:
        plant.pepper = None
        with pytest.raises(ConfigError) as caught:
            await plant.load(stores(), entry("a"))
        assert caught.value.problems[0].where.key == "api_keys.partners"
        assert plant.sources.live == {}

    run(scenario)


def test_a_revocation_acts_by_one_reference() -> None:
    """Security rule 14."""

    async def scenario(plant: Plant) -> None:
        ref = await plant.load(stores(), entry("a"))
        plant.entries = (entry("a", revoked=True),)
        await plant.sources.reread(["partners", "gone"])
        assert ref.current.lookup("a").revoked
        assert plant.sources.live["partners"].generation > 1

    run(scenario)


@pytest.mark.parametrize("error", [ConfigError((Problem(Where("keys.yaml", 2, "keys[0].id"), "missing"),)), OSError("no child")])
def test_a_broken_file_keeps_the_last_good_keys(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(plant: Plant) -> None:
        ref = await plant.load(stores(), entry("a"))
        plant.entries = error
        assert await plant.sources.reread(["partners"]) == ["partners"]
        assert await plant.sources.reread(["partners"]) == ["partners"]
        assert ref.current.lookup("a") is not None
        assert ref.last_error == str(error)
        assert caplog.text.count("the last good keys stay") == 1, "said once, however often it is tried"
        plant.entries = (entry("b"),)
        assert await plant.sources.reread(["partners"]) == []
        assert ref.last_error == ""

    run(scenario)


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Security rule 22."""
    caplog.set_level("DEBUG")

    async def scenario(plant: Plant) -> None:
        await plant.load(stores(), entry("a-key-that-is-secret"))
        plant.pepper = None
        await plant.sources.reread(["partners"])

    run(scenario)
    assert "a pepper" not in caplog.text
    assert digest_of("a-key-that-is-secret", "1", PEPPER).value.hex() not in caplog.text
