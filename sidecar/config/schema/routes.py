"""``routes``: which requests there are, who may make them."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from sidecar.engine.canonical import canonical_host

from .base import NonEmpty, OfItsType, Section, Unbuilt, bad, parsed, unbuilt
from .fields import Method, Name, Permission, Word

MAX_RESOURCE_KEY = 63
_VARIABLE = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def _host(text: str) -> str:
    if text == "*":
        raise bad("'*' is not a host", "leave `hosts` out to mean any host")
    suffix = text.removeprefix("*.")
    if "*" in suffix or (":" in suffix and not suffix.startswith("[")):
        raise bad("is not a host", "write api.example.com or *.example.com, without a port")
    name = canonical_host(suffix)
    if name is None or (suffix != text and name.replace(".", "").isdigit()):
        raise bad("is not a host", "write api.example.com or *.example.com")
    return name if suffix == text else f"*.{name}"


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise bad("is not a path", "start it with /")
    if "?" in text:
        raise bad("has a query, which routes do not match on", "leave out ? and what follows")
    return text


Host = Annotated[str, parsed(_host), WithJsonSchema({"type": "string", "examples": ["api.example.com", "*.example.com"]})]
PathPattern = Annotated[str, parsed(_path), WithJsonSchema({"type": "string", "pattern": "^/", "examples": ["/posts/{post_id}"]})]
Permissions = NonEmpty[Permission]


def _resource_key(text: str) -> str:
    if not text.isidentifier() or not text.isascii() or len(text) > MAX_RESOURCE_KEY:
        raise bad("is not a usable attribute name", "letters, digits and _, as in resource.owner_id")
    return text


def _resource_text(text: str) -> str:
    rest = _VARIABLE.sub("", text)
    if not text or "{" in rest or "}" in rest:
        raise bad("is empty, or has a brace that is no {name}", "write text, {name} of a path variable, or both")
    return text


ResourceKey = Annotated[str, parsed(_resource_key)]
ResourceText = Annotated[str, parsed(_resource_text)]


class RouteMatch(Section):
    """Narrows a route beyond host, path and method."""

    context: dict[Word, str] = Field(min_length=1, description="Envoy's context_extensions that must be present with these values.")


class Require(Section):
    """What the caller must have; every part must hold. Reasons follow the order written."""

    authenticated: Annotated[Literal[True], OfItsType()] | None = Field(
        default=None, description="true: any caller with a valid credential."
    )
    permission: Permission | None = Field(default=None, description="This permission.")
    all_permissions: Permissions | None = Field(default=None, description="Every one of these permissions.")
    any_permission: Permissions | None = Field(default=None, description="At least one of these permissions.")
    role: Word | None = Field(default=None, description="This role, itself or through `inherits`.")
    all_roles: NonEmpty[Word] | None = Field(default=None, description="Every one of these roles.")
    any_role: NonEmpty[Word] | None = Field(default=None, description="At least one of these roles.")
    scope: Word | None = Field(default=None, description="This scope.")
    all_scopes: NonEmpty[Word] | None = Field(default=None, description="Every one of these scopes.")
    any_scope: NonEmpty[Word] | None = Field(default=None, description="At least one of these scopes.")
    audiences: NonEmpty[Word] | None = Field(default=None, description="The token's audience must be one of these.")
    policies: NonEmpty[Name] | None = Field(default=None, description="Every one of these attribute policies holds.")
    any_policy: NonEmpty[Name] | None = Field(default=None, description="At least one of these attribute policies holds.")
    acr: Unbuilt = unbuilt("Authentication context class.")
    any_amr: Unbuilt = unbuilt("Authentication methods.")
    max_age: Unbuilt = unbuilt("Longest time since the person signed in.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise bad("demands nothing", "name a permission, role or scope, or write {authenticated: true}")
        return self


class Route(Section):
    """Requests that are treated alike. Chosen by specificity, never by order."""

    hosts: NonEmpty[Host] | None = Field(default=None, description="Exact names, or *.suffix (one or more labels); default: any.")
    methods: NonEmpty[Method] | None = Field(default=None, description="HTTP methods; default: any. HEAD follows GET.", examples=[["GET"]])
    paths: NonEmpty[PathPattern] = Field(description="{name}: one segment; {name=**} at the end: zero or more segments.")
    match: RouteMatch | None = Field(default=None, description="Narrows the route by Envoy's context extensions.")
    allow: NonEmpty[Literal["dots", "encoded_slash", "semicolon"]] | None = Field(
        default=None, description="Admits path features that are otherwise refused, since upstreams read them differently."
    )
    authenticate: NonEmpty[Name] = Field(
        description="Issuers and key stores of which any may vouch for the caller; `anonymous`, last, lets in who shows no credential."
    )
    credential_conflict: Literal["deny", "first"] = Field(
        default="deny", description="Two kinds of credential at once: deny (400), or first: the first of `authenticate` counts."
    )
    require: Require | None = Field(
        default=None, description="What the caller must have. May be missing only where `authenticate` contains anonymous."
    )
    cors_preflight: Literal["deny", "allow"] = Field(
        default="deny", description="allow: OPTIONS with Origin and Access-Control-Request-Method passes unauthenticated."
    )
    deny: NonEmpty[Name] | None = Field(default=None, description="Deny policies: any that holds, denies; besides those of `defaults`.")
    resource: dict[ResourceKey, ResourceText] | None = Field(
        default=None,
        min_length=1,
        description="What the request is about: resource.NAME for policies; {name} stands for a path variable.",
        examples=[{"type": "post", "id": "{post_id}"}],
    )
    rate_limits: Unbuilt = unbuilt("Limits of this route.")
    identity_audience: Unbuilt = unbuilt("Audience of the identity token.")
    outbound: Unbuilt = unbuilt("Credential for the upstream.")
    all_of: Unbuilt = unbuilt("Credentials that must all be shown.")
    unsafe_shadow_allows: bool = Field(
        default=False, description="true: what this route denies is recorded, and let through; malformed requests are refused all the same."
    )
    unsafe_fail_open: Unbuilt = unbuilt("Lets requests through while the revocation store is down.")
