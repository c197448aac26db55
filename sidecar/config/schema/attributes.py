"""``attributes``: sources of what the request itself does not carry."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from sidecar.engine.templates import BadTemplate, KeyTemplate, UrlTemplate

from .base import Section, ShortForm, Unbuilt, bad, exactly_one, parsed, unbuilt, written
from .fields import Duration, FilePath, HeaderName, Word, duration_between

CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
MAX_KEYS = 10_000
_PROVIDES = re.compile(r"(resource|user)\.[A-Za-z_][A-Za-z0-9_]{0,62}")
_TEXT = {"type": "string"}


def _provides(text: str) -> str:
    if not _PROVIDES.fullmatch(text):
        raise bad("is no attribute that a source can give", "write resource.NAME or user.NAME; fields of it follow by themselves")
    return text


def _url(text: str) -> str:
    try:
        UrlTemplate(text)
    except BadTemplate as error:
        raise bad(str(error)) from None
    return text


def _key(text: str) -> str:
    try:
        KeyTemplate(text)
    except BadTemplate as error:
        raise bad(str(error)) from None
    return text


def _header_text(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or text != text.strip():
        raise bad("is not the value of a header", "printable ASCII characters, without white space at either end")
    return text


Provides = Annotated[str, parsed(_provides), WithJsonSchema({**_TEXT, "pattern": f"^{_PROVIDES.pattern}$", "examples": ["resource.owner"]})]
Url = Annotated[str, parsed(_url), WithJsonSchema({**_TEXT, "examples": ["http://127.0.0.1:8081/posts/{post_id}/owner"]})]
Key = Annotated[str, parsed(_key), WithJsonSchema({**_TEXT, "examples": ["{post_id}"]})]


class HeaderValue(Section):
    """What a header says: text, or a reference to what is secret."""

    text: Annotated[str, parsed(_header_text)] | None = Field(default=None, description="As it stands here.")
    file: FilePath | None = Field(default=None, description="File that holds the value; one trailing newline is dropped.")
    env: Word | None = Field(default=None, description="Environment variable that holds the value.")
    secret: Unbuilt = unbuilt("A name under `secrets`.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("text", "file", "env"))
        return self


class Http(Section):
    """A GET whose JSON answer, at most 64 KiB, is the attribute. 404 and null mean that it is missing; all else but 200 is a failure."""

    url: Url = Field(description="{variable}: one whole path segment or query value, percent-encoded. Never in scheme or host.")
    headers: dict[HeaderName, Annotated[HeaderValue, ShortForm("text", _TEXT)]] | None = Field(
        default=None, min_length=1, description="Headers of the request: text, or {file: PATH}, {env: NAME} for what is secret."
    )
    ca_file: FilePath | None = Field(default=None, description="PEM file of the CAs to trust instead of the system's.")
    unsafe_http: bool = Field(default=False, description="Allows plain http to other hosts: whoever sits on the way decides in your place.")

    @model_validator(mode="after")
    def _no_secret_here(self) -> Self:
        for name, value in (self.headers or {}).items():
            if value.text is not None and name in CREDENTIALS:
                raise bad(f"header {name} is a secret, which must be a reference and never text", "write {file: PATH} or {env: NAME}")
        return self


class File(Section):
    """A table in a file, read again when it changes; the last good one stays."""

    path: FilePath = Field(description="The file; at most 8 MiB.")
    format: Literal["json", "csv"] = Field(
        description="json: one object, key to value. csv: a first line with names, the key in the first column; the value is the text in "
        "the second one, or with more columns an object of them.",
    )
    key: Key = Field(description="The key of an entry, with {variable}.")


class Static(Section):
    """A table that stands here."""

    key: Key = Field(description="The key of an entry, with {variable}.")
    values: dict[Word, Any] = Field(min_length=1, max_length=MAX_KEYS, description="Key to value.")
    default: Any = Field(default=None, description="The value for every other key; without it the attribute is missing there.")


class Source(Section):
    """Where one attribute comes from: exactly one of http, file, static."""

    provides: Provides = Field(
        description="The attribute, for policies. Of an object, its members stand below it, and its `id` is its value."
    )
    http: Http | None = Field(default=None, description="Asked when a verdict hinges on it.")
    file: File | None = Field(default=None, description="A table in a file.")
    static: Static | None = Field(default=None, description="A table that stands here.")
    timeout: Annotated[Duration, duration_between("1ms", "10s")] = Field(
        default=written("50ms"), description="Longest wait for an answer, within server.check_deadline (http)."
    )
    cache: Annotated[Duration, duration_between("0s", "24h")] = Field(
        default=written("30s"), description="How long an answer counts, for the same values of all variables (http)."
    )
    stale_max: Annotated[Duration, duration_between("0s", "7d")] = Field(
        default=written("0s"), description="Age up to which an answer counts while the source fails; 0s: none does (http)."
    )
    when_unavailable: Literal["unavailable", "deny"] = Field(
        default="unavailable", description="A failure on which the verdict hinges: unavailable is 503, deny is 403."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("http", "file", "static"))
        return self
