"""``api_keys``: stores of API keys, and where keys are read."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import NonEmpty, OfItsType, Section, Unbuilt, bad, exactly_one, parsed, unbuilt, written
from .fields import CookieName, FilePath, HeaderName, QueryName, Token
from .secrets import SecretRef

MAX_PEPPER_ID = 64


def pepper_id(text: str) -> str:
    """Check the name of a pepper, which stands between colons in a digest."""
    usable = text.isascii() and all(char.isalnum() or char in "._-" for char in text)
    if not text or len(text) > MAX_PEPPER_ID or not usable:
        raise bad("is not a usable pepper id", "letters, digits and ._- such as 2026-1")
    return text


class KeyPlace(Section):
    """Where a key is read: a header, a cookie or a query parameter."""

    header: HeaderName | None = Field(default=None, description="Header that carries the key.")
    scheme: Token | None = Field(default=None, description="First word of the header, such as Bearer; without it the whole value counts.")
    prefix: Token | None = Field(default=None, description="How this store's keys start; needed where tokens come by the same header.")
    cookie: CookieName | None = Field(default=None, description="Cookie that carries the key.")
    query: QueryName | None = Field(default=None, description="Query parameter that carries the key; such URLs end up in logs.")
    forward: bool = Field(default=False, description="true: the upstream sees the key.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("header", "cookie", "query"))
        if self.header is None and (self.scheme is not None or self.prefix is not None):
            raise bad("scheme and prefix belong to a header", "remove them")
        return self


class Store(Section):
    """Where the keys lie."""

    file: FilePath | None = Field(default=None, description="Key file, outside the configuration directory; read again when it changes.")
    sqlite: Unbuilt = unbuilt("SQLite file.")
    postgres: Unbuilt = unbuilt("PostgreSQL database.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("file",))
        return self


class KeyStore(Section):
    """One set of API keys."""

    credentials: NonEmpty[KeyPlace] = Field(default=written([{"header": "x-api-key"}]), description="Where its keys are read.")
    store: Store = Field(description="Where the keys lie.")
    peppers: dict[Annotated[str, parsed(pepper_id)], SecretRef] | None = Field(
        default=None, min_length=1, description="Secrets that digests are made with, by the id that stands in the digest."
    )
    invalid_status: Annotated[Literal[401, 403], OfItsType()] = Field(
        default=403, description="Status for a key that is unknown, expired or revoked."
    )
