"""Row 53: something is raised at every ``await`` on the way of a check that waits for keys: denied, never code 0, and the next one as ever."""

import asyncio
import gzip
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import grpc
import pytest

from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.engine.compile import compile_snapshot
from sidecar.model.addresses import parse_listen
from sidecar.model.instant import Instant
from sidecar.model.key_entry import KeyEntry
from sidecar.model.steps import to_end
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.front import FrontParts
from sidecar.wire.front_native import NativeFront
from tests.support.grpc_client import Client, connect
from tests.support.server_settings import SETTINGS
from tests.support.world import World, bearer, config, payload

from .awaits import Faults
from .faulty_issuer import FaultyIssuer, says

FAULTS: tuple[type[BaseException], ...] = (RuntimeError, TimeoutError, MemoryError, asyncio.CancelledError)
MODULES = ("sidecar.authn.jwks", "sidecar.adapters.fetch", "sidecar.wire.front_grpcio")
ELSEWHERE = {
    *("KeyRefresher.run", "KeyRefresher.first_try"),  # in the background
    *("GrpcioFront.start", "GrpcioFront.drain", "GrpcioFront.close", "GrpcioFront._refuse_rest"),  # begin and end of the process
    *("GrpcioFront._health_check", "GrpcioFront._health_watch", "GrpcioFront._require_peer"),  # no check
}


class RealClock:
    @property
    def wall(self) -> float:
        return time.time()

    def now(self) -> Instant:
        return Instant(time.time(), time.monotonic())

    def mono(self) -> float:
        return time.monotonic()


class Discovering(World):
    """The keys of its issuer come from ``corp`` by discovery."""

    def __init__(self, corp: FaultyIssuer) -> None:
        self._corp = corp
        super().__init__(clock=RealClock())  # type: ignore[arg-type]

    def load(self, data: Mapping[str, Any], keys: tuple[KeyEntry, ...] | None = None) -> None:
        super().load(config(), keys)
        changed = {**config(), "server": {"check_deadline": "2s"}}
        changed["issuers"]["corp"] |= {"issuer": self._corp.url, "keys": {"discovery": True}}
        files = ConfigFiles(path="x.yaml", base="/", is_directory=False, files=(("x.yaml", json.dumps(changed).encode()),))
        settings = load(files, {}, with_files=False).settings
        self.current.snapshot = to_end(compile_snapshot(settings, "discovering", self.tables, self.meter, None))


class Stage:
    """A front on a world whose refresher and fetcher (and front, if it is grpcio) have points."""

    def __init__(self, front: str, corp: FaultyIssuer) -> None:
        self.corp = corp
        self.faults = Faults()
        self.world = Discovering(corp)
        jwks, fetch, grpcio = (self.faults.load(name) for name in MODULES)
        self._fetcher = fetch.HttpxFetcher(self.world.clock)
        self._refresher_of = jwks.KeyRefresher
        parts = FrontParts(
            settings=replace(SETTINGS, check_deadline=2.0), checks=self.world.service, answer=self._answer, meter=self.world.meter,
            clock=self.world.clock,
        )  # fmt: skip
        made = grpcio.GrpcioFront if front == "grpcio" else NativeFront
        listen = parse_listen(SETTINGS.listen)
        assert listen is not None
        self.front = made(listen, parts, reason="")
        self.limits = self.front._desk.limits if front == "grpcio" else None
        self.refresh()

    def refresh(self) -> None:
        """A new refresher, with its whole budget and nothing discovered; no key is known to be absent, no pause goes on."""
        snapshot = self.world.current.snapshot
        assert snapshot is not None
        issuer = snapshot.issuers["corp"]
        issuer._absent.clear()
        issuer._paused.clear()
        self._refresher = self._refresher_of(
            snapshot.settings.issuers["corp"], self.world.tables.keys["corp"], self._fetcher, self.world.clock
        )

    async def _answer(self, ask: Any) -> object:
        return await self._refresher.refresh(ask)

    def needy(self, kid: str) -> bytes:
        """A check with a token of a key that only the issuer has."""
        self.corp.rotate(kid, "ES256", keep=False)
        self.corp.fail(says(gzip.compress(self.corp.jwks()), content_encoding="gzip") if kid.endswith("gzip") else None)
        return payload(headers=bearer(self.corp.token("alice", roles=["viewer"])))


async def code_of(client: Client, message: bytes) -> int:
    """The code of the answer; -1 for a gRPC error, which is no answer."""
    try:
        return CheckResponse.FromString(await client.check(message, timeout=5)).status.code
    except grpc.aio.AioRpcError:
        return -1


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def strike(stage: Stage, client: Client, number: int, fault: type[BaseException]) -> tuple[bool, int, int]:
    """Raise there; return whether it came to that, the code of that check, and the code of one like it afterwards."""
    name = f"key-{number}-{fault.__name__}"
    for kind in ("plain", "gzip"):
        message = stage.needy(f"{name}-{kind}")
        stage.refresh()
        stage.faults.arm(number, fault)
        peers = "_require_peer" in stage.faults.points[number].text and stage.limits is not None
        if peers:
            stage.front._desk.limits = stage.limits._replace(allowed_peers=frozenset({b"nobody"}))
        code = await code_of(client, message)
        if peers:
            stage.front._desk.limits = stage.limits
        fired = stage.faults.fired
        stage.faults.arm(-1, fault)
        if fired:
            break
    stage.refresh()
    return fired, code, await code_of(client, payload(headers=bearer(stage.corp.token("alice", roles=["viewer"]))))


async def everywhere(front: str, corp: FaultyIssuer) -> tuple[list[str], int, set[str]]:
    """Strike at every point with every fault; return what was wrong, the number of strikes, and the points never reached."""
    stage = Stage(front, corp)
    await stage.front.start()
    wrong, strikes, missed = [], 0, set()
    try:
        async with connect(stage.front.address) as client:
            for number, point in enumerate(stage.faults.points):
                if point.function in ELSEWHERE or (front == "native" and point.function.startswith("GrpcioFront.")):
                    continue
                for fault in FAULTS:
                    fired, code, after = await strike(stage, client, number, fault)
                    strikes += fired
                    if not fired:
                        missed.add(f"{point.function}: {point.text}")
                    elif code == 0:
                        wrong.append(f"allowed: {fault.__name__} at {point}")
                    if after != 0:
                        wrong.append(f"not allowed ({after}) after {fault.__name__} at {point}")
            assert stage.front.in_flight() == 0
            assert stage.front.alive()
    finally:
        await stage.front.close()
    return wrong, strikes, missed


@pytest.mark.slow
def test_row_53_every_await_of_a_check(front: str, corp: FaultyIssuer, figure: Callable[..., None]) -> None:
    wrong, strikes, missed = asyncio.run(everywhere(front, corp))
    assert wrong == []
    assert missed == set(), "a point that no check comes by: give it one, or a reason in ELSEWHERE"
    points = strikes // len(FAULTS)
    words = f"{points} points (100 %), {strikes} strikes: code 0 never; one like it is allowed afterwards"
    names = ", ".join(fault.__name__ for fault in FAULTS)
    figure(53, f"raised at each await of a check: {names}", "denied, never code 0; nothing stays behind", words, wrongly_allowed=0)
