"""Changes to an API key file as text, so that comments, order and spelling of everything else stay as they are.

Positions come from YAML's own composer; every result is parsed again, and what is not exactly the old content
with the one change is refused: an edit can fail, it cannot silently change another key.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sidecar.model.errors import SidecarError


class EditError(SidecarError):
    """The file cannot be edited as text; the message says what stands in the way."""


class NoSuchKey(SidecarError):
    """No entry of the file has that id."""


def append_entry(text: str, fields: Mapping[str, object]) -> str:
    """Return the file's text with one more entry at the end of ``keys``.

    ``fields`` hold strings, numbers, booleans and lists or maps of them; they are written as one flow mapping.
    Raises EditError.
    """
    item = flow(fields)
    root = _compose(text)
    keys = _value(root, "keys") if root is not None else None
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise EditError("the file is not a map with `keys:`")
    if root is None or keys is None:
        edited = _closed_with_newline(text) + f"keys:\n- {item}\n"
    elif not isinstance(keys, yaml.SequenceNode):
        edited = _fill_null(text, keys, item)
    elif keys.flow_style:
        edited = _append_flow(text, keys, item, in_block=not root.flow_style)
    else:
        edited = _append_block(text, keys, item)
    _verify(_entries(text), _entries(edited), len(_entries(text)), dict(fields))
    return edited


def set_revoked(text: str, key_id: str) -> str:
    """Return the file's text with ``revoked: true`` in the entry ``key_id``. Raises NoSuchKey, EditError."""
    before = _entries(text)
    index = next((number for number, entry in enumerate(before) if str(entry.get("id")) == key_id), None)
    if index is None:
        raise NoSuchKey(f"no key has the id {key_id!r}")
    root = _compose(text)
    assert root is not None
    node = _value(root, "keys").value[index]
    edited = _set_true(text, node, "revoked")
    _verify(before, _entries(edited), index, {**before[index], "revoked": True})
    return edited


def flow(value: object) -> str:
    """Write a value as one line of YAML: JSON strings (valid YAML 1.2) except for words that need no quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if value.isascii() and value.isidentifier() and value.lower() not in _WORDS else _quoted(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    """A double-quoted scalar in ASCII. JSON's own surrogate pairs would be two characters in YAML."""
    return "".join(
        char if " " <= char <= "~" else f"\\u{ord(char):04x}" if ord(char) < _BEYOND_BMP else f"\\U{ord(char):08x}"
        for char in json.dumps(text, ensure_ascii=False)
    )


_BEYOND_BMP = 0x10000
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def _compose(text: str) -> yaml.Node | None:
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise _not_yaml(error) from None
    return node if isinstance(node, yaml.Node) else None


def _not_yaml(error: yaml.YAMLError) -> EditError:
    """Name the line and leave out PyYAML's own words: they quote the file, where a key may stand by mistake."""
    mark = getattr(error, "problem_mark", None)
    return EditError(f"the file is not valid YAML, in line {mark.line + 1}" if mark is not None else "the file is not valid YAML")


def _value(root: yaml.Node, name: str) -> Any:
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if getattr(key, "value", None) == name:
                return value
    return None


def _entries(text: str) -> list[dict[str, Any]]:
    # BaseLoader: every scalar as its text, so that nothing is re-interpreted by the comparison.
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - BaseLoader makes strings only
    except yaml.YAMLError as error:
        raise _not_yaml(error) from None
    entries = (document or {}).get("keys") or [] if isinstance(document or {}, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise EditError("`keys` is not a list of maps")
    return entries


def _verify(before: list[dict[str, Any]], after: list[dict[str, Any]], index: int, entry: Mapping[str, object]) -> None:
    expected = [*before]
    expected[index : index + 1] = [_as_text(entry)]
    if after != expected:
        raise EditError("the file is written in a way that cannot be edited as text; change it by hand")


def _as_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [_as_text(item) for item in value]
    return json.dumps(value)


def _closed_with_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _fill_null(text: str, node: yaml.Node, item: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.value not in {"", "null", "~"}:
        raise EditError("`keys` is not a list")
    end = _end_of_line(text, node.end_mark.index)
    head = text[: node.start_mark.index].rstrip(" ") + text[node.end_mark.index : end]
    return _closed_with_newline(head) + f"- {item}\n" + text[end:]


def _append_flow(text: str, node: yaml.SequenceNode, item: str, *, in_block: bool) -> str:
    close = node.end_mark.index - 1
    if not node.value and in_block:
        return text[: node.start_mark.index].rstrip(" ") + f"\n- {item}" + text[close + 1 :]
    if not node.value:
        return text[: node.start_mark.index] + f"[{item}]" + text[close + 1 :]
    last = node.value[-1].end_mark.index
    return text[:last] + f", {item}" + text[last:]


def _append_block(text: str, node: yaml.SequenceNode, item: str) -> str:
    last = _last_leaf(node).end_mark
    at = last.index if last.column == 0 else _end_of_line(text, last.index)
    return _closed_with_newline(text[:at]) + " " * node.start_mark.column + f"- {item}\n" + text[at:]


def _last_leaf(node: Any) -> yaml.Node:
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    assert isinstance(node, yaml.Node)
    return node


def _end_of_line(text: str, index: int) -> int:
    """The index behind the line break that follows ``index``."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _set_true(text: str, node: yaml.MappingNode, name: str) -> str:
    value = _value(node, name)
    if isinstance(value, yaml.Node):
        padding = "" if value.start_mark.index < value.end_mark.index else " "
        return text[: value.start_mark.index] + padding + "true" + text[value.end_mark.index :]
    if node.flow_style:
        last = node.value[-1][1].end_mark.index
        return text[:last] + f", {name}: true" + text[last:]
    key: yaml.Mark = node.value[1 if len(node.value) > 1 else 0][0].start_mark
    return text[: key.index] + f"{name}: true\n" + " " * key.column + text[key.index :]
