"""A fetch leaves nothing to the garbage collector: at the next reload what is garbage then would be kept for good (``gc.freeze``)."""

import uvloop

from sidecar.adapters.attribute_http import open_client
from sidecar.adapters.fetch import HttpxFetcher
from sidecar.ports import FetchError
from tests.support.app_fakes import HandClock
from tests.support.garbage import http_objects, no_collector
from tests.support.http_server import MisbehavingServer, answer


def test_nothing_of_an_answer_stays_behind() -> None:
    with MisbehavingServer() as server:
        server.on("/keys", answer(200, b"{}"))
        server.on("/down", answer(503, b"down"))

        async def fetch(times: int) -> None:
            fetcher = HttpxFetcher(HandClock())
            for _ in range(times):
                await fetcher.get(server.url("/keys"), ca_file=None, max_bytes=1000, timeout=5.0)
                try:
                    await fetcher.get(server.url("/down"), ca_file=None, max_bytes=1000, timeout=5.0)
                except FetchError:
                    continue

        async def measured() -> dict[str, int]:
            await fetch(3)  # what is made once
            with no_collector():
                before = http_objects()
                await fetch(20)
                return {name: count for name, count in (http_objects() - before).items() if count >= 20}

        assert uvloop.run(measured()) == {}


def test_nor_of_what_an_attribute_source_answers() -> None:
    with MisbehavingServer() as server:
        server.on("/a", answer(200, b"1"))

        async def measured() -> dict[str, int]:
            client = await open_client(server.url("/a"), {}, None)
            try:
                await client.get(server.url("/a"), 2.0)
                with no_collector():
                    before = http_objects()
                    for _ in range(20):
                        await client.get(server.url("/a"), 2.0)
                    return {name: count for name, count in (http_objects() - before).items() if count >= 20}
            finally:
                await client.close()

        assert uvloop.run(measured()) == {}
