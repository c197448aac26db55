"""Security rule 9: fetches that tokens cause."""

import asyncio

from sidecar.authn.jwt import VerifiedToken
from sidecar.model.ask import RefreshKeys, RefreshResult
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.ports import FetchError
from tests.support.fake_clock import settle
from tests.support.issuers import JWKS_URL
from tests.support.key_world import World, long_lived, run
from tests.support.tokens import shared_key

ES, ES_OTHER, NEW = shared_key("ES256"), shared_key("ES256", "k1", 2), shared_key("ES256", "k2", 3)
UNKNOWN, BAD = RefreshKeys("corp", "unknown_kid"), RefreshKeys("corp", "bad_signature")


class TestOnDemand:
    """Security rule 9."""

    def test_ten_thousand_random_kids_cost_four_fetches(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            for index in range(10_000):
                verdict = await world.verify(long_lived(ES, kid=f"random-{index}"))
                assert isinstance(verdict, Rejected)  # the set is never older than 30 s
                if index % 100 == 0:
                    await world.clock.advance(0.2)
            assert world.fetches <= 4
            assert isinstance(await world.verify(long_lived(ES)), VerifiedToken)

        run(story)

    def test_the_budget_refills(self) -> None:
        async def story(world: World) -> None:
            await world.ready()
            for _ in range(10):
                assert await world.answer(UNKNOWN) is RefreshResult.FRESH
            assert world.fetches == 4
            await world.clock.advance(31)
            assert [await world.answer(UNKNOWN) for _ in range(3)] == [RefreshResult.FRESH] * 3
            assert world.fetches == 5

        run(story)

    def test_bad_signatures_have_a_budget_of_their_own(self) -> None:
        async def story(world: World) -> None:
            await world.ready()
            for _ in range(10):
                await world.answer(BAD)
            assert world.fetches == 4
            await world.answer(UNKNOWN)
            assert world.fetches == 5
            await world.answer(RefreshKeys("corp", "anything else"))
            assert world.fetches == 5

        run(story)

    def test_a_live_rotation_to_a_new_kid(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.publish(JWKS_URL, ES, NEW)
            assert isinstance(await world.verify(long_lived(NEW)), VerifiedToken)
            assert world.fetches == 2

        run(story)

    def test_a_live_rotation_under_the_same_kid(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.publish(JWKS_URL, ES_OTHER)
            assert isinstance(await world.verify(long_lived(ES_OTHER)), VerifiedToken)
            assert isinstance(await world.verify(long_lived(ES)), Rejected)

        run(story)

    def test_a_removed_key(self) -> None:
        async def story(world: World) -> None:
            world.network.publish(JWKS_URL, ES, NEW)
            await world.serve()
            assert isinstance(await world.verify(long_lived(NEW)), VerifiedToken)
            world.network.publish(JWKS_URL, ES)
            await world.clock.advance(600)
            assert isinstance(await world.verify(long_lived(NEW)), Rejected)

        run(story)

    def test_an_issuer_that_is_down_is_no_verdict(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            await world.clock.advance(300)
            world.network.documents[JWKS_URL] = FetchError("refused")
            for _ in range(20):
                assert isinstance(await world.verify(long_lived(NEW)), Undetermined)
                await world.clock.advance(0.1)
            assert world.fetches <= 4

        run(story)

    def test_single_flight(self) -> None:
        """Who needs a fetch while one is under way waits for that one."""

        async def story(world: World) -> None:
            await world.ready()
            world.network.gate = asyncio.Event()
            asks = [UNKNOWN, BAD] * 50
            waiting = [asyncio.create_task(world.refresher.refresh(ask)) for ask in asks]
            await settle()
            assert world.fetches == 2
            assert not any(task.done() for task in waiting)
            world.network.gate.set()
            await world.clock.advance(1)
            assert {await task for task in waiting} == {RefreshResult.FRESH}
            assert world.fetches == 2

        run(story)

    def test_who_stops_waiting_does_not_stop_the_fetch(self) -> None:
        """A check's deadline cancels its waiter only."""

        async def story(world: World) -> None:
            await world.ready()
            world.network.publish(JWKS_URL, NEW)
            world.network.gate = asyncio.Event()
            impatient = asyncio.create_task(world.refresher.refresh(UNKNOWN))
            patient = asyncio.create_task(world.refresher.refresh(UNKNOWN))
            await settle()
            impatient.cancel()
            await settle()
            world.network.gate.set()
            await world.clock.advance(1)
            assert impatient.cancelled()
            assert await patient is RefreshResult.FRESH
            assert world.kids() == ["k2"]

        run(story)

    def test_stopping_ends_the_fetch_under_way(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.gate = asyncio.Event()
            waiting = asyncio.create_task(world.refresher.refresh(UNKNOWN))
            await settle()
            assert world.background is not None
            world.background.cancel()
            await settle()
            assert waiting.cancelled()

        run(story)
