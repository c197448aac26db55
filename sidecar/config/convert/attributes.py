"""``attributes``."""

from collections.abc import Mapping
from typing import Any

from sidecar.config.marks import KeyPath, Nothing
from sidecar.config.schema import attributes as schema
from sidecar.model.principal import JsonValue
from sidecar.model.settings import AttributeSettings, FileAttribute, HttpAttribute, SecretRef, StaticAttribute

from .place import Place


def attribute_settings(sources: Mapping[str, schema.Source], place: Place) -> dict[str, AttributeSettings]:
    """Convert all sources; of two that provide the same attribute the second is noted."""
    found: dict[str, AttributeSettings] = {}
    provided: dict[str, str] = {}
    for name, model in sources.items():
        path: KeyPath = ("attributes", name)
        first = provided.setdefault(model.provides, name)
        if first != name:
            place.wrong((*path, "provides"), f"{model.provides} comes from {first!r} already", "remove one, or give it another name")
        if model.http is None:
            for key in ("timeout", "cache", "stale_max"):
                place.no_effect((*path, key), "this source is not asked over a network")
        found[name] = AttributeSettings(
            name=name,
            provides=model.provides,
            source=_source(model, path, place),
            denies=model.when_unavailable == "deny",
            where=place.mark.where(path),
        )
    return found


def _source(model: schema.Source, path: KeyPath, place: Place) -> HttpAttribute | FileAttribute | StaticAttribute:
    if model.http is not None:
        http = model.http
        headers = {name: _header(value, (*path, "http", "headers", name), place) for name, value in (http.headers or {}).items()}
        return HttpAttribute(
            url=http.url,
            headers=headers,
            ca_file=None if http.ca_file is None else place.absolute(http.ca_file),
            unsafe_http=http.unsafe_http,
            timeout=model.timeout,
            cache=model.cache,
            stale_max=model.stale_max,
        )
    if model.file is not None:
        return FileAttribute(path=place.absolute(model.file.path), format=model.file.format, key=model.file.key)
    assert model.static is not None
    static = model.static
    values = {key: _json(value) for key, value in static.values.items()}
    return StaticAttribute(key=static.key, values=values, default=_json(static.default))


def _header(model: schema.HeaderValue, path: KeyPath, place: Place) -> SecretRef | str:
    if model.text is not None:
        return model.text
    where = place.mark.where(path)
    if model.file is not None:
        return SecretRef(kind="file", value=place.absolute(model.file), where=where)
    assert model.env is not None
    return SecretRef(kind="env", value=model.env, where=where)


def _json(value: Any) -> JsonValue:
    """A value of the document as JSON; null is what is missing."""
    if isinstance(value, Nothing):
        return None
    if isinstance(value, dict):
        return {key: _json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_json(one) for one in value]
    assert value is None or isinstance(value, str | int | float | bool)
    return value
