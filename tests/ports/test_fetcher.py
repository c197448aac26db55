"""The Fetcher port against a server that misbehaves. Security rules 10 and 12."""

import asyncio
import gzip
import resource
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.fetch import HttpxFetcher
from sidecar.adapters.fetch_words import url_words
from sidecar.ports import Fetched, Fetcher, FetchError
from tests.support.app_fakes import HandClock
from tests.support.http_server import MisbehavingServer, answer, drip, endless, gzip_bomb, raw, redirect

LIMIT = 512 * 1024
CANARY = "s3cr3t-canary"


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        yield running


def get(url: str, *, ca_file: str | None = None, max_bytes: int = LIMIT, timeout: float = 5.0, fetcher: Fetcher | None = None) -> Fetched:
    return uvloop.run((fetcher or HttpxFetcher(HandClock())).get(url, ca_file=ca_file, max_bytes=max_bytes, timeout=timeout))


def refusal(url: str, **options: object) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(url, **options)
    assert CANARY not in str(caught.value)
    return caught.value


def test_body_and_lower_case_headers_of_a_200(server: MisbehavingServer) -> None:
    server.on("/keys", answer(200, b'{"keys":[]}', {"Cache-Control": "max-age=60", "Set-Cookie": "a=b"}))
    fetched = get(server.url("/keys"))
    assert fetched.body == b'{"keys":[]}'
    assert fetched.headers["cache-control"] == "max-age=60"
    assert "set-cookie" not in fetched.headers


def test_gzip_is_decompressed(server: MisbehavingServer) -> None:
    body = b'{"keys":[]}' * 10_000
    server.on("/keys", answer(200, gzip.compress(body), {"content-encoding": "gzip"}))
    assert get(server.url("/keys")).body == body


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 404, 500])
def test_anything_but_a_200_is_a_failure(server: MisbehavingServer, status: int) -> None:
    server.on("/keys", answer(status, b"" if status in {204, 304} else b"words"))
    assert f"answered {status}" in str(refusal(server.url("/keys")))


def test_words_show_neither_query_nor_credentials(server: MisbehavingServer) -> None:
    """Security rule 22."""
    server.on("/keys", answer(500))
    url = server.url(f"/keys?client_secret={CANARY}#{CANARY}").replace("http://", f"http://user:{CANARY}@")
    assert str(refusal(url)) == f"http://127.0.0.1:{server.port}/keys: answered 500"


def test_the_limit_is_exact(server: MisbehavingServer) -> None:
    server.on("/keys", answer(200, b"x" * 1000))
    assert len(get(server.url("/keys"), max_bytes=1000).body) == 1000
    assert "larger than 999 bytes" in str(refusal(server.url("/keys"), max_bytes=999))


@pytest.mark.parametrize("behaviour", [gzip_bomb(200), endless(b"x" * 65536, 100)], ids=["gzip bomb", "100 MB"])
def test_a_huge_answer_is_given_up_while_it_is_small(server: MisbehavingServer, behaviour: object) -> None:
    server.on("/keys", behaviour)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert f"larger than {LIMIT} bytes" in str(refusal(server.url("/keys")))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024


def test_compressed_data_that_yields_nothing_is_bounded(server: MisbehavingServer) -> None:
    name_without_end = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * (2 * 1024 * 1024)
    server.on("/keys", answer(200, name_without_end, {"content-encoding": "gzip"}))
    assert "bad gzip data: more data" in str(refusal(server.url("/keys")))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"not gzip", "bad gzip data"),
        (gzip.compress(b"a" * 999, mtime=0)[:-9], "cut short"),
        (gzip.compress(b"a", mtime=0) + b"b", "after its end"),
    ],
)
def test_bad_gzip(server: MisbehavingServer, body: bytes, words: str) -> None:
    server.on("/keys", answer(200, body, {"content-encoding": "gzip"}))
    assert words in str(refusal(server.url("/keys")))


def test_an_encoding_that_was_not_asked_for(server: MisbehavingServer) -> None:
    server.on("/keys", answer(200, b"x", {"content-encoding": "br"}))
    assert "'br' was not asked for" in str(refusal(server.url("/keys")))


@pytest.mark.parametrize(
    "behaviour",
    [
        drip(b"x" * 1000, 0.05),
        raw(b"HTTP/1.1 200 OK\r\n", b"x", pause=0.6),
        raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"x", pause=0.6),
    ],
    ids=["drip", "head that stops", "body that stops"],
)
def test_the_timeout_bounds_the_whole(server: MisbehavingServer, behaviour: object) -> None:
    server.on("/keys", behaviour)
    began = time.monotonic()
    assert "no complete answer within 0.3 s" in str(refusal(server.url("/keys"), timeout=0.3))
    assert time.monotonic() - began < 1.5


def test_redirects_share_the_timeout(server: MisbehavingServer) -> None:
    def slow_redirect(connection: object, request: object) -> None:
        time.sleep(0.2)
        redirect("/keys")(connection, request)

    server.on("/keys", slow_redirect)
    assert "no complete answer within 0.3 s" in str(refusal(server.url("/keys"), timeout=0.3))


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b""])
def test_a_broken_answer_is_a_failure(server: MisbehavingServer, cut: bytes) -> None:
    server.on("/keys", raw(cut))
    assert "RemoteProtocolError" in str(refusal(server.url("/keys")))


def test_redirects_on_the_same_host_are_followed(server: MisbehavingServer) -> None:
    server.on("/a", redirect("/b", 301))
    server.on("/b", redirect(server.url("/c"), 308))
    server.on("/c", answer(200, b"here"))
    assert get(server.url("/a")).body == b"here"


def test_not_more_than_three_redirects(server: MisbehavingServer) -> None:
    server.on("/a", redirect("/a"))
    assert "more than 3 redirects" in str(refusal(server.url("/a")))
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "target",
    [
        f"http://169.254.169.254/latest?x={CANARY}",
        "https://idp.example.com/keys",
        "http://127.0.0.1:1/keys",
        "http://127.0.0.1.nip.example/keys",
        "//other.example/keys",
        "file:///etc/passwd",
        "http://localhost:{port}/keys",
        f"http://user:{CANARY}@127.0.0.1:{{port}}/keys",
        "http://[::1",
        "",
    ],
)
def test_redirects_elsewhere_are_refused(server: MisbehavingServer, target: str) -> None:
    """Security rule 12: not to another host, nor to another service on this one."""
    server.on("/keys", redirect(target.format(port=server.port)))
    refusal(server.url("/keys"))
    assert len(server.requests) == 1


def test_no_cookie_is_sent_and_no_proxy_is_used(server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.on("/a", answer(302, headers={"location": "/b", "set-cookie": "session=1"}))
    server.on("/b", answer(200, b"here"))
    fetcher = HttpxFetcher(HandClock())
    assert get(server.url("/a"), fetcher=fetcher).body == b"here"
    get(server.url("/a"), fetcher=fetcher)
    assert all("cookie" not in request.headers for request in server.requests)
    assert all("authorization" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("7", 7.0), ("0", 0.0), ("999999999999999999999", 3600.0), ("-1", None), ("1.5", None), ("soon", None), ("²", None), ("", None)],
)
def test_retry_after_in_seconds(server: MisbehavingServer, wish: str, seconds: float | None) -> None:
    server.on("/keys", answer(429, headers={"retry-after": wish}))
    assert refusal(server.url("/keys")).retry_after == seconds


@pytest.mark.parametrize(("distance", "seconds"), [(90, 90.0), (-90, 0.0), (1_000_000, 3600.0)])
def test_retry_after_as_a_date(server: MisbehavingServer, distance: int, seconds: float) -> None:
    clock = HandClock()
    date = datetime.fromtimestamp(clock.wall + distance, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    server.on("/keys", answer(503, headers={"retry-after": date}))
    assert refusal(server.url("/keys"), fetcher=HttpxFetcher(clock)).retry_after == seconds


def test_nothing_listens() -> None:
    with MisbehavingServer() as gone:
        url = gone.url("/keys")
    assert "connection refused" in str(refusal(url))


def test_a_name_that_does_not_resolve() -> None:
    assert "not resolved" in str(refusal("http://no-such-name.invalid/keys"))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/keys", "/keys", "http://", "http://[::1/keys", "http://a:99999999/"])
def test_what_is_no_http_url(url: str) -> None:
    refusal(url)


def test_cancellation_passes_through(server: MisbehavingServer) -> None:
    server.on("/keys", raw(b"HTTP/1.1 200 OK\r\n", pause=0.6))

    async def cancelled() -> None:
        task = asyncio.create_task(HttpxFetcher(HandClock()).get(server.url("/keys"), ca_file=None, max_bytes=LIMIT, timeout=5))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    uvloop.run(cancelled())


# --- TLS ----------------------------------------------------------------------------------------------------


def https_server(authority: trustme.CA, host: str = "127.0.0.1", expires: datetime | None = None) -> MisbehavingServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, not_after=expires).configure_cert(context)
    server = MisbehavingServer(context)
    server.on("/keys", answer(200, b"here"))
    return server


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_private_ca_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    with https_server(authority) as server:
        assert get(server.url("/keys"), ca_file=ca_file).body == b"here"


def test_the_system_does_not_trust_it(authority: trustme.CA) -> None:
    with https_server(authority) as server:
        assert "TLS certificate refused" in str(refusal(server.url("/keys")))
        assert server.requests == []


def test_expired_certificate(authority: trustme.CA, ca_file: str) -> None:
    with https_server(authority, expires=datetime.now(UTC) - timedelta(days=1)) as server:
        assert "certificate has expired" in str(refusal(server.url("/keys"), ca_file=ca_file))


def test_certificate_of_another_host(authority: trustme.CA, ca_file: str) -> None:
    with https_server(authority, host="idp.example.com") as server:
        assert "TLS certificate refused" in str(refusal(server.url("/keys"), ca_file=ca_file))


def test_a_ca_replaced_on_disk_is_used_without_a_restart(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    fetcher = HttpxFetcher(HandClock())
    rotated = trustme.CA()
    with https_server(authority) as before, https_server(rotated) as after:
        assert get(before.url("/keys"), ca_file=ca_file, fetcher=fetcher).body == b"here"
        refusal(after.url("/keys"), ca_file=ca_file, fetcher=fetcher)
        fresh = tmp_path / "fresh.pem"
        rotated.cert_pem.write_to_path(str(fresh))
        fresh.rename(ca_file)
        assert get(after.url("/keys"), ca_file=ca_file, fetcher=fetcher).body == b"here"
        refusal(before.url("/keys"), ca_file=ca_file, fetcher=fetcher)


@pytest.mark.parametrize(("content", "words"), [(None, "no such file"), (b"", "CA file"), (b"not a certificate", "TLS error")])
def test_an_unusable_ca_file_is_a_failure(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    assert words in str(refusal("https://127.0.0.1:1/keys", ca_file=str(path)))


def test_never_from_https_to_http(authority: trustme.CA, ca_file: str, server: MisbehavingServer) -> None:
    """Security rule 12."""
    with https_server(authority) as secure:
        secure.on("/keys", redirect(f"http://127.0.0.1:{secure.port}/keys"))
        assert "another host, port or scheme" in str(refusal(secure.url("/keys"), ca_file=ca_file))


@given(st.text(max_size=60))
def test_words_of_any_url_have_no_query(text: str) -> None:
    assert CANARY not in url_words(f"https://u:{CANARY}@h/p?{text}{CANARY}#{CANARY}")
