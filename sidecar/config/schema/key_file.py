"""The API key file. Its digests are no secrets, but a key put there by mistake is: no message repeats a value."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from sidecar.config.marks import Nothing
from sidecar.model.key_entry import Digest, parse_digest

from .base import OfItsType, Section, Unbuilt, bad, parsed, unbuilt
from .fields import Cidr, Name, Permission, Timestamp, Word

MAX_METADATA = 64
MAX_TEXT = 4096
DIGEST_PATTERN = "^(sha256|hmac-sha256:[A-Za-z0-9._-]{1,64}):[0-9a-f]{64}$"


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except ValueError as error:
        raise bad(str(error), "`sidecar keys hash` makes digests") from None


def _metadata(value: Any) -> Any:
    if isinstance(value, Nothing) or not isinstance(value, dict):
        return value
    if len(value) > MAX_METADATA:
        raise bad(f"has more than {MAX_METADATA} entries")
    for item in value.values():
        fits = isinstance(item, str | bool | int | float) or (isinstance(item, list) and all(isinstance(one, str) for one in item))
        if not fits or (isinstance(item, str) and len(item) > MAX_TEXT):
            raise bad("holds text, numbers, true or false, and lists of text only", "write a map such as {plan: gold}")
    return value


class Key(Section):
    """One API key. An empty list is the same as none."""

    id: Word = Field(description="Name of the key, for records and `keys revoke`.")
    digest: Annotated[Digest, parsed(_digest), WithJsonSchema({"type": "string", "pattern": DIGEST_PATTERN})] = Field(
        description="hmac-sha256:PEPPER-ID:HEX, or sha256:HEX for a key of high entropy."
    )
    owner: Word | None = Field(default=None, description="Who holds it: the subject of its requests; the id by default.")
    roles: list[Word] = Field(default=[], description="Roles of the owner.")
    permissions: list[Permission] = Field(default=[], description="Single permissions.")
    scopes: list[Word] = Field(default=[], description="Scopes, for require.scope.")
    routes: list[Name] = Field(default=[], description="Routes where the key counts; any by default.")
    cidrs: list[Cidr] = Field(default=[], description="Networks from which the key counts; any by default.")
    not_before: Timestamp | None = Field(default=None, description="From when on (RFC 3339).")
    expires_at: Timestamp | None = Field(default=None, description="Until when (RFC 3339).")
    revoked: bool = Field(default=False, description="true: refused.")
    rate_limit: Unbuilt = unbuilt("Limit of this key.")
    metadata: Annotated[dict[Word, Any], BeforeValidator(_metadata)] = Field(
        default={}, description="Anything about the owner, for identity headers: {plan: gold}."
    )


class KeyFile(Section):
    """A file of API keys."""

    version: Annotated[Literal[1], OfItsType()] | None = Field(default=None, description="Version of this format; may be left out.")
    keys: list[Key] = Field(default=[], description="The keys.")
