"""All sections."""

from typing import Any

from sidecar.authz.attributes import claims_read
from sidecar.config.schema.answers import IdentityHeader as HeaderModel
from sidecar.config.schema.root import Config
from sidecar.model.settings import IdentityHeader, Settings

from .api_keys import key_store_settings
from .attributes import attribute_settings
from .issuers import issuer_settings
from .place import Place
from .policies import policies_settings
from .rbac import role_settings, user_grants
from .routes import route_settings
from .server import listener_settings, server_settings


def to_settings(model: Config, raw: dict[str, Any], place: Place) -> Settings:
    """Convert a configuration that fits the schema; ``raw`` is the document it was made from."""
    telemetry, admin = listener_settings(model)
    routes = raw.get("routes", {})
    default_deny = tuple(model.defaults.deny or ())
    policies = policies_settings(model, place)
    claims = claims_read(name for policy in policies.values() for name in policy.attributes)
    return Settings(
        server=server_settings(model.server, place),
        telemetry=telemetry,
        admin=admin,
        issuers={name: issuer_settings(name, one, claims, place) for name, one in model.issuers.items()},
        api_keys={name: key_store_settings(name, one, place) for name, one in model.api_keys.items()},
        roles={name: role_settings(name, one) for name, one in model.roles.items()},
        users=user_grants(model, place),
        routes={
            name: route_settings(name, one, routes[name].get("require", ()), default_deny, place) for name, one in model.routes.items()
        },
        policies=policies,
        attributes=attribute_settings(model.attributes, place),
        default_deny=default_deny,
        unsafe_shadow_allows=model.unsafe_shadow_allows,
        timezone=model.environment.timezone,
        identity_headers=tuple(_identity_header(name, one) for name, one in model.identity_headers.items()),
        strip_headers=tuple(model.strip_headers or ()),
        dynamic_metadata=tuple(model.dynamic_metadata),
        acknowledge=frozenset(model.acknowledge or ()),
    )


def _identity_header(name: str, model: HeaderModel) -> IdentityHeader:
    return IdentityHeader(name=name, source=model.from_, join=model.join, expand=model.expand, percent_encode=model.encode == "percent")
