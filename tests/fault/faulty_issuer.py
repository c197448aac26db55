"""The issuer simulator with every bad habit of a real one: it answers nonsense, slowly, too much, or somebody else's truth."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable

from tests.servers.httpd import Request, Response
from tests.servers.issuer import DISCOVERY_PATH, JWKS_PATH, IssuerSimulator, SigningKey

JSON = (("content-type", "application/json"),)
Behaviour = Callable[[Request], Response]


class FaultyIssuer(IssuerSimulator):
    """Healthy until ``on_jwks`` or ``on_discovery`` is set: what a path answers then (None: the truth). ``asked``: the path of each request."""

    def __init__(self, alg: str = "ES256", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.on_jwks: Behaviour | None = None
        self.on_discovery: Behaviour | None = None
        self.asked: list[str] = []
        super().__init__(alg, port, tls)

    def fail(self, behaviour: Behaviour | None) -> None:
        """Answer this for the key set from now on; None heals."""
        self.on_jwks = behaviour

    async def _serve(self, request: Request) -> Response:
        self.asked.append(request.path)
        wrong = {JWKS_PATH: self.on_jwks, DISCOVERY_PATH: self.on_discovery}.get(request.path)
        if wrong is None:
            return await super()._serve(request)
        if request.path == JWKS_PATH:
            self.fetches.append(asyncio.get_running_loop().time())
        return wrong(request)


def says(body: bytes | str, status: int = 200, **headers: str) -> Behaviour:
    """Always this answer. Header names with underscores for dashes."""
    content = body.encode() if isinstance(body, str) else body
    fields = (*JSON, *((name.replace("_", "-"), value) for name, value in headers.items()))
    return lambda _: Response(status, content, fields)


def redirects(location: str, status: int = 302) -> Behaviour:
    """A redirect."""
    return lambda _: Response(status, b"", (("location", location),))


def drips(body: bytes, pause: float) -> Behaviour:
    """``body`` byte by byte with ``pause`` seconds between: each read succeeds, the whole takes for ever."""

    async def parts() -> AsyncIterator[bytes]:
        for at in range(len(body)):
            yield body[at : at + 1]
            await asyncio.sleep(pause)

    return lambda _: Response(200, b"", JSON, parts())


def hangs(seconds: float = 3600.0) -> Behaviour:
    """A head, and then nothing for so long."""

    async def parts() -> AsyncIterator[bytes]:
        await asyncio.sleep(seconds)
        yield b""

    return lambda _: Response(200, b"", JSON, parts())


def endless(megabytes: int = 100, *, text: bytes = b'{"keys": [' + b" " * 65_526) -> Behaviour:
    """So many megabytes (10^6 bytes), as fast as they are taken."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(megabytes * 1_000_000 // len(text) + 1):
            yield text

    return lambda _: Response(200, b"", JSON, parts())


def gzip_bomb(megabytes: int = 100) -> Behaviour:
    """White space, a thousandth of its size on the wire."""
    packed = gzip.compress(b'{"keys": []}' + b" " * (megabytes * 1_000_000))
    return says(packed, content_encoding="gzip")


def cut(body: bytes) -> Behaviour:
    """A body that is shorter than its content-length says: the connection ends in the middle of it."""

    async def parts() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]

    return lambda _: Response(200, b"", (*JSON, ("content-length", str(len(body)))), parts())


def key_set(*keys: SigningKey, further: list[object] | None = None) -> bytes:
    """A key set of these keys and any further entries."""
    return json.dumps({"keys": [*(key.jwk() for key in keys), *(further or [])]}).encode()


def many_keys(count: int, key: SigningKey) -> bytes:
    """``count`` times one key under different ids."""
    jwk = key.jwk()
    return json.dumps({"keys": [{**jwk, "kid": f"k{number}"} for number in range(count)]}).encode()
