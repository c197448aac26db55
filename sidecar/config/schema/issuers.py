"""``issuers``: who may sign tokens, where their keys come from, and what their claims mean."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from .base import NonEmpty, OfItsType, Section, ShortForm, Unbuilt, bad, exactly_one, parsed, unbuilt, written
from .fields import (
    CLAIMS_SCHEMA,
    ClaimPath,
    ClaimPaths,
    CookieName,
    Duration,
    FilePath,
    HeaderName,
    Permission,
    QueryName,
    Size,
    Token,
    Word,
    duration_between,
    size_between,
)
from .secrets import SecretRef

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
SYMMETRIC = ("HS256", "HS384", "HS512")


def _algorithm(text: str) -> str:
    if text.lower() == "none":
        raise bad("'none' is never accepted: such a token is signed by nobody", "name the algorithms that the issuer signs with")
    if text not in ASYMMETRIC + SYMMETRIC:
        raise bad("is not a signature algorithm", f"one of {', '.join(ASYMMETRIC + SYMMETRIC)}")
    return "EdDSA" if text == "Ed25519" else text  # RFC 9864: the same signatures under two names


def _issuer_url(text: str) -> str:
    if not text or len(text) > 2048 or any(char.isspace() or not char.isprintable() for char in text):  # noqa: PLR2004
        raise bad("is empty, too long or has white space", "write the exact `iss` of the tokens")
    return text


def _token_type(text: str) -> str:
    name = text.lower().removeprefix("application/")
    if not name or not name.isascii() or not name.isprintable() or " " in name:
        raise bad("is not a token type", "write at+jwt, JWT or none")
    return name


Algorithm = Annotated[str, parsed(_algorithm), WithJsonSchema({"enum": [*ASYMMETRIC, *SYMMETRIC]})]
IssuerUrl = Annotated[str, parsed(_issuer_url)]
TokenType = Annotated[str, parsed(_token_type)]


class TokenPlace(Section):
    """Where a token is read: a header, a cookie or a query parameter."""

    header: HeaderName | None = Field(default=None, description="Header that carries the token.")
    scheme: Token | None = Field(default=None, description="First word of the header, such as Bearer; without it the whole value counts.")
    cookie: CookieName | None = Field(default=None, description="Cookie that carries the token.")
    query: QueryName | None = Field(default=None, description="Query parameter that carries the token; such URLs end up in logs.")
    forward: bool = Field(default=True, description="false: removed before the request goes to the upstream.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("header", "cookie", "query"))
        if self.scheme is not None and self.header is None:
            raise bad("scheme belongs to a header", "remove it")
        return self


class Keys(Section):
    """Where the issuer's keys come from: exactly one source."""

    discovery: Annotated[Literal[True], OfItsType()] | None = Field(
        default=None, description="true: the jwks_uri of the issuer's OpenID Connect discovery document."
    )
    url: Word | None = Field(default=None, description="URL of a JSON Web Key Set.")
    file: FilePath | None = Field(default=None, description="File with a JSON Web Key Set, read again when it changes.")
    inline: dict[str, Any] | None = Field(default=None, description="A JSON Web Key Set, written here: {keys: [...]}.")
    shared_secret: SecretRef | None = Field(
        default=None, description="One secret for HS256, HS384 or HS512. Everyone who can verify can also sign: prefer a key pair."
    )
    unsafe_http: bool = Field(default=False, description="Allows plain http: whoever sits on the way can replace the keys.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("discovery", "url", "file", "inline", "shared_secret"))
        if self.unsafe_http and self.url is None and self.discovery is None:
            raise bad("unsafe_http belongs to url and discovery", "remove it")
        return self


class Refresh(Section):
    """How fetched keys are kept up to date."""

    every: Annotated[Duration, duration_between("1s", "24h")] = Field(
        default=written("10m"), description="Longest time between two fetches (url, discovery)."
    )
    stale_max: Annotated[Duration, duration_between("1s", "30d")] = Field(
        default=written("24h"),
        description="How long the last good keys count while fetching fails; after that the issuer's tokens get 503 (url, discovery).",
    )
    ca_file: FilePath | None = Field(default=None, description="PEM file of the CAs to trust instead of the system's (url, discovery).")
    required_for_ready: bool = Field(default=False, description="true: not ready before the first successful fetch.")


class Roles(Section):
    """Roles from claims: the union of all paths, renamed by `map`, then cut to `allow`."""

    from_: ClaimPaths = Field(alias="from", description="Claim name, path as a list, or list of paths.")
    map: dict[Word, Word] | None = Field(default=None, min_length=1, description="Renames: what the token says to the role meant.")
    allow: NonEmpty[Word] | None = Field(default=None, description="Roles that this issuer may grant; without it any.")


class Permissions(Section):
    """Permissions from claims."""

    from_: ClaimPaths = Field(alias="from", description="Claim name, path as a list, or list of paths.")
    allow: NonEmpty[Permission] | None = Field(
        default=None, description="Permissions that this issuer may grant. Wildcards inside tokens count only where this covers them."
    )


class Scopes(Section):
    """Scopes from claims: space-separated text, or a list."""

    from_: ClaimPaths = Field(alias="from", description="Claim name, path as a list, or list of paths.")
    as_: Literal["labels", "ceiling"] = Field(
        default="labels", alias="as", description="labels: only for require.scope. ceiling: permissions are cut to the scopes, too."
    )


def _template(text: str) -> str:
    rest = text.replace("{subject}", "").replace("{issuer}", "")
    if "{subject}" not in text or "{" in rest or "}" in rest or not rest.isprintable():
        raise bad("is not a subject template", "use {subject}, and {issuer} for the name here: {issuer}:{subject}")
    return text


class Claims(Section):
    """What a token's claims mean. Nothing is granted that is not mapped here."""

    subject: ClaimPath = Field(default=written("sub"), description="Who the token is about.")
    subject_template: Annotated[str, parsed(_template)] | None = Field(
        default=None, description="Makes subjects of several issuers distinct: {issuer}:{subject}."
    )
    email: ClaimPath | None = Field(default=None, description="The e-mail address, for `users` and identity headers.")
    email_trust: Literal["verified", "always"] = Field(
        default="verified", description="verified: it counts for `users` only with email_verified true. Needs `email`."
    )
    roles: Annotated[Roles, ShortForm("from", CLAIMS_SCHEMA)] | None = Field(default=None, description="Roles; NAME means {from: NAME}.")
    permissions: Annotated[Permissions, ShortForm("from", CLAIMS_SCHEMA)] | None = Field(
        default=None, description="Permissions; NAME means {from: NAME}."
    )
    scopes: Annotated[Scopes, ShortForm("from", CLAIMS_SCHEMA)] | None = Field(default=None, description="Scopes; NAME means {from: NAME}.")
    attributes: dict[Word, ClaimPath] | None = Field(
        default=None, min_length=1, description="Further claims by a name of yours, for identity headers: department: department."
    )


class Issuer(Section):
    """One party that may sign tokens."""

    issuer: IssuerUrl = Field(description="The exact `iss` of its tokens.", examples=["https://idp.example.com"])
    audiences: NonEmpty[Word] | None = Field(default=None, description="A token must name at least one of these as `aud`.")
    unsafe_no_audience: bool = Field(
        default=False, description="Accepts tokens without looking at `aud`, so also those for other services; needs client_ids."
    )
    client_ids: NonEmpty[Word] | None = Field(default=None, description="With unsafe_no_audience: accepted values of azp or client_id.")
    algorithms: NonEmpty[Algorithm] | None = Field(
        default=None, description="Accepted signature algorithms; RS256, ES256, PS256 and EdDSA by default, HS256 with a shared secret."
    )
    token_types: NonEmpty[TokenType] = Field(
        default=["at+jwt", "JWT", "none"], description="Accepted values of the header `typ`; none: absent."
    )
    clock_skew: Annotated[Duration, duration_between("0s", "5m")] = Field(
        default=written("30s"), description="Tolerance for exp, nbf and iat."
    )
    max_lifetime: Annotated[Duration, duration_between("1s", "365d")] | None = Field(
        default=None, description="Longest time between iat and exp; longer-lived tokens are refused."
    )
    max_token_size: Annotated[Size, size_between("256B", "64KiB")] = Field(
        default=written("8KiB"), description="Longer tokens are refused unread."
    )
    keys: Keys = Field(description="Where its keys come from.")
    refresh: Refresh = Field(default_factory=Refresh, description="How fetched keys are kept up to date.")
    credentials: NonEmpty[TokenPlace] = Field(
        default=written([{"header": "authorization", "scheme": "Bearer"}]), description="Where its tokens are read."
    )
    claims: Claims = Field(default_factory=Claims, description="What its claims mean.")
    introspection: Unbuilt = unbuilt("Opaque tokens (RFC 7662).")
