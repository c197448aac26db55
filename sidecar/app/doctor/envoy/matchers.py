"""Envoy's StringMatcher, as far as it can say whether a header reaches the sidecar."""

import re

from .tree import Node


def admits(matchers: Node, header: str) -> bool:
    """Tell whether any pattern of a ListStringMatcher matches a lower-case header name."""
    return any(_matches(pattern, header) for pattern in matchers.get("patterns").items())


def _matches(pattern: Node, header: str) -> bool:
    ignore_case = pattern.get("ignore_case").is_true

    def wanted(kind: str) -> str | None:
        value = pattern.get(kind).value
        if not isinstance(value, str):
            return None
        return value.lower() if ignore_case else value

    exact, prefix, suffix, contains = (wanted(kind) for kind in ("exact", "prefix", "suffix", "contains"))
    if exact is not None:
        return header == exact
    if prefix is not None:
        return header.startswith(prefix)
    if suffix is not None:
        return header.endswith(suffix)
    if contains is not None:
        return contains in header
    return _fits(pattern.get("safe_regex", "regex").value, header)


def _fits(regex: object, header: str) -> bool:
    """Match the whole name, as Envoy does. RE2's syntax that Python lacks matches nothing here: the doubt is then reported."""
    try:
        return isinstance(regex, str) and len(regex) < 200 and re.fullmatch(regex, header) is not None  # noqa: PLR2004
    except re.error:
        return False
