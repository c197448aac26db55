"""GETs of attribute sources: small, quick, to one host each (security rules 10 and 12).

Unlike fetches of key sets these are part of a check, so connections are kept. Redirects are never followed, proxies
and cookies never used; compressed answers are not asked for, so that nothing can unfold in memory.
"""

import asyncio
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import import_module
from typing import TYPE_CHECKING, Final

from sidecar.model.errors import SourceError
from sidecar.ports import FetchError

from .fetch import answer, trust
from .fetch_words import error_words

if TYPE_CHECKING:
    import httpx

MAX_BYTES: Final = 64 * 1024
MAX_CONNECTIONS: Final = 64
KEPT: Final = 16
KEPT_FOR: Final = 3.0
"""Seconds; servers keep idle connections for 5 s or longer, and one that is just being closed is a failed check."""
_HEADERS: Final = {b"accept": b"application/json", b"accept-encoding": b"identity", b"user-agent": b"ext-authz-sidecar"}


class HttpxAttributeClient:
    """Implements ``ports.AttributeClient``."""

    __slots__ = ("_client",)

    def __init__(self, client: "httpx.AsyncClient") -> None:
        """Use ``open_client``."""
        self._client = client

    async def get(self, url: str, timeout: float) -> bytes | None:  # noqa: ASYNC109 - bounds the whole fetch
        """Return the body of a 200, or None for a 404.

        Raises:
            FetchError: anything else, ``timeout`` seconds over, more than MAX_BYTES; its words show nothing of the URL.
        """
        import httpx  # noqa: PLC0415 - loaded by ``open_client``

        try:
            async with asyncio.timeout(timeout), answer(self._client, url) as response:
                return await _read(response)
        except TimeoutError:
            raise FetchError(f"no complete answer within {timeout * 1000:.0f} ms") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as error:
            # Not chained: httpx's exceptions carry the request, with its whole URL and its headers.
            raise FetchError(error_words(error)) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _read(response: "httpx.Response") -> bytes | None:
    if response.status_code == HTTPStatus.NOT_FOUND:
        return None
    if response.status_code != HTTPStatus.OK:
        redirect = ", and redirects are not followed" if response.is_redirect else ""
        raise FetchError(f"answered {response.status_code}{redirect}")
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise FetchError("answered with a content encoding, which was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_BYTES:
            raise FetchError(f"answered with more than {MAX_BYTES} bytes")
    return bytes(body)


async def open_client(url: str, headers: Mapping[str, bytes], ca_file: str | None) -> HttpxAttributeClient:
    """Return a client with these headers. Loads httpx, and reads the authorities to trust as they are on disk now.

    Raises:
        SourceError: a CA file that cannot be read or holds no certificate.
    """
    await asyncio.to_thread(import_module, "httpx")  # only where a source is asked over HTTP: 100 ms, off the loop
    import httpx  # noqa: PLC0415

    try:
        # Without TLS nobody is trusted for anything, and loading the system's authorities takes 30 ms.
        trusted = await trust(ca_file) if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except ssl.SSLError as error:
        raise SourceError(f"{ca_file}: {error_words(error)}") from None
    client = httpx.AsyncClient(
        verify=trusted,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - ``get`` bounds the whole of it
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # keeps none: one answer must not change the next question
        headers={**_HEADERS, **{name.encode(): value for name, value in headers.items()}},
        limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=KEPT, keepalive_expiry=KEPT_FOR),
    )
    return HttpxAttributeClient(client)
