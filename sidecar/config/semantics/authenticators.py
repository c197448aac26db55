"""Issuers and key stores: their shared namespace, and combinations of an issuer's settings (security rules 3, 6, 12)."""

import os
from pathlib import Path

from sidecar.config.addresses import fault_of_url
from sidecar.config.convert.place import Place
from sidecar.config.marks import KeyPath, shown
from sidecar.config.schema.issuers import SYMMETRIC
from sidecar.model.settings import CredentialPlace, DiscoveredKeys, IssuerSettings, Settings, SharedSecretKeys, UrlKeys

ANONYMOUS = "anonymous"


def check_authenticators(settings: Settings, place: Place, *, is_directory: bool) -> None:
    """Note what is wrong with ``issuers`` and ``api_keys``."""
    for section, names in (("issuers", settings.issuers), ("api_keys", settings.api_keys)):
        if ANONYMOUS in names:
            place.wrong((section, ANONYMOUS), "the name anonymous is reserved for callers without a credential", "rename it")
    for name in settings.api_keys:
        if name in settings.issuers:
            other = place.mark.where(("issuers", name))
            place.wrong(("api_keys", name), f"an issuer has this name, too ({other.file}:{other.line})", "rename one")
    _check_unique(settings, place)
    _check_places(settings, place)
    for issuer in settings.issuers.values():
        path: KeyPath = ("issuers", issuer.name)
        _check_audience(issuer, path, place)
        _check_algorithms(issuer, path, place)
        _check_sources(issuer, path, place)
        if issuer.claims.email is None:
            place.no_effect((*path, "claims", "email_trust"), "no claim is mapped to `email`")
    for store in settings.api_keys.values():
        if is_directory and Path(os.path.normpath(store.path)).is_relative_to(place.base):
            place.wrong(
                ("api_keys", store.name, "store", "file"),
                "lies in the configuration directory, whose files are all read as configuration",
                "put key files into another directory",
            )


def _check_unique(settings: Settings, place: Place) -> None:
    names: dict[str, str] = {}
    for name, issuer in settings.issuers.items():
        first = names.setdefault(issuer.issuer, name)
        if first != name:
            place.wrong(("issuers", name, "issuer"), f"issuer {shown(first)!r} has the same `iss`", "merge the two")


def _check_places(settings: Settings, place: Place) -> None:
    """A key that comes by the same header as tokens must start with a prefix, or nobody could tell which it is."""
    taken = {_spot(one): issuer.name for issuer in settings.issuers.values() for one in issuer.credentials}
    for store in settings.api_keys.values():
        for number, one in enumerate(store.credentials):
            other = taken.get(_spot(one))
            if other is not None and one.prefix is None:
                hint = "prefix: how its keys start, such as sk_" if one.kind == "header" else "read them elsewhere"
                message = f"issuer {other!r} reads tokens from the same {one.kind}"
                place.wrong(("api_keys", store.name, "credentials", number), message, hint)


def _spot(credential: CredentialPlace) -> tuple[str, str, str]:
    return credential.kind, credential.name, (credential.scheme or "").lower()


def _check_audience(issuer: IssuerSettings, path: KeyPath, place: Place) -> None:
    if issuer.unsafe_no_audience:
        if issuer.audiences:
            place.wrong((*path, "unsafe_no_audience"), "contradicts `audiences`", "remove one")
        if not issuer.client_ids:
            place.wrong((*path, "unsafe_no_audience"), "needs client_ids", "client_ids: [the clients whose tokens count]")
    else:
        if not issuer.audiences:
            place.wrong(
                (*path, "audiences"),
                "is missing: without it tokens for any other service would count here",
                "audiences: [the `aud` of this service]",
            )
        if issuer.client_ids:
            place.wrong((*path, "client_ids"), "belongs to unsafe_no_audience", "remove it")


def _check_algorithms(issuer: IssuerSettings, path: KeyPath, place: Place) -> None:
    symmetric = [name for name in issuer.algorithms if name in SYMMETRIC]
    if isinstance(issuer.keys, SharedSecretKeys):
        if len(symmetric) != len(issuer.algorithms):
            place.wrong((*path, "algorithms"), "a shared secret is for HS256, HS384 and HS512 only", "name those, or use public keys")
    elif symmetric:
        # A public key used as an HMAC secret is known to everyone: the algorithm confusion of CVE-2022-29217.
        place.wrong(
            (*path, "algorithms"),
            f"{', '.join(symmetric)} needs keys.shared_secret: public keys cannot be used for it",
            "remove it, or give keys: {shared_secret: {file: ...}}",
        )


def _check_sources(issuer: IssuerSettings, path: KeyPath, place: Place) -> None:
    if not isinstance(issuer.keys, UrlKeys | DiscoveredKeys):
        for key in ("every", "stale_max", "ca_file"):
            place.no_effect((*path, "refresh", key), "the keys of this issuer are not fetched")
    elif issuer.refresh.stale_max < issuer.refresh.every:
        place.wrong((*path, "refresh", "stale_max"), "is shorter than refresh.every: keys would lapse between two fetches")
    if isinstance(issuer.keys, UrlKeys):
        fault = fault_of_url(issuer.keys.url, http_allowed=issuer.keys.unsafe_http)
        if fault is not None:
            place.wrong((*path, "keys", "url"), *fault)
    if isinstance(issuer.keys, DiscoveredKeys):
        fault = fault_of_url(issuer.issuer, http_allowed=issuer.keys.unsafe_http)
        if fault is not None:
            place.wrong((*path, "issuer"), f"{fault[0]}, and discovery starts there", fault[1])
