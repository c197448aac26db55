"""One issuer that really publishes, its refresher, its network and its time, for stories told in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from sidecar.authn.issuer import compile_issuer
from sidecar.authn.jose import parse_token
from sidecar.authn.jwks import KeyRefresher
from sidecar.authn.jwt import VerifiedToken, verify_token
from sidecar.authn.keytable import KeyTable
from sidecar.model.ask import RefreshKeys, RefreshResult, Verify
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.settings import DiscoveredKeys, IssuerSettings
from tests.support.fake_clock import FakeClock, settle
from tests.support.fake_fetcher import FakeFetcher
from tests.support.issuers import JWKS_URL, WHERE, make_issuer_settings, make_refresh_settings
from tests.support.tokens import WALL, SigningKey, claims, mint, shared_key

ES = shared_key("ES256")


def long_lived(key: SigningKey, **head: Any) -> str:
    """A token that outlives every story."""
    return mint(key, claims(exp=int(WALL) + 10_000_000), **head)


class World:
    """One issuer, its refresher, its network and its time."""

    def __init__(self, settings: IssuerSettings | None = None, table: KeyTable | None = None) -> None:
        self.clock = FakeClock()
        self.network = FakeFetcher()
        self.network.publish(JWKS_URL, ES)
        self.table = table or KeyTable()
        self.settings = settings or make_issuer_settings()
        self.issuer = compile_issuer(self.settings, self.table)
        self.refresher = KeyRefresher(self.settings, self.table, self.network, self.clock, sleep=self.clock.sleep, random=Random(7))
        self.background: asyncio.Task[None] | None = None

    @property
    def fetches(self) -> int:
        return len(self.network.calls)

    async def ready(self) -> None:
        task = asyncio.create_task(self.refresher.first_try())
        while not task.done():
            await self.clock.advance(0.01)
        await task

    async def serve(self) -> None:
        """First try, then the background task."""
        await self.ready()
        self.background = asyncio.create_task(self.refresher.run())
        await settle()

    async def answer(self, ask: RefreshKeys) -> RefreshResult:
        task = asyncio.create_task(self.refresher.refresh(ask))
        await settle(10)
        while not task.done():
            await self.clock.advance(0.001)
        return await task

    async def verify(self, raw: str) -> VerifiedToken | Rejected | Undetermined:
        token = parse_token(raw, 8192)
        assert not isinstance(token, Rejected)
        steps = verify_token(token, self.issuer, self.clock.now())
        answer: object = None
        while True:
            try:
                ask = steps.send(answer)
            except StopIteration as done:
                return done.value
            answer = ask.run() if isinstance(ask, Verify) else await self.answer(ask)

    def kids(self) -> list[str | None]:
        return [key.kid for key in self.table.current.keys] if self.table.current else []


def run(story: Callable[[World], Awaitable[None]], settings: IssuerSettings | None = None) -> None:
    async def told() -> None:
        world = World(settings)
        await story(world)
        if world.background is not None:
            world.background.cancel()
            await settle()

    asyncio.run(told())


def refresh(**changes: Any) -> IssuerSettings:
    return make_issuer_settings(refresh=make_refresh_settings(**changes))


def discovered(**changes: Any) -> IssuerSettings:
    return make_issuer_settings(keys=DiscoveredKeys(unsafe_http=False, where=WHERE), **changes)
