"""Security rules 9 and 10: fetched keys in the background, in virtual time, from an issuer that really publishes."""

import asyncio
import logging
from typing import Any

import pytest

from sidecar.authn.jwt import VerifiedToken
from sidecar.model.ask import RefreshKeys, RefreshResult
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.settings import InlineKeys, UrlKeys
from sidecar.ports import FetchError
from tests.support.fake_clock import settle
from tests.support.issuers import JWKS_URL, WHERE, make_issuer_settings
from tests.support.key_world import World, discovered, long_lived, refresh, run
from tests.support.tokens import ISSUER, jwks, shared_key

ES, ES_OTHER, NEW = shared_key("ES256"), shared_key("ES256", "k1", 2), shared_key("ES256", "k2", 3)
UNKNOWN, BAD = RefreshKeys("corp", "unknown_kid"), RefreshKeys("corp", "bad_signature")


class TestFirstTry:
    """Security rule 9: tried once before readiness."""

    def test_success(self) -> None:
        async def story(world: World) -> None:
            await world.ready()
            assert world.kids() == ["k1"]
            assert (world.table.tried, world.table.last_error) == (True, "")
            (call,) = world.network.calls
            assert (call.url, call.max_bytes, call.ca_file) == (JWKS_URL, 512 * 1024, "/ca.pem")
            assert 0 < call.timeout <= 5

        run(story, refresh(ca_file="/ca.pem"))

    def test_failure_counts_as_tried(self) -> None:
        async def story(world: World) -> None:
            world.network.documents.clear()
            await world.ready()
            assert (world.table.current, world.table.tried, world.table.last_error) == (None, True, "status 404")
            assert isinstance(await world.verify(long_lived(ES)), Undetermined)

        run(story)

    def test_not_twice(self) -> None:
        async def story(world: World) -> None:
            await world.ready()
            await world.ready()
            assert world.fetches == 1

        run(story)

    def test_only_for_keys_that_are_fetched(self) -> None:
        with pytest.raises(TypeError, match="corp"):
            World(make_issuer_settings(keys=InlineKeys(document="{}")))


class TestBackground:
    """Security rule 9: with jitter, within [min, every]."""

    def test_every(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            await world.clock.advance(6000)
            assert 10 <= world.fetches - 1 <= 11

        run(story)

    def test_http_cache_headers(self) -> None:
        async def story(world: World) -> None:
            world.network.headers = {"cache-control": "max-age=120"}
            await world.serve()
            await world.clock.advance(1200)
            assert 10 <= world.fetches - 1 <= 11
            world.network.headers = {"cache-control": "no-store"}
            await world.clock.advance(120)
            before = world.fetches
            await world.clock.advance(600)
            assert 10 <= world.fetches - before <= 11

        run(story)

    def test_a_rotation_is_seen(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.publish(JWKS_URL, NEW)
            await world.clock.advance(600)
            assert world.kids() == ["k2"]
            assert isinstance(await world.verify(long_lived(NEW)), VerifiedToken)
            assert isinstance(await world.verify(long_lived(ES)), Rejected)

        run(story)

    def test_the_same_keys_keep_their_generation(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            keys = world.table.current
            await world.clock.advance(600)
            world.network.documents[JWKS_URL] = jwks(ES) + b"\n"
            await world.clock.advance(600)
            assert world.table.current is keys
            assert world.clock.mono() - world.table.fetched_at < 610
            assert world.refresher.results["unchanged"] >= 2
            assert world.refresher.results["changed"] == 1

        run(story)

    def test_a_table_with_keys_is_not_fetched_at_once(self) -> None:
        """A reload that keeps the table must not make every pod fetch."""

        async def story(first: World) -> None:
            await first.ready()
            again = World(table=first.table)
            again.background = asyncio.create_task(again.refresher.run())
            await again.clock.advance(500)
            assert again.fetches == 0
            await again.clock.advance(100)
            assert again.fetches == 1
            again.background.cancel()
            await settle()

        run(story)

    def test_it_pauses_between_keys(self) -> None:
        """Slices on the loop, each followed by a real sleep of at least a millisecond."""

        async def story(world: World) -> None:
            world.network.publish(JWKS_URL, ES, NEW, shared_key("RS256", "r"))
            await world.ready()
            assert world.clock.slept == [0.001] * 3

        run(story)

    def test_a_fault_of_ours_ends_it_loudly(self) -> None:
        async def story(world: World) -> None:
            await world.serve()

            async def broken(*_: object, **__: object) -> None:
                raise ZeroDivisionError

            world.network.get = broken  # type: ignore[method-assign,assignment]
            await world.clock.advance(600)
            assert world.background is not None
            with pytest.raises(ZeroDivisionError):
                await world.background
            assert world.kids() == ["k1"]
            assert world.refresher.due > world.clock.mono() - 600

        run(story)


class TestFailure:
    """Security rule 10."""

    def test_the_last_good_set_stays_until_stale_max(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.documents[JWKS_URL] = FetchError("status 500")
            await world.clock.advance(3590)
            assert isinstance(await world.verify(long_lived(ES)), VerifiedToken)
            assert world.table.last_error == "status 500"
            await world.clock.advance(20)
            assert isinstance(await world.verify(long_lived(ES)), Undetermined)
            world.network.publish(JWKS_URL, ES)
            await world.clock.advance(60)
            assert isinstance(await world.verify(long_lived(ES)), VerifiedToken)
            assert world.table.last_error == ""

        run(story, refresh(stale_max=3600.0))

    @pytest.mark.parametrize(
        "document", [b"", b"<html>", b'{"keys":[]}', b" " * (512 * 1024 + 1), jwks({"kty": "oct", "k": "AAAA"}), jwks(shared_key("ES384"))]
    )
    def test_nonsense_is_a_failure(self, document: bytes) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.documents[JWKS_URL] = document
            await world.clock.advance(600)
            assert world.kids() == ["k1"]
            assert world.table.last_error
            assert world.refresher.results["failed"] >= 1

        run(story)

    def test_backoff(self) -> None:
        async def story(world: World) -> None:
            world.network.documents[JWKS_URL] = FetchError("refused")
            await world.serve()
            await world.clock.advance(8)
            assert 3 <= world.fetches <= 6
            await world.clock.advance(3600)
            before = world.fetches
            await world.clock.advance(3600)
            assert 60 <= world.fetches - before <= 120

        run(story)

    def test_retry_after(self) -> None:
        async def story(world: World) -> None:
            await world.serve()
            world.network.documents[JWKS_URL] = FetchError("status 429", retry_after=300.0)
            await world.clock.advance(600)
            assert world.fetches == 2
            for _ in range(5):
                assert await world.answer(UNKNOWN) is RefreshResult.UNAVAILABLE
                assert await world.answer(BAD) is RefreshResult.UNAVAILABLE
                await world.clock.advance(10)
            assert world.fetches == 2
            world.network.publish(JWKS_URL, NEW)
            await world.clock.advance(300)
            assert world.kids() == ["k2"]

        run(story)

    def test_the_log_says_what_happened(self, caplog: pytest.LogCaptureFixture) -> None:
        async def story(world: World) -> None:
            world.network.publish(JWKS_URL, ES, {**NEW.jwk(), "d": "c2VjcmV0"})
            await world.serve()
            world.network.documents[JWKS_URL] = FetchError("status 500")
            await world.clock.advance(600)

        with caplog.at_level(logging.INFO, "sidecar.authn"):
            run(story)
        loaded, dropped, failed, *_ = caplog.records
        assert (loaded.getMessage(), vars(loaded)["keys"]) == ("keys loaded", 1)
        assert dropped.getMessage() == "a key is not used: key 2 (kid 'k2'): a private key in a published key set"
        assert failed.getMessage() == "keys not refreshed, the last good ones stay: status 500"
        assert {vars(record)["issuer"] for record in caplog.records} == {"corp"}
        assert vars(failed)["next_try_seconds"] >= 1
        assert "c2VjcmV0" not in caplog.text


class TestDiscovery:
    """Security rule 12."""

    def test_it_leads_to_the_keys(self) -> None:
        async def story(world: World) -> None:
            world.network.discover(JWKS_URL)
            await world.ready()
            assert [call.url for call in world.network.calls] == [ISSUER + "/.well-known/openid-configuration", JWKS_URL]
            assert world.kids() == ["k1"]

        run(story, discovered())

    def test_the_place_is_remembered_for_an_hour(self) -> None:
        async def story(world: World) -> None:
            world.network.discover(JWKS_URL)
            await world.serve()
            await world.clock.advance(7200)
            asked = [call.url for call in world.network.calls if call.url != JWKS_URL]
            assert 2 <= len(asked) <= 3

        run(story, discovered())

    def test_another_issuer_s_document_is_refused(self) -> None:
        async def story(world: World) -> None:
            world.network.discover(JWKS_URL, issuer="https://evil.example")
            await world.ready()
            assert world.table.current is None
            assert "another issuer" in world.table.last_error
            assert world.fetches == 1

        run(story, discovered())

    def test_it_cannot_lead_to_plain_http(self) -> None:
        async def story(world: World) -> None:
            world.network.discover("http://idp.example.com/jwks.json")
            await world.ready()
            assert "https only" in world.table.last_error
            assert world.fetches == 1

        run(story, discovered())

    def test_keys_that_moved_are_found_again(self) -> None:
        async def story(world: World) -> None:
            world.network.discover(JWKS_URL)
            await world.serve()
            moved = "https://keys.example.com/jwks.json"
            del world.network.documents[JWKS_URL]
            world.network.publish(moved, NEW)
            world.network.discover(moved)
            await world.clock.advance(620)
            assert world.kids() == ["k2"]

        run(story, discovered())

    def test_discovery_down_does_not_take_the_keys_along(self) -> None:
        async def story(world: World) -> None:
            world.network.discover(JWKS_URL)
            await world.serve()
            del world.network.documents[ISSUER + "/.well-known/openid-configuration"]
            world.network.publish(JWKS_URL, NEW)
            await world.clock.advance(7200)
            assert world.kids() == ["k2"]
            assert world.table.last_error == ""

        run(story, discovered())

    def test_both_gets_share_five_seconds(self) -> None:
        async def story(world: World) -> None:
            world.network.discover(JWKS_URL)
            real = world.network.get

            async def slow(*args: Any, **kwargs: Any) -> Any:
                world.clock.seconds += 3.0
                return await real(*args, **kwargs)

            world.network.get = slow  # type: ignore[method-assign]
            await world.ready()
            first, second = world.network.calls
            assert first.timeout == 5.0
            assert second.timeout == pytest.approx(2.0)

        run(story, discovered())


def test_a_url_for_keys_is_held_to_the_rule_again() -> None:
    """Security rule 12: whatever let it through before."""

    async def story(world: World) -> None:
        await world.ready()
        assert "https only" in world.table.last_error
        assert world.fetches == 0

    run(story, make_issuer_settings(keys=UrlKeys(url="http://idp.example.com/jwks.json", unsafe_http=False, where=WHERE)))
