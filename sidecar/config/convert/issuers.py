"""``issuers``."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.config.marks import KeyPath, Nothing
from sidecar.config.schema import issuers as schema
from sidecar.model.settings import (
    ClaimPath,
    ClaimSettings,
    CredentialPlace,
    DiscoveredKeys,
    FileKeys,
    InlineKeys,
    IssuerSettings,
    KeySource,
    PermissionClaim,
    RefreshSettings,
    RoleClaim,
    ScopeClaim,
    SharedSecretKeys,
    UrlKeys,
)

from .place import Place

DEFAULT_ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA")
DEFAULT_SYMMETRIC = ("HS256",)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})


def issuer_settings(name: str, model: schema.Issuer, read: Mapping[str, ClaimPath], place: Place) -> IssuerSettings:
    """Convert one issuer. ``read``: claims that policies look at by themselves, by the attribute that keeps them."""
    path: KeyPath = ("issuers", name)
    default = DEFAULT_ALGORITHMS if model.keys.shared_secret is None else DEFAULT_SYMMETRIC
    refresh = model.refresh
    return IssuerSettings(
        name=name,
        issuer=model.issuer,
        audiences=frozenset(model.audiences or ()),
        unsafe_no_audience=model.unsafe_no_audience,
        client_ids=frozenset(model.client_ids or ()),
        algorithms=tuple(model.algorithms or default),
        token_types=frozenset(model.token_types),
        clock_skew=model.clock_skew,
        max_lifetime=model.max_lifetime,
        max_token_size=model.max_token_size,
        keys=_keys(model.keys, (*path, "keys"), place),
        refresh=RefreshSettings(
            every=refresh.every,
            stale_max=refresh.stale_max,
            ca_file=None if refresh.ca_file is None else place.absolute(refresh.ca_file),
            required_for_ready=refresh.required_for_ready,
        ),
        credentials=tuple(_place_of_token(one) for one in model.credentials),
        claims=claim_settings(model.claims, read),
        where=place.mark.where(path),
    )


def _place_of_token(model: schema.TokenPlace) -> CredentialPlace:
    if model.header is not None:
        return CredentialPlace(kind="header", name=model.header, scheme=model.scheme, prefix=None, forward=model.forward)
    if model.cookie is not None:
        return CredentialPlace(kind="cookie", name=model.cookie, scheme=None, prefix=None, forward=model.forward)
    assert model.query is not None
    return CredentialPlace(kind="query", name=model.query, scheme=None, prefix=None, forward=model.forward)


def _keys(model: schema.Keys, path: KeyPath, place: Place) -> KeySource:
    if model.inline is not None:
        return InlineKeys(document=_inline(model.inline, (*path, "inline"), place))
    if model.file is not None:
        return FileKeys(path=place.absolute(model.file), where=place.mark.where((*path, "file")))
    if model.url is not None:
        return UrlKeys(url=model.url, unsafe_http=model.unsafe_http, where=place.mark.where((*path, "url")))
    if model.shared_secret is not None:
        return SharedSecretKeys(secret=place.secret(model.shared_secret, (*path, "shared_secret")))
    return DiscoveredKeys(unsafe_http=model.unsafe_http, where=place.mark.where((*path, "discovery")))


def _inline(document: dict[str, Any], path: KeyPath, place: Place) -> str:
    """Check a key set written into the configuration as far as its form goes; return it as JSON text."""
    keys = document.get("keys")
    if not isinstance(keys, list) or not keys:
        place.wrong(
            (*path, "keys") if "keys" in document else path, "is not a JSON Web Key Set with at least one key", "write {keys: [...]}"
        )
        return "{}"
    for number, key in enumerate(keys):
        if not isinstance(key, dict):
            place.wrong((*path, "keys", number), "is not a key", "write the members of the JSON Web Key as a map")
        elif not _PRIVATE_MEMBERS.isdisjoint(key) or key.get("kty") == "oct":
            place.wrong(
                (*path, "keys", number), "is a private or symmetric key", "write the public key; a shared secret goes to keys.shared_secret"
            )
    for step in _not_json(document, ()):
        place.wrong((*path, *step), "has no usable value", "write text in quotes, or remove the key")
        return "{}"
    return json.dumps(document, sort_keys=True)


def _not_json(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, Nothing):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_json(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _not_json(item, (*path, number))


def claim_settings(model: schema.Claims, read: Mapping[str, ClaimPath]) -> ClaimSettings:
    """Convert ``claims``."""
    roles, scopes = model.roles, model.scopes
    return ClaimSettings(
        subject=model.subject,
        subject_template=model.subject_template,
        email=model.email,
        email_trusted_always=model.email_trust == "always",
        roles=None if roles is None else RoleClaim(paths=roles.from_, rename=dict(roles.map or {}), allow=_optional_set(roles.allow)),
        permissions=_permission_claim(model.permissions),
        scopes=None if scopes is None else ScopeClaim(paths=scopes.from_, ceiling=scopes.as_ == "ceiling"),
        attributes={**(model.attributes or {}), **read},
    )


def _permission_claim(model: schema.Permissions | None) -> PermissionClaim | None:
    if model is None:
        return None
    return PermissionClaim(paths=model.from_, allow=None if model.allow is None else tuple(model.allow))


def _optional_set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
