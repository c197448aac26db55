"""docs/reference/configuration.md: every key of the configuration, from its JSON Schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sidecar.config.schema.base import UNBUILT
from sidecar.config.schema.key_file import KeyFile
from sidecar.config.schema.root import Config

INTRODUCTION = Path(__file__).with_name("reference_configuration.md")
Schema = dict[str, Any]
MARKDOWN = str.maketrans({"|": r"\|", "*": r"\*", "<": "&lt;", "\n": " "})
"""Descriptions are plain text: what Markdown would act on is escaped."""
HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"
KEY_FILE = """
## The key file

What `api_keys.NAME.store.file` names: YAML of the same strictness, outside the configuration directory. `sidecar keys` writes it; it can be
written by hand as well.

"""


class Row(NamedTuple):
    """One key: its path as operators write it, type and default in words, meaning."""

    key: str
    kind: str
    default: str
    meaning: str


def page() -> str:
    """The whole page."""
    root: Schema = Config.model_json_schema(by_alias=True)
    definitions: dict[str, Schema] = root["$defs"]
    top = root["properties"].items()
    sections = "".join(section(name, one, definitions, required=name in root["required"]) for name, one in top if UNBUILT not in one)
    missing = "".join(f"- `{key}`: {meaning}\n" for key, meaning in unbuilt(root, definitions, ""))
    return (
        INTRODUCTION.read_text(encoding="utf-8")
        + sections
        + KEY_FILE
        + key_file()
        + f"\n## Not built yet\n\nErrors for now, each by its name:\n\n{missing}"
    )


def key_file() -> str:
    """The tables of the key file."""
    root: Schema = KeyFile.model_json_schema(by_alias=True)
    lines = [table_of(name, one, root["$defs"], required=False) for name, one in root["properties"].items()]
    return HEAD + "".join(lines)


def section(name: str, schema: Schema, definitions: dict[str, Schema], *, required: bool) -> str:
    """One top-level key with all below it."""
    return f"\n## {name}\n\n{HEAD}{table_of(name, schema, definitions, required=required)}"


def table_of(name: str, schema: Schema, definitions: dict[str, Schema], *, required: bool) -> str:
    """The lines of a table."""
    rows = rows_of(name, schema, definitions, required=required)
    return "".join(f"| `{row.key}` | {row.kind} | {row.default} | {row.meaning} |\n" for row in rows)


def rows_of(key: str, schema: Schema, definitions: dict[str, Schema], *, required: bool = False) -> Iterator[Row]:
    """The row of a key, then those of the keys below it."""
    yield Row(key, kind(schema, definitions), default(schema, required=required), meaning(schema, definitions))
    yield from below(key, schema, definitions)


def below(key: str, schema: Schema, definitions: dict[str, Schema]) -> Iterator[Row]:
    """The rows of the keys inside a value."""
    for path, inner in insides(key, schema, definitions):
        needed = inner.get("required", ())
        for name, one in inner.get("properties", {}).items():
            if UNBUILT not in one:
                yield from rows_of(f"{path}.{name}", one, definitions, required=name in needed)


def insides(key: str, schema: Schema, definitions: dict[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """The maps of known keys inside a value, each with the path that leads into it; names of maps become NAME."""
    for one in options(schema, definitions):
        if "properties" in one:
            yield key, one
        for names in (one.get("additionalProperties"), *one.get("patternProperties", {}).values()):
            if isinstance(names, dict):
                yield from insides(f"{key}.NAME", names, definitions)
        if isinstance(one.get("items"), dict):
            yield from insides(f"{key}[]", one["items"], definitions)


def options(schema: Schema, definitions: dict[str, Schema]) -> list[Schema]:
    """What a value may be: references followed, unions unfolded, null (absent) left out."""
    if "$ref" in schema:
        return options(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return [found for one in schema[union] for found in options(one, definitions)]
    return [] if schema.get("type") == "null" else [schema]


def kind(schema: Schema, definitions: dict[str, Schema]) -> str:
    """The type in words."""
    return " or ".join(dict.fromkeys(word(one, definitions) for one in options(schema, definitions)))


def word(schema: Schema, definitions: dict[str, Schema]) -> str:
    """One possible type in words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {kind(items, definitions)}" if isinstance(items, dict) and items else "list"
    if "KiB" in schema.get("pattern", ""):
        return "size"
    if "ms" in schema.get("pattern", ""):
        return "duration"
    if "properties" not in schema and any(isinstance(schema.get(names), dict) for names in ("additionalProperties", "patternProperties")):
        return "map of names"
    words = {"object": "map", "string": "text", "integer": "number", "number": "number", "boolean": "true or false"}
    return words.get(schema.get("type", ""), "any")


def default(schema: Schema, *, required: bool) -> str:
    """The default as operators would write it."""
    if required:
        return "required"
    value = schema.get("default")
    return "" if value is None or value == {} else f"`{json.dumps(value, ensure_ascii=False)}`".replace('`"', "`").replace('"`', "`")


def meaning(schema: Schema, definitions: dict[str, Schema]) -> str:
    """The description; a section without one has that of its type."""
    texts = [schema.get("description", "")] + [one.get("description", "") for one in options(schema, definitions)]
    return next((text for text in texts if text), "").translate(MARKDOWN)


def unbuilt(schema: Schema, definitions: dict[str, Schema], path: str) -> Iterator[tuple[str, str]]:
    """Every key that is not built yet, with what it will be for."""
    for inside, inner in insides(path, schema, definitions):
        for name, one in inner["properties"].items():
            key = f"{inside}.{name}".lstrip(".")
            if UNBUILT in one:
                yield key, one["description"]
            else:
                yield from unbuilt(one, definitions, key)
