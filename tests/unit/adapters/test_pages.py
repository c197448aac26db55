"""What the listeners answer, without sockets: the applications are called as ASGI."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from sidecar.adapters.pages import AdminPages, admin_app, telemetry_app

CANARY = "s3cr3t-canary"


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def call(
    app: ASGIApp, path: str, method: str = "GET", host: str | None = "localhost", extra: Iterable[tuple[bytes, bytes]] = ()
) -> Answered:
    sent: list[dict[str, object]] = []
    headers = [*([] if host is None else [(b"host", host.encode("latin-1"))]), *extra]
    scope = {
        "type": "http",
        "method": method,
        "path": path.partition("?")[0],
        "raw_path": path.encode(),
        "query_string": path.partition("?")[2].encode(),
        "headers": headers,
        "root_path": "",
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start, *rest = sent
    fields = [(name.decode(), content.decode()) for name, content in start["headers"]]
    assert len(dict(fields)) == len(fields)
    return Answered(start["status"], dict(fields), b"".join(part.get("body", b"") for part in rest))


def telemetry(
    ready: Callable[[], tuple[bool, str]] = lambda: (True, "ready"),
    metrics: Callable[[], Iterable[bytes]] = lambda: iter([b"a 1\n", b"b 2\n"]),
    faults: Counter[str] | None = None,
    alive: Callable[[], tuple[bool, str]] = lambda: (True, "ok"),
) -> ASGIApp:
    return telemetry_app(alive, ready, metrics, Counter() if faults is None else faults)


def admin(listen: str = "127.0.0.1:9192", status: Callable[[], dict[str, object]] = lambda: {"revision": "abc"}) -> ASGIApp:
    return admin_app(admin_pages(status), listen, Counter())


def admin_pages(status: Callable[[], dict[str, object]] = lambda: {"revision": "abc"}) -> AdminPages:
    return AdminPages(
        status=status,
        decisions=lambda asked: {"asked": dict(asked)},
        explain=lambda decision_id: {"id": decision_id} if decision_id == "known" else None,
    )


def test_telemetry_answers() -> None:
    assert call(telemetry(), "/livez")[::2] == (200, b"ok\n")
    assert call(telemetry(), "/readyz")[::2] == (200, b"ready\n")
    assert call(telemetry(lambda: (False, "draining")), "/readyz")[::2] == (503, b"draining\n")
    assert call(telemetry(alive=lambda: (False, "stopped")), "/livez")[::2] == (503, b"stopped\n")
    scraped = call(telemetry(), "/metrics")
    assert scraped[::2] == (200, b"a 1\nb 2\n")
    assert scraped.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/", "/status", "/decisions", "/livez/", "//livez", "/livez/../status", "/LIVEZ", "/metrics/x", "*", "livez"]
)
def test_telemetry_has_nothing_else(path: str) -> None:
    """Security rule 24: it may face the pod network, so it shows health and metrics only."""
    assert call(telemetry(), path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_reading_only(method: str) -> None:
    assert call(telemetry(), "/livez", method).status == 405
    assert call(admin(), "/status", method).status == 405


def test_status_is_json() -> None:
    answered = call(admin(status=lambda: {"revision": "abc", "issuers": {"corp": {"age": 1.5}}}), "/status")
    assert answered.status == 200
    assert answered.headers["content-type"] == "application/json"
    assert json.loads(answered.body) == {"revision": "abc", "issuers": {"corp": {"age": 1.5}}}
    assert json.loads(call(admin(), "/").body) == {"pages": ["/status", "/decisions", "/explain"]}


def test_decisions_and_explanations() -> None:
    assert json.loads(call(admin(), "/decisions?decision=deny&route=a").body) == {"asked": {"decision": "deny", "route": "a"}}
    assert json.loads(call(admin(), "/explain?id=known").body) == {"id": "known"}
    for unknown in ("/explain", "/explain?id=", "/explain?id=other"):
        answered = call(admin(), unknown)
        assert answered.status == 404
        assert "/decisions lists them" in json.loads(answered.body)["error"]


@pytest.mark.parametrize(
    "answered",
    [call(telemetry(), "/livez"), call(telemetry(), "/none"), call(admin(), "/status"), call(admin(), "/status", host="evil.example")],
)
def test_security_headers_are_on_every_answer(answered: Answered) -> None:
    assert answered.headers["cache-control"] == "no-store"
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "access-control-allow-origin" not in answered.headers
    assert "server" not in answered.headers


LOOPBACK = ["localhost", "localhost:9192", "LocalHost:1", "127.0.0.1", "127.0.0.1:9192", "127.9.9.9", "[::1]", "[::1]:9192"]
OTHERS = [
    "evil.example",
    "evil.example:9192",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "notlocalhost",
    "10.0.0.1",
    "[::2]",
    "",
    ":9192",
    "localhost:x",
    "localhost:9192:1",
    "[::1",
    "::1]",
    "[::1]x",
    "localhost,evil.example",
    "evil.example#localhost",
    "user@localhost",
    " localhost",
    "localhost\xa0",
    "2130706433",
    "0x7f.1",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_hosts_are_ours(host: str) -> None:
    assert call(admin(), "/status", host=host).status == 200


@pytest.mark.parametrize("host", [*OTHERS, None])
def test_other_hosts_are_refused(host: str | None) -> None:
    """Security rule 24a: a page that rebinds its name to 127.0.0.1 still sends that name."""
    answered = call(admin(), "/status", host=host)
    assert answered.status == 421
    assert b"revision" not in answered.body


def test_two_host_headers_are_refused() -> None:
    assert call(admin(), "/status", extra=[(b"host", b"localhost")]).status == 421


@pytest.mark.parametrize(
    ("listen", "host", "status"),
    [
        ("10.0.0.1:9192", "10.0.0.1:9192", 200),
        ("10.0.0.1:9192", "10.0.0.2:9192", 421),
        ("sidecar.internal:9192", "SIDECAR.internal", 200),
        ("0.0.0.0:9192", "10.0.0.2:9192", 200),
        ("[::]:9192", "[fd00::1]:9192", 200),
        ("[::]:9192", "10.0.0.2", 200),
        ("0.0.0.0:9192", "evil.example", 421),
        ("0.0.0.0:9192", "", 421),
        ("127.0.0.1:9192", "0.0.0.0:9192", 421),
    ],
)
def test_the_configured_host_is_ours(listen: str, host: str, status: int) -> None:
    assert call(admin(listen), "/status", host=host).status == status


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_host_crashes_the_check(host: str) -> None:
    assert call(admin(), "/status", host=host).status in {200, 421}


def test_a_failing_callable_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> tuple[bool, str]:
        raise RuntimeError(CANARY)

    faults: Counter[str] = Counter()
    with caplog.at_level(logging.ERROR):
        for path in ("/readyz", "/metrics"):
            answered = call(telemetry(fail, fail, faults), path)
            assert answered.status == 500
            assert CANARY.encode() not in answered.body
    assert faults == {"telemetry /readyz": 1, "telemetry /metrics": 1}
    assert caplog.text.count("an HTTP handler failed") == 2
    assert call(telemetry(fail, fail, faults), "/livez").status == 200


def test_others_run_between_the_slices_of_a_scrape() -> None:
    turns = 0

    async def scrape() -> None:
        nonlocal turns

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.0005)

        counting = asyncio.create_task(count())
        await _drive(telemetry(metrics=lambda: (b"x 1\n" for _ in range(20))))
        counting.cancel()

    asyncio.run(scrape())
    assert turns >= 10


async def _drive(app: ASGIApp) -> None:
    async def nothing(*_: object) -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app({"type": "http", "method": "GET", "path": "/metrics", "query_string": b"", "headers": [], "root_path": ""}, nothing, nothing)
