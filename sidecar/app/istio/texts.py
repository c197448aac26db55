"""Istio's matching of texts: exact, ``prefix*``, ``*suffix``, ``*``; and of paths and hosts, which Envoy reads in its own way."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from .algebra import Condition, Leaf, any_of, compare, literal
from .findings import Untranslatable

PATH: Final = "request.headers.:path"
"""The path as Envoy matches it: undecoded, with its slash at the end; here with the query behind it."""
HOST: Final = "request.headers.:authority"
"""The host as Envoy matches it, with its port."""

MISSPELT: Final[Leaf] = {PATH: {"matches": "[^?#]*%(2[DEde]|3[0-9]|[46][1-9A-Fa-f]|5[0-9AFaf]|7[0-9AEae]).*"}}
"""An escaped letter, digit, - . _ or ~, which RFC 3986 section 6.2.2.2 has decoded; Envoy does so with normalize_path, as in Istio."""

_QUERY = "([?#].*)?"
_LITERAL = r"a-zA-Z0-9._~%!$&'()+,;:@=*\-"
"""What Envoy's path templates let a wildcard stand for."""
_TEMPLATE = re.compile(r"\{\*\}|\{\*\*\}")
_SEGMENT_OF_TEMPLATE = re.compile(r"\{\*\}|\{\*\*\}|[" + _LITERAL.replace("*", "") + r"]*")


def kind_of(value: str) -> tuple[str, str]:
    """Read a value: (any, prefix, suffix or exact; the text)."""
    if value == "*":
        return "any", ""
    if value.startswith("*"):
        return "suffix", value[1:]
    if value.endswith("*"):
        return "prefix", value[:-1]
    return "exact", value


def texts(attribute: str, values: Sequence[str], *, guard: bool, present: bool = False) -> Condition:
    """Match an attribute with any of ``values``. ``present``: ``*`` means that it is there, and not that it isn't empty."""
    exact = [text for kind, text in map(kind_of, values) if kind == "exact"]
    return any_of((*_exact(attribute, exact, guard=guard), *_others(attribute, values, guard=guard, present=present)))


def _exact(attribute: str, exact: list[str], *, guard: bool) -> Iterator[Condition]:
    if len(exact) == 1:
        yield compare(attribute, "equals", literal(exact[0]), guard=guard)
    elif exact:
        yield compare(attribute, "in", [literal(one) for one in dict.fromkeys(exact)], guard=guard)


def _others(attribute: str, values: Iterable[str], *, guard: bool, present: bool) -> Iterator[Condition]:
    for kind, text in map(kind_of, values):
        if kind == "any":
            yield {attribute: {"exists": True}} if present else compare(attribute, "matches", ".+", guard=guard)
        elif kind != "exact":
            yield compare(attribute, "starts_with" if kind == "prefix" else "ends_with", literal(text), guard=guard)


def hosts(values: Sequence[str]) -> Condition:
    """Match the host, without regard to case and with whatever port stands there."""
    return any_of(map(_host, values))


def _host(value: str) -> Condition:
    kind, text = kind_of(value)
    if kind == "any":
        return True
    before, after = (".*" if kind == "suffix" else ""), (".*" if kind == "prefix" else "")
    return compare(HOST, "matches", f"(?i){before}{re.escape(text)}{after}")


def paths(values: Sequence[str]) -> Condition:
    """Match the path without its query."""
    return any_of(map(_path, values))


def _path(value: str) -> Condition:
    if _TEMPLATE.search(value):
        return compare(PATH, "matches", template(value) + _QUERY)
    kind, text = kind_of(value)
    if kind == "any":
        return True
    if "?" in text or "#" in text:
        return False  # Envoy matches what stands before them
    if kind == "prefix":
        return compare(PATH, "starts_with", text)
    start = "[^?#]*" if kind == "suffix" else ""
    return compare(PATH, "matches", f"{start}{re.escape(text)}{_QUERY}")


def template(value: str) -> str:
    """Turn a path template into RE2, as Envoy does. Raises Untranslatable: Envoy would refuse it."""
    segments = value.split("/")
    whole = all(map(_SEGMENT_OF_TEMPLATE.fullmatch, segments))
    if segments[0] or not whole or "" in segments[1:-1] or segments.count("{**}") > 1 or _segment_after_rest(segments):
        raise Untranslatable(f"{value!r} is not a path template that Envoy takes")
    words = {"{*}": f"[{_LITERAL}]+", "{**}": f"[{_LITERAL}/]*"}
    return "/".join(words.get(segment, re.escape(segment)) for segment in segments)


def _segment_after_rest(segments: list[str]) -> bool:
    """Whether ``{*}`` follows ``{**}``, which has to be the last wildcard."""
    return "{**}" in segments and "{*}" in segments[segments.index("{**}") :]
