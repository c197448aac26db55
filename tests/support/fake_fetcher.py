"""An issuer on an imaginary network: it publishes real keys, and fails, stalls or answers nonsense when told to."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.ports import Fetched, FetchError

from .tokens import ISSUER, SigningKey, jwks


@dataclass
class Call:
    """One GET as the code under test asked for it."""

    url: str
    ca_file: str | None
    max_bytes: int
    timeout: float


@dataclass
class FakeFetcher:
    """Serves what ``documents`` holds: bytes, or a FetchError to raise. Anything else is a 404."""

    documents: dict[str, bytes | FetchError] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    gate: asyncio.Event | None = None
    """While it is unset, every GET hangs."""

    async def get(self, url: str, *, ca_file: str | None, max_bytes: int, timeout: float) -> Fetched:  # noqa: ASYNC109 - the port's shape
        self.calls.append(Call(url, ca_file, max_bytes, timeout))
        if self.gate is not None:
            await self.gate.wait()
        document = self.documents.get(url, FetchError("status 404"))
        if isinstance(document, FetchError):
            raise document
        if len(document) > max_bytes:
            raise FetchError("too large")
        return Fetched(body=document, headers=dict(self.headers))

    def publish(self, url: str, *keys: SigningKey | Mapping[str, object]) -> None:
        """Serve a key set at ``url``."""
        self.documents[url] = jwks(*keys)

    def discover(self, jwks_uri: str, issuer: str = ISSUER, at: str = ISSUER) -> None:
        """Serve a discovery document of ``issuer`` under ``at``."""
        document = json.dumps({"issuer": issuer, "jwks_uri": jwks_uri}).encode()
        self.documents[at + "/.well-known/openid-configuration"] = document
