"""Permissions: ``:`` separates; ``*`` is a whole segment, or the rest at the end, never part of one."""

from collections.abc import Iterable
from typing import NamedTuple

REST = "*"


class PermissionSet(NamedTuple):
    """Permissions compiled for lookups whose cost does not depend on how many there are."""

    names: tuple[str, ...]
    """As given, in order, without repeats."""
    exact: frozenset[str]
    heads: frozenset[str]
    """Those that end in ``*``, without it: ``posts:*`` → ``posts:``; ``*`` → an empty head."""
    patterns: tuple[tuple[str, ...], ...]
    """The few with ``*`` in the middle, split at ``:``."""

    def grants(self, required: str) -> bool:
        """Tell whether ``required`` is granted; for a ``required`` with wildcards, whether it is covered whole."""
        if required in self.exact:
            return True
        if self.heads:
            if "" in self.heads:
                return True
            end = required.find(":")
            while end >= 0:
                if required[: end + 1] in self.heads:
                    return True
                end = required.find(":", end + 1)
        return bool(self.patterns) and self._matches(required.split(":"))

    def _matches(self, wanted: list[str]) -> bool:
        for pattern in self.patterns:
            rest = pattern[-1] == REST
            if len(wanted) < len(pattern) or (len(wanted) > len(pattern) and not rest):
                continue
            if all(part in {REST, have} for part, have in zip(pattern, wanted, strict=False)):
                return True
        return False


def compile_permissions(names: Iterable[str]) -> PermissionSet:
    """Compile permission names; those that are not well formed (see ``fault_of_permission``) must not come here."""
    unique = tuple(dict.fromkeys(names))
    exact, heads, patterns = set(), set(), []
    for name in unique:
        segments = tuple(name.split(":"))
        if REST in segments[:-1]:
            patterns.append(segments)
        elif segments[-1] == REST:
            heads.add(name[:-1])
        exact.add(name)
    return PermissionSet(unique, frozenset(exact), frozenset(heads), tuple(patterns))


def intersect(granted: PermissionSet, ceiling: PermissionSet) -> PermissionSet:
    """Cut ``granted`` to what ``ceiling`` covers: whatever one side holds and the other covers whole."""
    return compile_permissions(
        [
            *(name for name in granted.names if ceiling.grants(name)),
            *(name for name in ceiling.names if granted.grants(name)),
        ]
    )


def fault_of_permission(name: str) -> str:
    """Say what is wrong with a permission name in a configuration, or return an empty string."""
    segments = name.split(":")
    if not all(segments):
        return "has an empty segment"
    if any(REST in segment and segment != REST for segment in segments):
        return "has * inside a segment: * stands for a whole segment"
    if any(char.isspace() or char == "," or not char.isprintable() for char in name):
        return "has white space, a comma or a control character"
    return ""
