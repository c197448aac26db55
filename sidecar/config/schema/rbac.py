"""``roles`` and ``users``: what roles stand for, and who has them."""

from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from .base import NonEmpty, Section, bad, exactly_one
from .fields import Name, Permission, Timestamp, Word


class Role(Section):
    """A named set of permissions."""

    inherits: NonEmpty[Word] | None = Field(default=None, description="Roles whose permissions this one has, too.")
    permissions: NonEmpty[Permission] | None = Field(
        default=None,
        description="resource:action; * stands for a whole segment, or the rest at the end.",
        examples=[["posts:read", "users:*"]],
    )


class Granted(Section):
    """What one person is granted, and when."""

    roles: NonEmpty[Word] | None = Field(default=None, description="Roles that the person has.")
    permissions: NonEmpty[Permission] | None = Field(default=None, description="Single permissions that the person has.")
    not_before: Timestamp | None = Field(default=None, description="From when on (RFC 3339).")
    expires_at: Timestamp | None = Field(default=None, description="Until when (RFC 3339).")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.roles is None and self.permissions is None:
            raise bad("grants nothing", "give it roles or permissions")
        if self.not_before is not None and self.expires_at is not None and self.not_before >= self.expires_at:
            raise bad("ends before it starts", "expires_at must be later than not_before")
        return self


class Match(Section):
    """Whom a grant is for. API-key owners never match."""

    issuer: Name = Field(description="Name of the issuer that vouches for the person.")
    subject: Word | None = Field(default=None, description="The subject exactly, with claims.subject_template applied.")
    email: Word | None = Field(default=None, description="The e-mail address; it counts only when it is trusted (claims.email_trust).")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("subject", "email"))
        return self


class User(Granted):
    """One grant of the list form."""

    match: Match = Field(description="Whom it is for.")


def form_of_users(value: Any) -> str:
    """Tell the two forms of ``users`` apart."""
    return "list" if isinstance(value, list) else "map"


Users = Annotated[
    Annotated[dict[Word, Granted], Tag("map")] | Annotated[list[User], Field(min_length=1), Tag("list")],
    Discriminator(form_of_users),
]
