"""Roles with inheritance, expanded when first needed and kept: bounded by the configuration."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sidecar.model.settings import RoleSettings


class Expanded(NamedTuple):
    """A role over inheritance: every role it stands for, and all their permissions."""

    closure: frozenset[str]
    permissions: tuple[str, ...]


class Roles:
    """The roles of a configuration. Names that are not in it stay as roles without permissions."""

    __slots__ = ("_expanded", "_settings")

    def __init__(self, settings: Mapping[str, RoleSettings]) -> None:
        """Take roles whose ``inherits`` exist and make no cycle (checked when the configuration is read)."""
        self._settings = settings
        self._expanded: dict[str, Expanded] = {}

    def expand(self, name: str) -> Expanded:
        """Return the role's closure and permissions; cycles, if any came here, end."""
        if name not in self._settings:
            return Expanded(frozenset({name}), ())
        known = self._expanded.get(name)
        if known is None:
            known = self._expanded[name] = self._walk(name)
        return known

    def expand_all(self, names: Iterable[str]) -> Expanded:
        """Union over several roles."""
        closure: set[str] = set()
        permissions: dict[str, None] = {}
        for name in names:
            one = self.expand(name)
            closure |= one.closure
            permissions.update(dict.fromkeys(one.permissions))
        return Expanded(frozenset(closure), tuple(permissions))

    def _walk(self, name: str) -> Expanded:
        seen: dict[str, None] = {}
        permissions: dict[str, None] = {}
        waiting = [name]
        while waiting:
            role = waiting.pop()
            if role in seen:
                continue
            seen[role] = None
            if (settings := self._settings.get(role)) is not None:
                permissions.update(dict.fromkeys(settings.permissions))
                waiting.extend(settings.inherits)
        return Expanded(frozenset(seen), tuple(permissions))
