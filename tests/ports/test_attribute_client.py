"""The AttributeClient port against servers that misbehave. Security rules 10, 12 and 22."""

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import trustme
import uvloop

from sidecar.adapters.attribute_http import MAX_BYTES, open_client
from sidecar.model.errors import SourceError
from sidecar.ports import AttributeClient, FetchError
from tests.servers.httpd import HttpServer, Request, Response
from tests.support.http_server import MisbehavingServer, answer, drip, endless, raw, redirect

CANARY = "s3cr3t-canary"
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        yield running


@contextlib.asynccontextmanager
async def client(url: str, headers: dict[str, bytes] | None = None, ca_file: str | None = None) -> AsyncIterator[AttributeClient]:
    opened = await open_client(url, headers or {}, ca_file)
    try:
        yield opened
    finally:
        await opened.close()


def using(url: str, work: Callable[[AttributeClient], Awaitable[T]], **options: object) -> T:
    async def whole() -> T:
        async with client(url, **options) as opened:
            return await work(opened)

    return uvloop.run(whole())


def get(url: str, timeout: float = 2.0, **options: object) -> bytes | None:
    return using(url, lambda opened: opened.get(url, timeout), **options)


def refusal(url: str, timeout: float = 2.0, **options: object) -> str:
    with pytest.raises(FetchError) as caught:
        get(url, timeout, **options)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_200_is_its_body_and_a_404_is_nothing(server: MisbehavingServer) -> None:
    server.on("/a", answer(200, b'{"id": "ann"}'))
    server.on("/b", answer(404, b"no such post"))
    assert get(server.url("/a")) == b'{"id": "ann"}'
    assert get(server.url("/b")) is None


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 410, 429, 500, 503])
def test_any_other_status_is_a_failure(server: MisbehavingServer, status: int) -> None:
    server.on("/a", answer(status, b"" if status in {204, 304} else b"1"))
    assert f"answered {status}" in refusal(server.url("/a"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_even_to_the_same_host(server: MisbehavingServer, status: int) -> None:
    server.on("/a", redirect("/b", status))
    server.on("/b", answer(200, b"1"))
    assert "redirects are not followed" in refusal(server.url("/a"))
    assert [request.target for request in server.requests] == ["/a"]


def test_headers_are_sent_and_no_cookie_is_kept(server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("/a", answer(200, b"1", {"set-cookie": "a=b"}))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async def twice(opened: AttributeClient) -> None:
        for _ in range(2):
            await opened.get(server.url("/a"), 2.0)

    using(server.url("/a"), twice, headers={"authorization": b"Bearer \xe4", "x-client": b"sidecar"})
    first, second = server.requests
    assert first.headers["authorization"] == "Bearer \xe4"
    assert (first.headers["x-client"], first.headers["accept-encoding"]) == ("sidecar", "identity")
    assert "cookie" not in second.headers


def test_what_is_asked_for_arrives_as_it_was_encoded(server: MisbehavingServer) -> None:
    for path in ("/posts/a%2Fb%3Fc%23d/owner", "/posts/%C3%BC%252F/owner"):
        server.on(path, answer(200, b"1"))
        assert get(server.url(path)) == b"1"
    assert [request.target for request in server.requests] == ["/posts/a%2Fb%3Fc%23d/owner", "/posts/%C3%BC%252F/owner"]


def test_the_limit_is_exact_and_a_huge_answer_is_given_up(server: MisbehavingServer) -> None:
    server.on("/a", answer(200, b"1" * MAX_BYTES))
    server.on("/b", answer(200, b"1" * (MAX_BYTES + 1)))
    server.on("/c", endless(b"1" * 65536, 50))
    assert len(get(server.url("/a")) or b"") == MAX_BYTES
    assert "more than 65536 bytes" in refusal(server.url("/b"))
    assert "more than 65536 bytes" in refusal(server.url("/c"))


def test_a_content_encoding_was_not_asked_for(server: MisbehavingServer) -> None:
    server.on("/a", answer(200, gzip.compress(b"1"), {"content-encoding": "gzip"}))
    assert "content encoding" in refusal(server.url("/a"))


@pytest.mark.parametrize("behaviour", [drip(b"1" * 1000, 0.05), lambda *_: time.sleep(1.0)], ids=["drips", "says nothing"])
def test_the_timeout_bounds_all_of_it(server: MisbehavingServer, behaviour: object) -> None:
    server.on("/a", behaviour)
    began = time.monotonic()
    assert refusal(server.url("/a"), 0.1) == "no complete answer within 100 ms"
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("parts", [(b"",), (b"nonsense\r\n\r\n",), (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123",)])
def test_no_http_is_a_failure(server: MisbehavingServer, parts: tuple[bytes, ...]) -> None:
    server.on("/a", raw(*parts))
    assert refusal(server.url("/a"))


def test_nobody_there_is_a_failure_without_the_url() -> None:
    with MisbehavingServer() as gone:
        url = gone.url(f"/{CANARY}?q={CANARY}")
    assert "refused" in refusal(url)


def test_certificates_are_verified(tmp_path: Path) -> None:
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with MisbehavingServer(_server_side(authority)) as server:
        server.on("/a", answer(200, b"1"))
        assert "certificate refused" in refusal(server.url("/a"))
        assert get(server.url("/a"), ca_file=str(bundle)) == b"1"
        assert "certificate refused" in refusal(server.url("/a", "localhost"), ca_file=str(bundle)), "it is for the address only"


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    for name in ("gone.pem", "empty.pem", "bad.pem"):
        with pytest.raises(SourceError):
            get("https://127.0.0.1:1/a", ca_file=str(tmp_path / name))


def test_connections_are_kept_and_a_restarted_server_is_found_again() -> None:
    seen: list[str] = []

    async def handle(request: Request) -> Response:
        seen.append(request.target)
        return Response(body=b"1")

    with HttpServer(handle) as server:
        url = f"{server.url}/a"

        async def scenario(opened: AttributeClient) -> None:
            for _ in range(3):
                assert await opened.get(url, 2.0) == b"1"
            server.down()
            with pytest.raises(FetchError):
                await opened.get(url, 0.5)
            server.up()
            assert await opened.get(url, 2.0) == b"1"

        using(url, scenario)
    assert len(seen) == 4


def test_many_at_once_and_after_closing_none(server: MisbehavingServer) -> None:
    server.on("/a", answer(200, b"1"))

    async def scenario() -> None:
        opened = await open_client(server.url("/a"), {}, None)
        assert await asyncio.gather(*(opened.get(server.url("/a"), 5.0) for _ in range(40))) == [b"1"] * 40
        await opened.close()
        with pytest.raises(FetchError):
            await opened.get(server.url("/a"), 1.0)

    uvloop.run(scenario())


def _server_side(authority: trustme.CA) -> object:
    import ssl  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
