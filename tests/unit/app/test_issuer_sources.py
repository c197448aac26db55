"""Live key tables: what carries over a reload, what is loaded, what keeps the last good."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.app.issuer_sources import IssuerSources, PreparedIssuers, files_of
from sidecar.app.supervise import Supervisor
from sidecar.authn.keytable import KeyTable
from sidecar.authn.mint import new_private_jwk, public_jwks
from sidecar.model.ask import RefreshKeys, RefreshResult
from sidecar.model.errors import ConfigError, SourceError
from sidecar.model.secret import Secret
from sidecar.model.settings import IssuerSettings
from tests.support.settings import make_settings

FIRST, SECOND = (json.dumps(public_jwks(new_private_jwk("ES256", kid))).encode() for kid in ("k1", "k2"))
JWKS = "/etc/keys/jwks.json"


class Files(dict[str, bytes]):
    def __call__(self, path: str, max_bytes: int) -> bytes:
        if path not in self:
            raise SourceError(f"{path}: no such file")
        return self[path]


class Secrets:
    def read(self, kind: str, value: str) -> Secret:
        return Secret(b"s" * 32)


class Refresher:
    """Counts how often it runs, and until when."""

    def __init__(self, settings: IssuerSettings, table: KeyTable) -> None:
        self.settings, self.table = settings, table
        self.running = 0
        self.results: dict[str, int] = {}

    async def run(self) -> None:
        self.running += 1
        try:
            await asyncio.sleep(60)
        finally:
            self.running -= 1

    async def refresh(self, ask: RefreshKeys) -> RefreshResult:
        return RefreshResult.FRESH


class Plant:
    def __init__(self) -> None:
        self.files = Files({JWKS: FIRST})
        self.supervisor = Supervisor(SystemClock())
        self.sources = IssuerSources(Secrets(), self.files, Refresher, self.supervisor)

    async def load(self, **issuers: dict[str, Any]) -> PreparedIssuers:
        prepared = self.sources.prepare(settings(**issuers))
        await self.sources.commit(prepared)
        await asyncio.sleep(0.001)
        return prepared


def settings(**issuers: dict[str, Any]) -> dict[str, IssuerSettings]:
    base = {"audiences": ["a"], "max_lifetime": "1h"}
    document = {name: {"issuer": f"https://{name}.example.com"} | base | issuer for name, issuer in issuers.items()}
    routes = {"r": {"paths": ["/"], "authenticate": [*issuers], "require": {"authenticated": True}}}
    return dict(make_settings(issuers=document, api_keys=None, routes=routes).issuers)


FROM_FILE = {"keys": {"file": JWKS}}
FROM_URL = {"keys": {"url": "https://idp.example.com/jwks"}}


def run(scenario: Callable[[Plant], Any]) -> Any:
    async def inside() -> Any:
        plant = Plant()
        try:
            return await scenario(plant)
        finally:
            await plant.supervisor.close()

    return asyncio.run(inside())


def test_keys_of_a_file_are_there_at_once() -> None:
    async def scenario(plant: Plant) -> None:
        prepared = await plant.load(corp=FROM_FILE)
        table = prepared.tables["corp"]
        assert table.current is not None
        assert table.current.knows("k1")
        (state,) = plant.sources.states()
        assert state == ("corp", True, True, False)
        assert files_of(settings(corp=FROM_FILE)["corp"]) == (JWKS,)

    run(scenario)


def test_a_short_shared_secret_is_an_error_at_its_place() -> None:
    """Security rule 3; nothing of the secret is told (rule 22)."""

    async def scenario(plant: Plant) -> None:
        with pytest.raises(ConfigError) as caught:
            await plant.load(corp={"algorithms": ["HS512"], "keys": {"shared_secret": {"env": "S"}}})
        (problem,) = caught.value.problems
        assert problem.where.key == "issuers.corp.keys.shared_secret"
        assert problem.message.startswith("shared secret: the shared secret is shorter than 64 bytes")
        assert "sss" not in problem.message

    run(scenario)


@pytest.mark.parametrize(
    "issuer", [{"keys": {"inline": json.loads(FIRST)}}, {"algorithms": ["HS256"], "keys": {"shared_secret": {"env": "S"}}}]
)
def test_inline_keys_and_shared_secrets_are_there_at_once(issuer: dict[str, Any]) -> None:
    async def scenario(plant: Plant) -> None:
        prepared = await plant.load(corp=issuer)
        assert prepared.tables["corp"].current is not None

    run(scenario)


def test_a_new_source_that_cannot_be_read_is_an_error_with_its_place() -> None:
    async def scenario(plant: Plant) -> None:
        with pytest.raises(ConfigError) as caught:
            plant.sources.prepare(settings(corp={"keys": {"file": "/gone.json"}}))
        (problem,) = caught.value.problems
        assert problem.where.key == "issuers.corp.keys.file"
        assert "/gone.json: no such file" in problem.message
        assert plant.sources.live == {}

    run(scenario)


def test_the_table_of_an_unchanged_source_carries_over() -> None:
    """Keys of unchanged issuers carry over, whatever else of the issuer changes."""

    async def scenario(plant: Plant) -> None:
        before = await plant.load(corp=FROM_FILE)
        after = await plant.load(other=FROM_URL, corp=FROM_FILE | {"audiences": ["b"], "clock_skew": "10s"})
        assert after.tables["corp"] is before.tables["corp"]
        assert after.tables["corp"].current is before.tables["corp"].current

    run(scenario)


def test_another_source_gets_a_table_of_its_own() -> None:
    """A new issuer's tokens are 503 until its keys are there: never verified with the keys of the old source."""

    async def scenario(plant: Plant) -> None:
        before = await plant.load(corp=FROM_FILE)
        after = await plant.load(corp=FROM_URL)
        assert after.tables["corp"] is not before.tables["corp"]
        assert after.tables["corp"].current is None

    run(scenario)


def test_discovered_keys_belong_to_the_issuer_they_were_found_for() -> None:
    async def scenario(plant: Plant) -> None:
        found = {"keys": {"discovery": True}}
        before = await plant.load(corp=found)
        after = await plant.load(corp=found | {"issuer": "https://other.example.com"})
        assert after.tables["corp"] is not before.tables["corp"]

    run(scenario)


def test_keys_in_use_outlive_a_bad_moment_of_their_file() -> None:
    """Security rule 10: failure keeps the last good set."""

    async def scenario(plant: Plant) -> None:
        await plant.load(corp=FROM_FILE)
        plant.files[JWKS] = b"{"
        after = await plant.load(corp=FROM_FILE)
        table = after.tables["corp"]
        assert table.current is not None
        assert table.last_error != ""
        assert after.failed == {"corp"}, "to be read again"

    run(scenario)


def test_a_changed_file_is_reread() -> None:
    async def scenario(plant: Plant) -> None:
        table = (await plant.load(corp=FROM_FILE)).tables["corp"]
        plant.files[JWKS] = SECOND
        assert plant.sources.reread(["corp", "gone"]) == []
        assert table.current is not None
        assert table.current.knows("k2")
        assert not table.current.knows("k1")

    run(scenario)


def test_a_broken_file_keeps_the_last_good_keys(caplog: pytest.LogCaptureFixture) -> None:
    """Security rule 10."""

    async def scenario(plant: Plant) -> None:
        table = (await plant.load(corp=FROM_FILE)).tables["corp"]
        before = table.current
        plant.files[JWKS] = b'{"keys": []}'
        assert plant.sources.reread(["corp"]) == ["corp"]
        assert plant.sources.reread(["corp"]) == ["corp"]
        assert table.current is before
        assert "no usable key" in table.last_error
        assert caplog.text.count("the last good ones stay") == 1, "said once, however often it is tried"

    run(scenario)


def test_refreshers_start_stay_and_stop() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(corp=FROM_URL, next=FROM_URL)
        first = plant.sources.live["corp"].refresher
        gone = plant.sources.live["next"].refresher
        assert isinstance(first, Refresher)
        assert isinstance(gone, Refresher)
        assert (first.running, gone.running) == (1, 1)
        await plant.load(corp=FROM_URL | {"audiences": ["b"]})
        assert plant.sources.live["corp"].refresher is first
        assert (first.running, gone.running) == (1, 0)
        await plant.load(corp=FROM_URL | {"refresh": {"every": "5m"}})
        second = plant.sources.live["corp"].refresher
        assert isinstance(second, Refresher)
        assert (first.running, second.running) == (0, 1)
        assert second.table is first.table, "the keys carry over to the new refresher"

    run(scenario)


def test_answers_to_tokens_that_no_key_fits() -> None:
    """Security rule 9: what a complete source lacks does not exist; who is unknown cannot be asked."""

    async def scenario(plant: Plant) -> None:
        await plant.load(corp=FROM_FILE, next=FROM_URL)
        assert await plant.sources.refresh(RefreshKeys("corp", "unknown_kid")) is RefreshResult.FRESH
        assert await plant.sources.refresh(RefreshKeys("next", "unknown_kid")) is RefreshResult.FRESH
        assert await plant.sources.refresh(RefreshKeys("gone", "unknown_kid")) is RefreshResult.UNAVAILABLE

    run(scenario)
