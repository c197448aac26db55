"""An Envoy configuration as a tree whose every value knows its file, line and key path.

Field names are looked up as protobuf's JSON mapping allows them: ``failure_mode_allow`` or ``failureModeAllow``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sidecar.config.marks import KeyPath, Mark, Nothing, shown
from sidecar.model.errors import Where

NOT_IN_USE = frozenset({"draining_state", "error_state", "drainingState", "errorState"})
"""Parts of a config_dump that serve no new requests."""
TYPED_STRUCTS = frozenset({"udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"})
YES = frozenset({"true", "yes", "on", "y"})
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")
_UNDERSCORE = re.compile(r"_([a-z0-9])")


@dataclass(frozen=True, slots=True)
class Node:
    """One value: dict, list, str, bool, int, float, or None where the configuration has nothing."""

    value: Any
    root: Mark
    path: KeyPath = ()

    @property
    def where(self) -> Where:
        """Its place; for what is missing the place of what lacks it."""
        return self.root.where(self.path)

    @property
    def there(self) -> bool:
        """Whether the configuration has it."""
        return self.value is not None

    def get(self, *names: str) -> "Node":
        """Go down by field names; missing ones lead to an empty node."""
        node = self
        for name in names:
            node = node._child(name)
        return node

    def _child(self, name: str) -> "Node":
        fields = self.value if isinstance(self.value, dict) else {}
        key = name if name in fields else _UNDERSCORE.sub(lambda match: match[1].upper(), name)
        found = fields.get(key)
        missing = found is None or isinstance(found, Nothing)
        return Node(None if missing else found, self.root, (*self.path, name if missing else key))

    def items(self) -> "Iterator[Node]":
        """The members of a list; none of anything else."""
        if isinstance(self.value, list):
            for number, value in enumerate(self.value):
                yield Node(value, self.root, (*self.path, number))

    def fields(self) -> "Iterator[tuple[str, Node]]":
        """The members of a map; none of anything else."""
        if isinstance(self.value, dict):
            for name, value in self.value.items():
                yield name, Node(None if isinstance(value, Nothing) else value, self.root, (*self.path, name))

    def walk(self) -> "Iterator[Node]":
        """Every map at or under this node that is in use, outermost first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if isinstance(node.value, dict):
                yield node
                below = [child for name, child in node.fields() if name not in NOT_IN_USE]
            else:
                below = list(node.items())
            waiting += [child for child in reversed(below) if isinstance(child.value, dict | list)]

    @property
    def type(self) -> str:
        """The full name of the protobuf message in ``@type``, also inside a TypedStruct; empty where none is named."""
        name = _message(self.get("@type").value)
        return _message(self.get("type_url").value) if name in TYPED_STRUCTS else name

    def message(self) -> "Node":
        """The fields of a typed message: itself, or the value of a TypedStruct."""
        return self.get("value") if _message(self.get("@type").value) in TYPED_STRUCTS else self

    @property
    def text(self) -> str:
        """Its text made safe to show; empty if it is none."""
        return shown(self.value) if isinstance(self.value, str) else ""

    @property
    def word(self) -> str | float | None:
        """The name or number of an enum's value; None for anything else."""
        return self.value if isinstance(self.value, str | int | float) and not isinstance(self.value, bool) else None

    @property
    def is_true(self) -> bool:
        """Whether it is set to true, in any of the words that Envoy's YAML reader takes for it."""
        return self.value is True or (isinstance(self.value, str) and self.value.lower() in YES)

    @property
    def number(self) -> float | None:
        """Its number; protobuf's JSON writes 64-bit ones as text."""
        if isinstance(self.value, str) and self.value.isascii() and self.value.isdigit():
            return float(self.value[:20])
        return self.value if isinstance(self.value, int | float) and not isinstance(self.value, bool) else None

    @property
    def seconds(self) -> float | None:
        """Its duration in seconds, None where there is none."""
        found = _DURATION.fullmatch(self.value) if isinstance(self.value, str) else None
        return float(found[1]) if found else None


def _message(type_url: Any) -> str:
    return type_url.rpartition("/")[2] if isinstance(type_url, str) else ""
