"""Requests that values of a policy do not suggest: every character in a path, headers given twice, claims of other types."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .pairs import Pair, document, elements_of, parts, rbac
from .requests import AUDIENCE, ISSUER, Request

CHARACTERS = [chr(code) for code in range(0x21, 0x7F) if chr(code) != "#"]
CLAIMS: list[Any] = [
    "nested",
    ["nested"],
    [],
    "",
    ["", "nested"],
    ["nested", 5],
    [5],
    5,
    True,
    None,
    {"a": "nested"},
    [["nested"]],
    "nested other",
]
SCOPES: list[Any] = [
    "read",
    "read write",
    "write read",
    ["read"],
    ["read write"],
    ["read", 5],
    "reads",
    "",
    [],
    5,
    "write",
    " read ",
    {"read": 1},
]


def odd_pairs() -> Iterator[Pair]:
    """Pairs of the goldens that are asked in other ways, and some whose value or name is exchanged on both sides."""
    for action in ("ALLOW", "DENY"):
        for template in ("/path/template/{*}", "/{**}/path/template"):
            element = _element("paths", template)
            rule = {"to": [{"operation": {"paths": [template]}}]}
            yield _pair(f"odd-template {template}:{action}", rule, element, action, permits=True)
        for turned in (False, True):
            for name in ("x-header", "host"):
                element = copy.deepcopy(_element("request.headers[X-header]", "header"))
                element["header"]["name"] = name
                rule = {"when": [{"key": f"request.headers[{name}]", "notValues" if turned else "values": ["header"]}]}
                yield _pair(f"odd-header {name} {turned}:{action}", rule, {"notId": element} if turned else element, action)
            for claim, value in (("nested", "nested"), ("scope", "read")):
                element = copy.deepcopy(_element("request.auth.claims[iss]", "iss"))
                element["metadata"]["path"][1]["key"] = claim
                _put_exact(element, value)
                rule = {"when": [{"key": f"request.auth.claims[{claim}]", "notValues" if turned else "values": [value]}]}
                yield _pair(f"odd-claim {claim} {turned}:{action}", rule, {"notId": element} if turned else element, action)


def _pair(name: str, rule: dict[str, Any], element: dict[str, Any], action: str, *, permits: bool = False) -> Pair:
    policy = {
        "permissions": [{"andRules": {"rules": [element if permits else {"any": True}]}}],
        "principals": [{"andIds": {"ids": [{"any": True} if permits else element]}}],
    }
    return Pair(name, (document(rule, action),), (rbac(policy, action),), "odd")


def _element(key: str, value: str) -> dict[str, Any]:
    """What Istio makes of one value in a golden."""
    part = next(one for one in parts() if one.key == key and not one.negative and value in one.values)
    return elements_of(part)[part.values.index(value)]


def _put_exact(element: dict[str, Any], value: str) -> None:
    matchers = element["metadata"]["value"]["orMatch"]["valueMatchers"]
    matchers[0]["listMatch"]["oneOf"]["stringMatch"]["exact"] = value
    matchers[1]["stringMatch"]["exact"] = value


def odd_requests(pair: Pair) -> list[Request]:
    """The requests for an odd pair."""
    kind = pair.name.partition(" ")[0]
    if kind == "odd-template":
        paths = [path for char in CHARACTERS for path in (f"/path/template/a{char}b", f"/a{char}b/path/template")]
        paths += ["/path/template/", "/path/template", "/path/template/a/", "/path/template/%", "/path/template/%61", "/path/template/a?b"]
        return [Request(path=path) for path in paths]
    if kind == "odd-header":
        name = pair.name.split(" ")[1]
        if name == "host":
            return [Request(host=host) for host in ("header", "HEADER", "header:80", "other")]
        values = ["header", "Header", "header,header", ""]
        twice = [Request(headers=((name, one), (name, other))) for one in ("header", "x") for other in ("header", "x")]
        return [Request(), *(Request(headers=((name, value),)) for value in values), *twice]
    claim, values = ("scope", SCOPES) if " scope " in pair.name else ("nested", CLAIMS)
    base = {"iss": ISSUER, "sub": "ann", "aud": AUDIENCE}
    return [Request(), Request(claims=base), *(replace(Request(), claims={**base, claim: value}) for value in values)]
