"""Requests that a policy may tell apart: values that it names, and near misses of them."""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .pairs import Pair

SOURCE = "127.0.0.1"
HOST = "api.example.com"
ISSUER = "https://idp.example.com"
AUDIENCE = "api"
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HOST_NAME = re.compile(r"[A-Za-z0-9._:-]+")
SAMPLES = 25
MISSES = 0.25
LIKELY = 3
"""The first candidates of a dimension are those that match."""


@dataclass(frozen=True, slots=True)
class Request:
    """``claims``: those of its token, None for none. ``port``: which of the listeners' ports."""

    method: str = "GET"
    path: str = "/"
    host: str = HOST
    headers: tuple[tuple[str, str], ...] = ()
    claims: dict[str, Any] | None = None
    source: str = SOURCE
    forwarded: str = "203.0.113.9"
    port: int = 2


@dataclass(slots=True)
class Named:
    """What a policy names, by dimension."""

    methods: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    direct: list[str] = field(default_factory=list)
    remote: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    headers: dict[str, list[str]] = field(default_factory=dict)
    claims: dict[tuple[str, ...], list[str]] = field(default_factory=dict)


_FIELDS = {
    "methods": "methods", "paths": "paths", "hosts": "hosts", "ports": "ports", "ipblocks": "direct", "remoteipblocks": "remote",
    "requestprincipals": "people", "source.ip": "direct", "remote.ip": "remote", "request.auth.principal": "people", "destination.port": "ports",
}  # fmt: skip


def named(documents: Iterable[dict[str, Any]]) -> Named:
    """Collect what policies name."""
    found = Named()
    for one in documents:
        for rule in one["spec"].get("rules") or []:
            for where, inner in (("from", "source"), ("to", "operation")):
                for entry in rule.get(where, ()):
                    for key, values in (entry.get(inner) or {}).items():
                        lower = key.removeprefix("not").lower() if key.startswith("not") else key.lower()
                        if lower in _FIELDS:
                            getattr(found, _FIELDS[lower]).extend(values)
            for when in rule.get("when", ()):
                _take_when(found, when["key"], [*when.get("values", ()), *when.get("notValues", ())])
    return found


def _take_when(found: Named, key: str, values: list[str]) -> None:
    if key in _FIELDS:
        getattr(found, _FIELDS[key]).extend(values)
    elif key.startswith("request.headers["):
        found.headers.setdefault(key[len("request.headers[") : -1], []).extend(values)
    elif key.startswith("request.auth."):
        path = {"request.auth.audiences": ("aud",), "request.auth.presenter": ("azp",)}.get(key) or tuple(re.findall(r"\[(.*?)\]", key))
        found.claims.setdefault(path, []).extend(values)


def variants(value: str) -> list[str]:
    """Texts that a value matches, and some that it just doesn't."""
    bare = value.strip("*")
    if not bare:
        return ["anything"]
    return [bare, f"{bare}x", f"x{bare}", bare[:-1], bare[1:], bare.upper(), f"x{bare}x"]


def path_variants(value: str) -> Iterator[str]:
    """The same for paths, which may be templates."""
    if "{*}" in value or "{**}" in value:
        for one, rest in (("a", "b"), ("a-b.c", "b/c"), ("a%20b", ""), ("a|b", "b"), ("a@b", "b")):
            filled = value.replace("{**}", rest).replace("{*}", one)
            yield from (filled, f"{filled}/", f"{filled}/x", f"{filled}?q=1", f"/x{filled}", filled.upper())
        yield value.replace("{*}", "").replace("{**}", "x")
        return
    for text in variants(value):
        yield from (text, f"{text}/", f"{text}?q=/x", f"{text}/more", f"/a{text}", text.replace("t", "%74", 1), f"{text}?{text}")


def candidates(found: Named) -> dict[str, list[dict[str, Any]]]:
    """By dimension: changes of a request."""
    result: dict[str, list[dict[str, Any]]] = {}

    def put(dimension: str, changes: Iterable[dict[str, Any]]) -> None:
        unique = {repr(one): one for one in changes}
        if unique:
            result[dimension] = list(unique.values())

    methods = [text for value in found.methods for text in variants(value)]
    put("method", ({"method": one} for one in (*methods, "GET", "post") if methods and TOKEN.fullmatch(one)))
    paths = [text for value in found.paths for text in path_variants(value)]
    put("path", ({"path": one} for one in (*paths, "/", "/other") if paths and re.fullmatch(r"/[!-~]*", one)))
    hosts = [text for value in found.hosts for text in variants(value)]
    hosts = [text for host in dict.fromkeys(hosts) for text in (host, f"{host.strip('.')}.", f"{host}com")] + [
        f"{host}:8080" for host in hosts[:1]
    ]
    put("host", ({"host": one} for one in (*hosts, HOST) if hosts and HOST_NAME.fullmatch(one)))
    put("port", ({"port": one} for one in range(3) if found.ports))
    put("source", ({"source": one} for value in found.direct for one in _addresses(value)))
    put("forwarded", ({"forwarded": one} for value in found.remote for one in (*_addresses(value), f"{value.split('/')[0]}, 198.51.100.1")))
    for name, values in found.headers.items():
        texts = [text for value in values for text in variants(value)]
        put(f"header {name}", ({"headers": ((name, one),)} if one is not None else {} for one in (*texts, "", None, "a,b")))
    put("people", _people(found.people))
    for path, values in found.claims.items():
        put(f"claim {path}", _claims(path, values))
    return result


def _addresses(value: str) -> Iterator[str]:
    a, b, c, d = value.partition("/")[0].split(".")
    yield from (
        f"{a}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{(int(d) + 1) % 255}",
        f"{a}.{b}.{(int(c) + 1) % 256}.{d or 1}",
        f"{a}.{(int(b) + 1) % 256}.{c}.{d}",
    )


BASE: dict[str, Any] = {"iss": ISSUER, "sub": "ann", "aud": AUDIENCE}


def _people(values: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Tokens by issuer and subject."""
    for value in values:
        issuer, _, subject = value.rpartition("/")
        issuers = [issuer.strip("*"), value.strip("*"), ISSUER, f"{issuer.strip('*')}x", f"x{issuer.strip('*')}"]
        subjects = [subject.strip("*"), value.strip("*"), "ann", f"{subject.strip('*')}x", f"x{subject.strip('*')}"]
        for iss in dict.fromkeys(issuers):
            for sub in dict.fromkeys(subjects):
                if iss and sub:
                    yield {"claims": {**BASE, "iss": iss, "sub": sub}}


def _claims(path: tuple[str, ...], values: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Tokens by one claim: a text, and lists with it."""
    for value in values:
        for text in variants(value):
            if path == ("iss",):
                yield {"claims": {**BASE, "iss": text}}
                continue
            for shaped in (text, [text], ["other", text]):
                yield {"claims": {**BASE, **_nested(path, shaped)}}
    if path not in {("iss",), ("aud",)}:
        yield {"claims": {**BASE, path[0]: "flat"}}
    yield {"claims": BASE}
    yield {"claims": None}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two changes of a request; of claims, those that differ from the usual ones."""
    both = {**one, **other, "headers": (*one.get("headers", ()), *other.get("headers", ()))}
    if one.get("claims") and other.get("claims"):
        both["claims"] = {**one["claims"], **{name: value for name, value in other["claims"].items() if BASE.get(name) != value}}
    return both


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return value


def requests_for(pair: Pair) -> list[Request]:
    """Requests for a pair; always the same ones."""
    by_dimension = candidates(named(pair.documents))
    choose = random.Random(pair.name)
    found = [Request(), Request(method="POST", path="/a/b?x=1", host="other.example.org", headers=(("x-other", "1"),))]
    for changes in by_dimension.values():
        found.extend(replace(Request(), **one) for one in choose.sample(changes, min(len(changes), SAMPLES)))
    if len(by_dimension) > 1:
        for _ in range(2 * SAMPLES):
            merged: dict[str, Any] = {}
            for changes in by_dimension.values():
                merged = _merged(merged, choose.choice(changes if choose.random() < MISSES else changes[:LIKELY]))
            found.append(replace(Request(), **merged))
    return list({repr(one): one for one in found}.values())
