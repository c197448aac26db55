"""Attribute sources through both fronts: asked on the loop, judged where decisions are made, and closed whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.attribute_http import open_client
from sidecar.adapters.clock import SystemClock
from sidecar.app.attribute_sources import AttributeSources
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import LiveTables
from sidecar.model.ask import Ask, Attributes
from sidecar.model.steps import to_end
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.server import start_front
from tests.servers.httpd import HttpServer, Request, Response
from tests.support.grpc_client import connect
from tests.support.server_settings import SETTINGS
from tests.support.world import World, payload

from .conftest import KINDS, eventually

pytestmark = pytest.mark.anyio

ALLOWED = (True, "anonymous")
LOCKED = (False, "policy_denied")
UNAVAILABLE = (False, "dependency_unavailable")


def config(url: str, cache: str) -> dict[str, Any]:
    return {
        "version": 1,
        "server": {"check_deadline": "2s"},
        "policies": {"locked": {"effect": "deny", "conditions": {"resource.state": {"equals": "locked"}}}},
        "attributes": {
            "state": {"provides": "resource.state", "http": {"url": f"{url}/{{id}}"}, "timeout": "500ms", "cache": cache},
        },
        "routes": {"p": {"paths": ["/p/{id}"], "authenticate": ["anonymous"], "deny": ["locked"]}},
        "dynamic_metadata": ["decision_id", "route", "reason", "rule"],
    }


class Source:
    """Odd ids are locked; some have a way of their own."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        post = request.target.rpartition("/")[2]
        self.asked.append(post)
        match post:
            case "missing":
                return Response(404)
            case "broken":
                return Response(500, b'"open"')
            case "html":
                return Response(200, b"<html>")
            case "slow":
                await asyncio.sleep(5)
        return Response(200, b'"locked"' if int(post) % 2 else b'"open"')


@dataclass
class Running:
    ask: Callable[[str], Any]
    source: Source
    server: HttpServer
    sources: AttributeSources
    world: World
    answers: list[Callable[[Ask], Any]]
    """The last one answers."""


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(params=KINDS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Starts a front with the real service, engine and sources behind it."""
    transport, _, place = request.param.partition("/")
    settings = replace(SETTINGS, transport=transport, check_deadline=2.0)
    if place == "uds":
        settings = replace(settings, listen=f"unix://{tmp_path / 'check.sock'}")

    async def unread(_: object) -> Any:
        raise AssertionError("no file here")

    @asynccontextmanager
    async def running(cache: str = "30s") -> AsyncIterator[Running]:
        source, clock = Source(), SystemClock()
        with HttpServer(source) as server:
            world = World(config(server.url, cache), clock=clock)
            sources = AttributeSources(None, clock, open_client, unread)
            made = world.current.snapshot.settings
            prepared = await sources.prepare(made.attributes, {}, paced=True)
            tables = LiveTables(keys={}, api_keys={}, attributes=prepared.refs)
            world.current.snapshot = to_end(compile_snapshot(made, "r1", tables, world.meter))
            sources.commit(prepared)
            answers: list[Callable[[Ask], Any]] = [sources.answer]

            async def answer(ask: Ask) -> object:
                return await answers[-1](ask)

            front = await start_front(settings, world.service, answer, world.meter, clock)
            try:
                async with connect(front.address) as client:

                    async def ask(post: str) -> tuple[bool, str]:
                        reply = CheckResponse.FromString(await client.check(payload(path=f"/p/{post}"), timeout=10))
                        return reply.status.code == 0, reply.dynamic_metadata.fields["reason"].string_value

                    yield Running(ask, source, server, sources, world, answers)
                    await eventually(lambda: front.in_flight() == 0)
            finally:
                await front.close()
                await sources.close()

    return running


async def test_up_missing_slow_broken_down(start: Start) -> None:
    async with start() as running:
        assert await running.ask("2") == ALLOWED
        assert await running.ask("3") == LOCKED
        assert await running.ask("missing") == LOCKED, "unknown holds as a deny"
        for post in ("slow", "broken", "html"):
            assert await running.ask(post) == UNAVAILABLE
        running.server.down()
        assert await running.ask("4") == UNAVAILABLE
        assert await running.ask("2") == ALLOWED, "remembered"
        assert running.source.asked.count("2") == 1


async def test_no_check_gets_the_answer_of_another(start: Start) -> None:
    """Fault 23 for attribute sources: many at once, many of the same, some of them given up."""
    async with start(cache="0s") as running:
        posts = [str(number % 40) for number in range(200)]
        checks = [asyncio.ensure_future(running.ask(post)) for post in posts]
        await asyncio.sleep(0.01)
        for check in checks[::7]:
            check.cancel()
        found = await asyncio.gather(*checks, return_exceptions=True)
        for number, (post, outcome) in enumerate(zip(posts, found, strict=True)):
            if number % 7:
                assert outcome in {LOCKED if int(post) % 2 else ALLOWED, UNAVAILABLE}, post
        feed = running.sources.live["state"].feed
        await eventually(lambda: feed.in_flight == 0)
        assert await running.ask("2") == ALLOWED


async def _nothing(_: Ask) -> object:
    return None


async def _too_many(ask: Ask) -> object:
    assert isinstance(ask, Attributes)
    return (None,) * (len(ask.requests) + 1)


async def _raises(_: Ask) -> object:
    raise RuntimeError("a secret that must not leave the process")


@pytest.mark.parametrize(("answer", "outcome"), [(_nothing, UNAVAILABLE), (_too_many, UNAVAILABLE), (_raises, (False, "internal_error"))])
async def test_a_fault_of_the_loop_is_a_denial(start: Start, answer: Callable[[Ask], Any], outcome: tuple[bool, str]) -> None:
    async with start() as running:
        running.answers.append(answer)
        assert await running.ask("2") == outcome
        running.answers.pop()
        assert await running.ask("2") == ALLOWED, "nothing of it was remembered"


async def test_an_ask_that_is_never_answered_ends_with_the_check(start: Start) -> None:
    async with start() as running:
        running.world.current.snapshot = replace(running.world.current.snapshot, check_deadline=0.1)
        running.answers.append(lambda _: asyncio.Event().wait())
        assert await running.ask("2") == (False, "deadline_exceeded")
        running.answers.pop()
        assert await running.ask("slow") == UNAVAILABLE, "the source says so before the check's time is over"
