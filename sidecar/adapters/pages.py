"""What the telemetry and the admin listener answer.

Telemetry (``/livez /readyz /metrics`` and nothing else) may face the pod network; admin is for operators on this
host (security rule 24). Values come from callables that the composition root gives.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.model.addresses import is_address, is_loopback
from sidecar.model.steps import PAUSE

from .metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

_SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_Handler = Callable[[Request], Awaitable[Response]]


def telemetry_app(
    alive: Callable[[], tuple[bool, str]],
    ready: Callable[[], tuple[bool, str]],
    metrics: Callable[[], Iterable[bytes]],
    faults: Counter[str],
) -> ASGIApp:
    """Answer ``/livez`` and ``/readyz`` (200 or 503, with the word why) and ``/metrics``."""

    async def livez(_request: Request) -> Response:
        return _said(*alive())

    async def readyz(_request: Request) -> Response:
        return _said(*ready())

    async def scrape(_request: Request) -> Response:
        parts = []
        for part in metrics():
            parts.append(part)
            await asyncio.sleep(PAUSE)
        return Response(b"".join(parts), media_type=CONTENT_TYPE)

    return _application({"/livez": livez, "/readyz": readyz, "/metrics": scrape}, "telemetry", faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPages:
    """What the admin listener shows: ``decisions`` by a query's filters; ``explain`` one by its id (None: not kept)."""

    status: Callable[[], Mapping[str, object]]
    decisions: Callable[[Mapping[str, str]], Mapping[str, object]]
    explain: Callable[[str], Mapping[str, object] | None]


def admin_app(pages: AdminPages, listen: str, faults: Counter[str]) -> ASGIApp:
    """Answer with JSON, to requests whose ``Host`` is one of ours; ``listen`` as configured (``host:port``)."""

    async def show_status(_request: Request) -> Response:
        return _json(pages.status())

    async def show_decisions(request: Request) -> Response:
        return _json(pages.decisions(request.query_params))

    async def show_explanation(request: Request) -> Response:
        decision_id = request.query_params.get("id", "")
        found = pages.explain(decision_id) if decision_id else None
        if found is None:
            return _json({"error": "give ?id=DECISION_ID, of one of the latest decisions: /decisions lists them"}, 404)
        return _json(found)

    async def index(_request: Request) -> Response:
        return _json({"pages": ["/status", "/decisions", "/explain"]})

    handlers = {"/": index, "/status": show_status, "/decisions": show_decisions, "/explain": show_explanation}
    return own_host_only(_application(handlers, "admin", faults), listen)


def own_host_only(app: ASGIApp, listen: str) -> ASGIApp:
    """Refuse requests for other hosts (security rule 24a).

    A web page that rebinds its own name to 127.0.0.1 is same-origin with us in the browser, but its requests still
    carry that name as ``Host``.
    """
    own = _host_of(listen)

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and _is_ours(_host_of(hosts[0].decode("latin-1")), own):
            await app(scope, receive, send)
        else:
            await PlainTextResponse("misdirected request\n", 421, dict(_decoded(_SECURITY_HEADERS)))(scope, receive, send)

    return checked


def _is_ours(host: str, own: str) -> bool:
    """Loopback by name or address, the configured host; on a wildcard address any address, which can't be rebound."""
    return host == own or is_loopback(host) or (own in {"", "0.0.0.0", "::"} and is_address(host))  # noqa: S104 - compared, not bound


def _host_of(authority: str) -> str:
    """Return the host of ``host[:port]`` in lower case, without brackets; an empty text when it is neither."""
    host, bracket, port = authority.lower().rpartition("]")
    if bracket:
        return host.removeprefix("[") if host.startswith("[") and (not port or port[0] == ":") else ""
    host, _, port = authority.lower().partition(":")
    return host if not port or port.isdigit() else ""


def _application(handlers: Mapping[str, _Handler], place: str, faults: Counter[str]) -> ASGIApp:
    """Return an application with these GET handlers; everything else is 404 or 405."""
    routes = [Route(path, _guarded(handler, f"{place} {path}", faults), methods=["GET"]) for path, handler in handlers.items()]
    router = Router(routes, redirect_slashes=False)

    async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SECURITY_HEADERS]
            await send(message)

        await router(scope, receive, send_with_headers)

    return with_headers


def _guarded(handler: _Handler, place: str, faults: Counter[str]) -> _Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception:  # the HTTP handlers' boundary: logged, counted, allows nothing, says nothing
            faults[place] += 1
            log.exception("an HTTP handler failed", extra={"place": place})
            return PlainTextResponse("internal error\n", 500)

    return answer


def _said(good: bool, word: str) -> Response:
    return PlainTextResponse(f"{word}\n", 200 if good else 503)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n", status, media_type="application/json")


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
    return ((name.decode(), value.decode()) for name, value in headers)
