"""What goes to the upstream and into Envoy's access log: ``identity_headers``, ``dynamic_metadata``."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .base import Section, bad, parsed

SOURCES = ("subject", "email", "roles", "permissions", "scopes", "issuer", "authenticator", "key_id")
DYNAMIC_METADATA = ("decision_id", "route", "reason", "rule", "subject", "revision", "shadow")
MAX_JOIN = 4
USUAL_IDENTITY_HEADERS: Any = {
    "x-user-id": "subject",
    "x-user-email": "email",
    "x-user-roles": "roles",
    "x-user-permissions": "permissions",
}
"""The default: with no identity header at all, a client's own ``X-User-ID`` would reach the upstream."""


def _source(text: str) -> str:
    head, _, name = text.partition(".")
    if text in SOURCES or (head in {"attributes", "metadata"} and name):
        return text
    raise bad("is not a source of identity", f"one of {', '.join(SOURCES)}, attributes.NAME, metadata.NAME")


def _join(text: str) -> str:
    if not text or len(text) > MAX_JOIN or not text.isascii() or not text.isprintable():
        raise bad("cannot join values", "one to four printable ASCII characters, such as a comma")
    return text


def _metadata(text: str) -> str:
    if text not in DYNAMIC_METADATA:
        raise bad("is not a field of dynamic metadata", f"one of {', '.join(DYNAMIC_METADATA)}")
    return text


MetadataName = Annotated[str, parsed(_metadata)]


class IdentityHeader(Section):
    """One header to the upstream; NAME means {from: NAME}. Set or removed on every allowed request."""

    from_: Annotated[str, parsed(_source)] = Field(
        alias="from",
        description="subject, email, roles, permissions, scopes, issuer, authenticator, key_id, attributes.NAME or metadata.NAME.",
    )
    join: Annotated[str, parsed(_join)] = Field(default=",", description="Stands between the members of a list.")
    expand: bool = Field(default=False, description="permissions only: list the concrete ones that the configuration names.")
    encode: Literal["none", "percent"] = Field(
        default="none", description="percent: percent-encode what is not safe in a header, instead of denying (unsafe_identity)."
    )

    @model_validator(mode="after")
    def _expands_permissions(self) -> Self:
        if self.expand and self.from_ != "permissions":
            raise bad("expand belongs to permissions", "remove it")
        return self
