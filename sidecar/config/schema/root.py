"""The whole configuration, and which of its sections merge over the files of a directory."""

from typing import Annotated, Literal

from pydantic import Field

from .answers import USUAL_IDENTITY_HEADERS, IdentityHeader, MetadataName
from .api_keys import KeyStore
from .attributes import Source
from .base import NonEmpty, OfItsType, Section, ShortForm, Unbuilt, unbuilt
from .fields import IdentityHeaderName, Name, StripHeader, Word
from .issuers import Issuer
from .policies import Defaults, Environment, Policy
from .rbac import Role, Users
from .routes import Route
from .server import Admin, Server, Telemetry

MERGED = frozenset(
    {
        "issuers", "api_keys", "roles", "users", "routes", "policies", "attributes", "stores", "rate_limits",
        "certificates", "outbound", "logins", "secrets",
    }
)  # fmt: skip
"""Maps of names: several files of a directory may each hold a part. Other sections stand in one file."""


class Config(Section):
    """Configuration of the ext_authz sidecar."""

    version: Annotated[Literal[1], OfItsType()] = Field(description="Version of this format; in every file.")
    server: Server = Field(default_factory=Server, description="The listener that Envoy asks.")
    telemetry: Telemetry = Field(default_factory=Telemetry, description="/livez, /readyz and /metrics.")
    admin: Admin = Field(default_factory=Admin, description="/status, for operators.")
    issuers: dict[Name, Issuer] = Field(default={}, description="Who may sign tokens, by a name of yours.")
    api_keys: dict[Name, KeyStore] = Field(default={}, description="Stores of API keys, by a name of yours.")
    roles: dict[Word, Role] = Field(default={}, description="What roles stand for.")
    users: Users | None = Field(
        default=None,
        description="Roles by person. With one issuer a map of subject or e-mail address to roles; otherwise a list of {match, roles}.",
    )
    routes: dict[Name, Route] = Field(default={}, description="Which requests there are, and who may make them; all others are denied.")
    policies: dict[Name, Policy] = Field(default={}, description="Attribute rules, by name; they count where a route attaches them.")
    attributes: dict[Name, Source] = Field(default={}, description="Sources of what the request does not carry, by a name of yours.")
    defaults: Defaults = Field(default_factory=Defaults, description="Restrictions added to every route.")
    environment: Environment = Field(default_factory=Environment, description="The surroundings that rules look at.")
    identity_headers: dict[IdentityHeaderName, Annotated[IdentityHeader, ShortForm("from", {"type": "string"})]] = Field(
        default=USUAL_IDENTITY_HEADERS,
        description="Headers that tell the upstream who asks; a client's own copies never reach it. Without this key: x-user-id, "
        "x-user-email, x-user-roles and x-user-permissions; {} for none.",
    )
    strip_headers: NonEmpty[StripHeader] | None = Field(
        default=None, description="Headers removed from every request besides identity headers; a * at the end makes it a prefix."
    )
    dynamic_metadata: NonEmpty[MetadataName] = Field(
        default=["decision_id", "route", "reason"],
        description="For Envoy's access log: decision_id, route, reason, rule, subject, revision, shadow.",
    )
    acknowledge: NonEmpty[Word] | None = Field(
        default=None, description="Dangerous changes that are meant, by the name that the refusal gives; remove them afterwards."
    )
    stores: Unbuilt = unbuilt("Shared stores.")
    rate_limits: Unbuilt = unbuilt("Limits by name.")
    certificates: Unbuilt = unbuilt("Client certificates.")
    revocation: Unbuilt = unbuilt("Revocation stores.")
    audit: Unbuilt = unbuilt("Audit sinks.")
    identity_token: Unbuilt = unbuilt("A signed token for the upstream.")
    outbound: Unbuilt = unbuilt("Credentials for upstreams.")
    logins: Unbuilt = unbuilt("Sign-in with OpenID Connect.")
    secrets: Unbuilt = unbuilt("Secrets of a provider.")
    unsafe_shadow_allows: bool = Field(
        default=False,
        description="true: whatever is denied is recorded, and let through; malformed requests are refused all the same. For a trial "
        "behind another authorizer only.",
    )
