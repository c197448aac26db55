"""The JSON Schema of the configuration, for editors; keys that are not built yet are not in it."""

from typing import Any

from pydantic import BaseModel

from .schema.base import UNBUILT
from .schema.key_file import KeyFile
from .schema.root import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """Return the schema of a configuration file."""
    return _schema(Config, "Configuration of the ext_authz sidecar")


def key_file_schema() -> dict[str, Any]:
    """Return the schema of an API key file."""
    return _schema(KeyFile, "API keys of the ext_authz sidecar")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema: dict[str, Any] = _clean(model.model_json_schema(by_alias=True))
    used = _references(schema, schema.get("$defs", {}))
    definitions = {name: value for name, value in schema.pop("$defs", {}).items() if name in used}
    return {"$schema": DIALECT, **schema, "title": title, "$defs": definitions}


def _clean(value: Any) -> Any:
    """Drop unbuilt properties, titles that repeat names, and null as a value: an absent key is simply not written."""
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if not isinstance(value, dict):
        return value
    cleaned = {key: _clean(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}
    if isinstance(cleaned.get("properties"), dict):
        cleaned["properties"] = {name: item for name, item in cleaned["properties"].items() if UNBUILT not in item}
    if "patternProperties" in cleaned:
        cleaned["additionalProperties"] = False
    if "default" in cleaned and cleaned["default"] is None:
        del cleaned["default"]
    return _without_null(cleaned)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    options = schema.get("anyOf")
    if not isinstance(options, list):
        return schema
    options = [option for option in options if option != {"type": "null"}]
    rest = {key: item for key, item in schema.items() if key != "anyOf"}
    return {**options[0], **rest} if len(options) == 1 else {**rest, "anyOf": options}


def _references(value: Any, definitions: dict[str, Any]) -> set[str]:
    """Names of the definitions that are reachable from ``value``, whose own ``$defs`` do not count."""
    found: set[str] = set()
    waiting: list[Any] = [{key: item for key, item in value.items() if key != "$defs"}]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            name = str(item.get("$ref", "")).removeprefix("#/$defs/")
            if name and name not in found:
                found.add(name)
                waiting.append(definitions[name])
            waiting += item.values()
    return found
