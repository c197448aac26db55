"""``api_keys``."""

from sidecar.config.marks import KeyPath
from sidecar.config.schema.api_keys import KeyPlace, KeyStore
from sidecar.model.settings import CredentialPlace, KeyStoreSettings

from .place import Place


def key_store_settings(name: str, model: KeyStore, place: Place) -> KeyStoreSettings:
    """Convert one key store."""
    path: KeyPath = ("api_keys", name)
    assert model.store.file is not None
    return KeyStoreSettings(
        name=name,
        path=place.absolute(model.store.file),
        credentials=tuple(_place_of_key(one) for one in model.credentials),
        peppers={pepper: place.secret(ref, (*path, "peppers", pepper)) for pepper, ref in (model.peppers or {}).items()},
        invalid_status=model.invalid_status,
        where=place.mark.where(path),
    )


def _place_of_key(model: KeyPlace) -> CredentialPlace:
    if model.header is not None:
        return CredentialPlace(kind="header", name=model.header, scheme=model.scheme, prefix=model.prefix, forward=model.forward)
    if model.cookie is not None:
        return CredentialPlace(kind="cookie", name=model.cookie, scheme=None, prefix=None, forward=model.forward)
    assert model.query is not None
    return CredentialPlace(kind="query", name=model.query, scheme=None, prefix=None, forward=model.forward)
