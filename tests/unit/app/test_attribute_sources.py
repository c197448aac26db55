"""Attribute sources on the loop: one request for each question, bounds, failures that stay failures, and reloads."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sidecar.app import attribute_feed, attribute_sources
from sidecar.app.attribute_feed import OPEN, REPLACED, TOO_MANY, HttpFeed
from sidecar.app.attribute_sources import LATE, AttributeSources, files_of
from sidecar.app.breaker import FAILURES, FIRST_PAUSE
from sidecar.app.process import watched_groups
from sidecar.model.ask import AttributeRequest, Attributes, Failed, Got
from sidecar.model.errors import ConfigError, Problem, SourceError, Where
from sidecar.model.secret import Secret
from sidecar.model.settings import AttributeSettings, Settings
from sidecar.model.strict_json import read_json
from sidecar.ports import FetchError
from tests.support.fake_clock import FakeClock, settle
from tests.support.settings import BASE, make_settings

URL = "http://127.0.0.1:8081/posts/7/owner"


class Client:
    """Answers with what ``bodies`` has for the URL: bytes, None for 404, an exception; a Future is waited for."""

    def __init__(self, bodies: dict[str, Any]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []
        self.closed = 0

    async def get(self, url: str, timeout: float) -> bytes | None:  # noqa: ASYNC109 - the port's
        self.asked.append(url)
        body = self.bodies.get(url, FetchError("down"))
        if isinstance(body, asyncio.Future):
            body = await body
        if isinstance(body, BaseException):
            raise body
        return body

    async def close(self) -> None:
        self.closed += 1


class Plant:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.bodies: dict[str, Any] = {}
        self.clients: list[Client] = []
        self.opened: list[tuple[str, Mapping[str, bytes], str | None]] = []
        self.secret: bytes | None = b"s3cret"
        self.refused: str = ""
        self.entries: Any = (("7", "public"),)
        self.sources = AttributeSources(self, self.clock, self.open_client, self.read_table)

    def read(self, kind: str, value: str) -> Secret:
        if self.secret is None:
            raise SourceError(f"{value}: no such file")
        return Secret(self.secret)

    async def open_client(self, url: str, headers: Mapping[str, bytes], ca_file: str | None) -> Client:
        if self.refused:
            raise SourceError(self.refused)
        self.opened.append((url, headers, ca_file))
        self.clients.append(Client(self.bodies))
        return self.clients[-1]

    async def read_table(self, settings: AttributeSettings) -> Any:
        if isinstance(self.entries, Exception):
            raise self.entries
        return self.entries

    async def load(self, settings: Settings, **tables: Any) -> Mapping[str, Any]:
        prepared = await self.sources.prepare(settings.attributes, tables, paced=True)
        self.sources.commit(prepared)
        return prepared.refs

    def feed(self, name: str = "owner") -> HttpFeed:
        feed = self.sources.live[name].feed
        assert feed is not None
        return feed

    async def ask(self, *urls: str, within: float = 1.0) -> Any:
        requests = tuple(AttributeRequest("owner", self.feed(), url, 0.05) for url in urls)
        return await self.sources.answer(Attributes(requests, self.clock.mono() + within))


def run(scenario: Callable[[Plant], Any]) -> None:
    async def whole() -> None:
        plant = Plant()
        try:
            await scenario(plant)
        finally:
            await plant.sources.close()
        assert len(asyncio.all_tasks()) == 1, "leaked tasks"
        assert all(client.closed == 1 for client in plant.clients)

    asyncio.run(whole())


def http(url: str = "http://127.0.0.1:8081/posts/{post_id}/owner", **fields: Any) -> dict[str, Any]:
    return {"owner": {"provides": "resource.owner", "http": {"url": url, **fields.pop("http", {})}, **fields}}


def table() -> dict[str, Any]:
    return {"classes": {"provides": "resource.class", "file": {"path": "/c.json", "format": "json", "key": "{post_id}"}}}


def settings(attributes: dict[str, Any]) -> Settings:
    routes = BASE["routes"] | {"read": {"paths": ["/p/{post_id}"], "authenticate": ["corp"], "require": {"authenticated": True}}}
    return make_settings(attributes=attributes, routes=routes)


def test_answers_in_the_order_of_the_requests_and_each_for_itself() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        plant.bodies |= {"a": b'{"id": "ann"}', "b": None, "c": b"null", "d": b"<html>", "e": RuntimeError("never seen before")}
        found = await plant.ask("a", "b", "c", "d", "e", "f")
        assert [one.value for one in found[:3]] == [{"id": "ann"}, None, None]
        assert found[0].size == 13
        assert [type(one) for one in found[3:]] == [Failed] * 3
        assert found[3].why == "answered with something that is no JSON"
        assert found[5].why == "down"
        assert dict(plant.feed().results) == {"value": 1, "missing": 2, "failed": 2, "refused": 0}
        assert (plant.feed().last_success, plant.feed().last_error) == (plant.clock.wall, "down")

    run(scenario)


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"a": 1, "a": 2}', b"\xff", b"\xef\xbb\xbf1", b"1 2", b"9" * 5000, b"[" * 60_000])
def test_json_that_can_be_read_in_one_way_only(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_json(body.decode())


def test_many_checks_make_one_request_and_all_get_its_answer() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        gate: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        plant.bodies |= {URL: gate, "other": b'"zoe"'}
        checks = [asyncio.ensure_future(plant.ask(URL)) for _ in range(50)]
        await settle()
        assert (await plant.ask("other"))[0].value == "zoe", "another question is another request"
        checks[0].cancel()
        await settle()
        gate.set_result(b'"ann"')
        for check in checks[1:]:
            assert (await check)[0].value == "ann"
        assert plant.clients[0].asked == [URL, "other"]
        assert plant.feed().in_flight == 0

    run(scenario)


def test_a_check_waits_for_its_own_time_only_and_the_request_goes_on() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        gate: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        plant.bodies |= {URL: gate, "quick": b"1"}
        slow, quick = await plant.ask(URL, "quick", within=0.02)
        assert slow == Failed(LATE)
        assert quick.value == 1, "the answers that are there count"
        assert (await plant.ask(URL, within=-1.0)) == (Failed(LATE),)
        assert plant.feed().in_flight == 1
        gate.set_result(b'"ann"')
        assert (await plant.ask(URL))[0].value == "ann"
        assert plant.clients[0].asked.count(URL) == 1

    run(scenario)


def test_requests_on_their_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_feed, "MAX_IN_FLIGHT", 2)

    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        gate: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        plant.bodies |= {"a": gate, "b": gate, "c": b"1"}
        waiting = asyncio.ensure_future(plant.ask("a", "b", "c"))
        await settle()
        gate.set_result(b"2")
        found = await waiting
        assert found[2] == Failed(TOO_MANY)
        assert [found[0].value, found[1].value] == [2, 2]
        assert plant.feed().results["refused"] == 1

    run(scenario)


def test_a_source_that_fails_is_left_alone_and_tried_with_one_request() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        for number in range(FAILURES):
            await plant.ask(f"x{number}")
        client = plant.clients[0]
        assert (await plant.ask(URL)) == (Failed(OPEN),)
        assert URL not in client.asked
        assert plant.feed().breaker.state == "open"
        plant.clock.seconds += FIRST_PAUSE
        plant.bodies |= {URL: b"1", "b": b"2"}
        found = await plant.ask(URL, "b")
        assert found[0].value == 1
        assert found[1] == Failed(OPEN), "the first one is the trial"
        assert (await plant.ask("b"))[0].value == 2

    run(scenario)


def test_missing_is_no_failure() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        plant.bodies[URL] = None
        for _ in range(FAILURES * 2):
            assert (await plant.ask(URL))[0] == Got(None, 0, plant.clock.seconds)

    run(scenario)


def test_a_reload_keeps_what_its_answers_hinge_on() -> None:
    async def scenario(plant: Plant) -> None:
        first = await plant.load(settings(http()))
        again = await plant.load(settings(http(timeout="20ms", cache="5s", when_unavailable="deny")))
        assert again["owner"] is first["owner"]
        assert again["owner"].fetcher is plant.feed()
        assert len(plant.clients) == 1
        for changed in (http("http://127.0.0.1:8082/{post_id}"), http(http={"headers": {"x-a": "b"}})):
            other = await plant.load(settings(changed))
            assert other["owner"] is not again["owner"]
            again = other

    run(scenario)


def test_checks_under_the_old_configuration_still_get_their_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_sources, "RETIRED_FOR", 0.05)

    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        old = plant.feed()
        plant.bodies[URL] = b"1"
        await plant.load(settings({}))
        request = (AttributeRequest("owner", old, URL, 0.05),)
        assert (await plant.sources.answer(Attributes(request, plant.clock.mono() + 1)))[0].value == 1
        await asyncio.sleep(0.1)
        assert plant.clients[0].closed == 1
        assert await plant.sources.answer(Attributes(request, plant.clock.mono() + 1)) == (Failed(REPLACED),)

    run(scenario)


def test_a_request_without_a_source_is_a_failure() -> None:
    async def scenario(plant: Plant) -> None:
        ask = Attributes((AttributeRequest("gone", None, URL, 0.05),), plant.clock.mono() + 1)
        (found,) = await plant.sources.answer(ask)
        assert isinstance(found, Failed)

    run(scenario)


def test_closing_gives_up_what_is_on_its_way() -> None:
    async def scenario(plant: Plant) -> None:
        await plant.load(settings(http()))
        plant.bodies[URL] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(plant.ask(URL))
        await settle()
        await plant.sources.close()
        assert await waiting == (Failed(REPLACED),)

    run(scenario)


def test_secrets_go_into_headers_and_are_read_again_when_their_file_changes() -> None:
    headers = {"authorization": {"file": "/run/token"}, "x-client": "sidecar"}

    async def scenario(plant: Plant) -> None:
        made = settings(http("https://a.example.com/{post_id}", http={"headers": headers, "ca_file": "/ca.pem"}))
        refs = await plant.load(made)
        assert plant.opened[-1][1:] == ({"authorization": b"s3cret", "x-client": b"sidecar"}, "/ca.pem")
        assert files_of(made.attributes["owner"]) == ("/run/token", "/ca.pem")
        plant.secret = b"another"
        await plant.sources.reread(["owner", "gone"])
        assert plant.opened[-1][1]["authorization"] == b"another"
        assert plant.sources.live["owner"].ref is refs["owner"], "what was answered before still counts"
        plant.secret = None
        await plant.sources.reread(["owner"])
        assert plant.sources.live["owner"].last_error == "/run/token: no such file"
        assert plant.feed().client is plant.clients[-1], "the last good one stays"

    run(scenario)


@pytest.mark.parametrize("secret", [None, b"c4nary\nb", b"c4nary\r\nx: y"])
def test_a_secret_that_cannot_be_used_is_an_error_and_changes_nothing(secret: bytes | None) -> None:
    async def scenario(plant: Plant) -> None:
        plant.secret = secret
        both = http() | {"other": http(http={"headers": {"x-token": {"env": "T"}}})["owner"] | {"provides": "resource.other"}}
        with pytest.raises(ConfigError) as caught:
            await plant.load(settings(both))
        assert "c4nary" not in str(caught.value)
        assert plant.sources.live == {}

    run(scenario)


def test_authorities_that_cannot_be_read_are_an_error() -> None:
    async def scenario(plant: Plant) -> None:
        plant.refused = "/ca.pem: is empty"
        with pytest.raises(ConfigError, match=r"ca\.pem: is empty"):
            await plant.load(settings(http()))

    run(scenario)


def test_a_table_is_loaded_read_again_and_kept_when_its_file_is_bad() -> None:
    async def scenario(plant: Plant) -> None:
        made = settings(table())
        ref = (await plant.load(made, classes=(("7", "public"), ("8", None))))["classes"]
        assert ref.table == {"7": "public", "8": None}
        plant.entries = tuple((str(number), number) for number in range(2000))
        await plant.sources.reread(["classes"])
        assert ref.table["1999"] == 1999
        plant.entries = ConfigError((Problem(Where("/c.json", 1, ""), "is not JSON"),))
        await plant.sources.reread(["classes"])
        assert len(ref.table) == 2000
        assert "is not JSON" in plant.sources.live["classes"].last_error
        assert (await plant.load(made, classes=(("7", "x"),)))["classes"] is ref
        assert plant.sources.live["classes"].last_error == ""

    run(scenario)


def test_files_are_watched() -> None:
    assert watched_groups(settings(table() | http()))["attribute:classes"] == ("/c.json",)
    assert "attribute:owner" not in watched_groups(settings(http()))
