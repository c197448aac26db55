"""Bounded GETs for key sets and discovery documents (security rules 10 and 12).

One client for each fetch: fetches are minutes apart, so nothing is gained by keeping connections, and every fetch
resolves the name anew and reads a private CA as it is on disk now. httpx is imported at the first fetch.
"""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from sidecar.model.errors import SourceError
from sidecar.ports import Clock, Fetched, FetchError

from .fetch_words import error_words, url_words
from .files import read_bounded
from .watch import signature

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 3
MAX_CA = 1024 * 1024
"""Bytes of a CA bundle."""
MAX_TRUSTS = 16
MAX_RETRY_AFTER = 3600.0
"""Seconds; a server that asks for more is asked again after this."""
_PIECE = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"accept": "application/json, application/jwk-set+json", "accept-encoding": "gzip", "user-agent": "ext-authz-sidecar"}


class HttpxFetcher:
    """Implements ``ports.Fetcher``. Certificates are always verified; proxies and cookies are never used."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Clock) -> None:
        """``clock`` tells how far away a Retry-After date is."""
        self._clock = clock

    async def get(self, url: str, *, ca_file: str | None, max_bytes: int, timeout: float) -> Fetched:  # noqa: ASYNC109 - bounds the whole fetch
        """Fetch ``url`` within ``timeout`` seconds in all: names, connections, redirects, a body that drips.

        Raises:
            FetchError: anything but a 200 with at most ``max_bytes`` bytes; its words show no query and no credential.
        """
        import httpx  # noqa: PLC0415 - loaded with the first fetch

        try:
            async with asyncio.timeout(timeout):
                return await self._follow(httpx.URL(url), await trust(ca_file), max_bytes)
        except TimeoutError:
            raise FetchError(f"{url_words(url)}: no complete answer within {timeout:.2g} s") from None
        except httpx.InvalidURL:
            raise FetchError(f"{url_words(url)}: not a valid URL") from None
        except (httpx.HTTPError, SourceError, OSError, zlib.error) as error:
            # Not chained: httpx's exceptions carry the request, with its whole URL.
            raise FetchError(f"{url_words(url)}: {error_words(error)}") from None

    async def _follow(self, url: "httpx.URL", trust: ssl.SSLContext, max_bytes: int) -> Fetched:
        """GET ``url`` and what it redirects to, on the same host only."""
        import httpx  # noqa: PLC0415 - loaded with the first fetch

        for _ in range(MAX_REDIRECTS + 1):
            async with (
                httpx.AsyncClient(verify=trust, trust_env=False, follow_redirects=False, timeout=None) as client,  # noqa: S113 - bounded above
                answer(client, url, _HEADERS) as response,
            ):
                if response.status_code not in _REDIRECTS:
                    return await self._read(response, max_bytes)
                url = _redirected(url, response.headers.get("location", ""))
        raise FetchError(f"{url_words(str(url))}: more than {MAX_REDIRECTS} redirects")

    async def _read(self, response: "httpx.Response", max_bytes: int) -> Fetched:
        """Return the body of a 200, decompressed no further than ``max_bytes``."""
        where = url_words(str(response.url))
        if response.status_code != HTTPStatus.OK:
            raise FetchError(f"{where}: answered {response.status_code}", self._retry_after(response))
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding == "identity":
            parts = response.aiter_raw()
        elif encoding in {"gzip", "x-gzip"}:
            parts = _inflate(response.aiter_raw(), max_bytes)
        else:
            raise FetchError(f"{where}: content encoding {encoding[:32]!r} was not asked for")
        body = bytearray()
        async for part in parts:
            body += part
            if len(body) > max_bytes:
                raise FetchError(f"{where}: larger than {max_bytes} bytes")
        headers = {name: value for name, value in response.headers.items() if name != "set-cookie"}
        return Fetched(body=bytes(body), headers=headers)

    def _retry_after(self, response: "httpx.Response") -> float | None:
        """Return the seconds that the server asked for, bounded; None without a readable wish (RFC 9110 §10.2.3)."""
        wish = response.headers.get("retry-after", "")
        if wish.isascii() and wish.isdigit():
            return min(float(wish[:9]), MAX_RETRY_AFTER)
        try:
            seconds = parsedate_to_datetime(wish).timestamp() - self._clock.now().wall
        except (TypeError, ValueError, OverflowError):
            return None
        return min(max(seconds, 0.0), MAX_RETRY_AFTER)


@asynccontextmanager
async def answer(
    client: "httpx.AsyncClient", url: "httpx.URL | str", headers: Mapping[str, str] | None = None
) -> AsyncIterator["httpx.Response"]:
    """GET ``url``; the answer is closed when the block ends, and nothing of it is left for the garbage collector.

    httpx's answer and its stream hold each other, and through them the request, the connection and the client (17 kB): too little
    garbage for the collector to be started, until a reload keeps it for good (``gc.freeze``).
    """
    import httpx  # noqa: PLC0415 - loaded with the client

    response: httpx.Response | None = None
    try:
        async with client.stream("GET", url, headers=headers) as response:
            yield response
    finally:
        if response is not None:
            response.stream = httpx.ByteStream(b"")


async def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return the authorities to trust: those of the system, or of ``ca_file`` alone as it is on disk now.

    Raises:
        SourceError, ssl.SSLError: a CA file that cannot be read or holds no certificate.
    """
    # 30 ms for the system's bundle, during which OpenSSL lets go of the interpreter lock.
    return await asyncio.to_thread(_load_trust, ca_file, signature(ca_file) if ca_file else None)


@lru_cache(maxsize=MAX_TRUSTS)
def _load_trust(ca_file: str | None, _state: object) -> ssl.SSLContext:
    """Load once for each state of the file; issuers share it, since the system's authorities take 1.5 MB."""
    if ca_file is not None:
        bundle = read_bounded(ca_file, MAX_CA).decode("ascii", "replace")
        if not bundle:
            # create_default_context() takes empty data for none given, and would trust the system's authorities.
            raise SourceError(f"{ca_file}: is empty")
        return ssl.create_default_context(cadata=bundle)
    context = ssl.create_default_context()
    if context.cert_store_stats()["x509_ca"]:
        return context
    import httpx  # noqa: PLC0415 - as above

    # An image without CA certificates: the bundle that comes with httpx.
    return httpx.create_ssl_context(trust_env=False)


def _redirected(url: "httpx.URL", location: str) -> "httpx.URL":
    """Return where to go, if it is the same host and port, or the same host by https instead of http."""
    if not location:
        raise FetchError(f"{url_words(str(url))}: a redirect without a target")
    target = url.join(location)
    same_origin = (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port)
    upgraded = (url.scheme, target.scheme, target.port) == ("http", "https", None) and target.host == url.host
    if target.userinfo or not (same_origin or upgraded):
        raise FetchError(f"{url_words(str(url))}: redirects to {url_words(str(target))}, which is another host, port or scheme")
    return target


async def _inflate(parts: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Decompress in pieces of at most 64 KiB: a gzip bomb is noticed while it is small."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    taken = 0
    async for part in parts:
        taken += len(part)
        if taken > max_bytes + _PIECE or inflater.eof:
            raise zlib.error("more data than its content needs")
        rest = part
        while rest:
            yield inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
        if inflater.unused_data:
            raise zlib.error("data after its end")
    if not inflater.eof:
        raise zlib.error("cut short")
