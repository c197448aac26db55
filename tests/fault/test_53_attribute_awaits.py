"""Row 53 for attribute sources: something is raised at every ``await`` on the way of their answers: denied, never code 0, and the next one as ever."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import LiveTables
from sidecar.model.steps import to_end
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.server import start_front
from tests.servers.httpd import HttpServer, Request, Response
from tests.support.grpc_client import connect
from tests.support.server_settings import SETTINGS
from tests.support.world import World, payload

from .awaits import Faults

FAULTS: tuple[type[BaseException], ...] = (RuntimeError, TimeoutError, MemoryError, OSError, asyncio.CancelledError)
MODULES = ("sidecar.app.attribute_sources", "sidecar.app.attribute_feed", "sidecar.adapters.attribute_http")
ELSEWHERE = {
    *(f"AttributeSources.{name}" for name in ("prepare", "reread", "close", "_opened", "_renew", "_built", "_closed_after")),  # no check
    *("HttpFeed.close", "HttpxAttributeClient.close", "open_client"),  # the same
}
CONFIG: dict[str, Any] = {
    "version": 1,
    "server": {"check_deadline": "2s"},
    "policies": {"locked": {"effect": "deny", "conditions": {"resource.state": {"equals": "locked"}}}},
    "routes": {"p": {"paths": ["/p/{id}"], "authenticate": ["anonymous"], "deny": ["locked"]}},
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def _open(_: Request) -> Response:
    return Response(200, json.dumps("open").encode())


async def everywhere(transport: str, url: str) -> tuple[list[str], int, set[str]]:
    """Strike at every point with every fault; return what was wrong, the number of strikes, and the points never reached."""
    faults, clock = Faults(), SystemClock()
    sources_module, feed_module, http_module = (faults.load(name) for name in MODULES)
    sources_module.HttpFeed = feed_module.HttpFeed
    source = {"provides": "resource.state", "http": {"url": f"{url}/{{id}}"}, "timeout": "1s"}
    world = World(CONFIG | {"attributes": {"state": source}}, clock=clock)  # type: ignore[arg-type]
    sources = sources_module.AttributeSources(None, clock, http_module.open_client, None)
    made = world.current.snapshot.settings
    prepared = await sources.prepare(made.attributes, {}, paced=True)
    tables = LiveTables(keys={}, api_keys={}, attributes=prepared.refs)
    world.current.snapshot = to_end(compile_snapshot(made, "r1", tables, world.meter))
    sources.commit(prepared)
    front = await start_front(replace(SETTINGS, transport=transport, check_deadline=2.0), world.service, sources.answer, world.meter, clock)
    wrong, strikes, missed = [], 0, set()
    try:
        async with connect(front.address) as client:

            async def code(post: str) -> int:
                return CheckResponse.FromString(await client.check(payload(path=f"/p/{post}"), timeout=5)).status.code

            for number, point in enumerate(faults.points):
                if point.function in ELSEWHERE:
                    continue
                for fault in FAULTS:
                    faults.arm(number, fault)
                    struck = await code(f"{number}-{fault.__name__}")
                    fired = faults.fired
                    faults.arm(-1, fault)
                    strikes += fired
                    if not fired:
                        missed.add(f"{point.function}: {point.text}")
                    elif struck == 0:
                        wrong.append(f"allowed: {fault.__name__} at {point}")
                    if await code(f"{number}-{fault.__name__}") != 0:
                        wrong.append(f"not allowed after {fault.__name__} at {point}")
            assert front.in_flight() == 0
            assert sources.live["state"].feed.in_flight == 0
    finally:
        await front.close()
        await sources.close()
    return wrong, strikes, missed


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_row_53_every_await_of_an_attribute(transport: str) -> None:
    with HttpServer(_open) as server:
        wrong, strikes, missed = asyncio.run(everywhere(transport, server.url))
    assert wrong == []
    assert missed == set(), "a point that no check comes by: give it one, or a reason in ELSEWHERE"
    assert strikes >= 4 * len(FAULTS)
