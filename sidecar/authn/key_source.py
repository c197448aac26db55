"""Content of an issuer's key source → key set. Fetched documents and those from files pass the same door."""

from collections.abc import Generator

from sidecar.model.errors import SourceError
from sidecar.model.settings import IssuerSettings

from .issuer import usable_algorithms
from .keyset import KeySet, read_jwks


def read_keys(settings: IssuerSettings, content: bytes) -> Generator[None, None, KeySet]:
    """Read a JWKS document, yielding between keys.

    Raises:
        SourceError: nothing in it can verify a token of this issuer.

    """
    keys = yield from read_jwks(content)
    if not keys.fits(usable_algorithms(settings)):
        raise SourceError("no key of the key set fits the issuer's algorithms")
    return keys
