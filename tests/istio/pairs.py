"""Istio's own pairs, whole and in parts: for a policy, the Envoy RBAC filters that Istio makes of it.

A golden is one policy with many values, some of which make it match nothing at all (``notPaths: ["*"]``). Istio's
generator writes fields and values in a fixed order, so each pair is also taken apart: by rule, by field, by value.
"""

import copy
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

GOLDENS = Path(__file__).parent / "goldens"
RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
ANY: dict[str, Any] = {"any": True}

PAIRS: dict[str, tuple[str, tuple[str, ...]]] = {
    "allow-empty-rule": ("allow-empty-rule", ("",)),
    "allow-full-rule": ("allow-full-rule", ("",)),
    "allow-host-before-111": ("allow-host-before-111", ("",)),
    "allow-nil-rule": ("allow-nil-rule", ("",)),
    "allow-path": ("allow-path", ("",)),
    "audit-full-rule": ("audit-full-rule", ("",)),
    "custom-grpc-provider-no-namespace": ("custom-simple-http", ("1", "2")),
    "custom-grpc-provider": ("custom-simple-http", ("1", "2")),
    "custom-http-provider": ("custom-simple-http", ("1", "2")),
    "custom-bad-multiple-providers": ("custom-bad-multiple-providers", ("1", "2")),
    "custom-bad": ("custom-simple-http", ("",)),
    "deny-and-allow": ("deny-and-allow", ("1", "2")),
    "deny-empty-rule": ("deny-empty-rule", ("",)),
    "dry-run-allow-and-deny": ("dry-run-allow-and-deny", ("1", "2")),
    "dry-run-allow": ("dry-run-allow", ("",)),
    "dry-run-mix": ("dry-run-mix", ("",)),
    "multiple-policies": ("multiple-policies", ("",)),
    "single-policy": ("single-policy", ("",)),
    "simple-policy-td-aliases": ("simple-policy-td-aliases", ("",)),
    "simple-policy-multiple-td-aliases": ("simple-policy-multiple-td-aliases", ("",)),
    "simple-policy-principal-with-wildcard": ("simple-policy-principal-with-wildcard", ("",)),
    "td-aliases-source-principal": ("td-aliases-source-principal", ("",)),
    "trust-domains": ("trust-domains", ("",)),
}
"""The table of ``builder_test.go``: by the name of the outputs, the input and the outputs' endings."""
TCP = (
    "allow-both-http-tcp",
    "allow-only-http",
    "audit-both-http-tcp",
    "custom-both-http-tcp",
    "custom-only-http",
    "deny-both-http-tcp",
    "dry-run-mix",
)
ASKING = frozenset({"custom-grpc-provider-no-namespace", "custom-grpc-provider", "custom-http-provider"})
"""Another authorizer is asked there: there is no verdict to compare with."""

JOINED = 120
SAYABLE = frozenset(
    {
        "requestPrincipals", "ipBlocks", "hosts", "methods", "paths", "ports", "source.ip", "destination.port", "request.auth.principal",
        "request.auth.audiences", "request.auth.presenter", "request.headers[X-header]", "request.headers[X-abc]", "request.auth.claims[iss]",
        "request.auth.claims[nested1][nested2]",
    }
)  # fmt: skip
"""What is put together: one notion of addresses at a time."""
CONSTANT = re.compile(r"\*|.*rule\[.*|(?:not-)?requestPrincipals\d?")
"""Values that every request matches, or none."""

# The order of model.go: what is inserted in front comes out last to first, then the keys of ``when``.
SOURCE = ("principals", "requestPrincipals", "serviceAccounts", "trustDomains", "namespaces", "remoteIpBlocks", "ipBlocks")
OPERATION = ("hosts", "methods", "paths", "ports")
PERMISSION_KEYS = ("destination.", "connection.", "experimental.")
EXTENDED = ("requestPrincipals", "request.auth.")


@dataclass(frozen=True, slots=True)
class Pair:
    """``documents``: what is imported; ``filters``: the RBAC filters that Istio makes of it, in order."""

    name: str
    documents: tuple[dict[str, Any], ...]
    filters: tuple[dict[str, Any], ...]
    level: str = field(default="whole")


def read(kind: str, name: str) -> list[dict[str, Any]]:
    """The documents of one golden file."""
    return [one for one in yaml.safe_load_all((GOLDENS / kind / f"{name}.golden").read_text()) if one]


def inputs(kind: str, name: str) -> list[dict[str, Any]]:
    """The policies of a pair."""
    return read(kind, f"{name}-in")


def filter_of(name: str, ending: str) -> dict[str, Any]:
    """The configuration of one HTTP filter that Istio makes."""
    return read("http", f"{name}-out{ending}")[0]["typedConfig"]


def whole_pairs() -> Iterator[Pair]:
    """Each pair as it is."""
    for name, (source, endings) in PAIRS.items():
        if name not in ASKING:
            yield Pair(name, tuple(inputs("http", source)), tuple(filter_of(name, ending) for ending in endings))


def rbac(policy: dict[str, Any], action: str = "ALLOW") -> dict[str, Any]:
    """A filter with one policy."""
    return {"@type": RBAC, "rules": {"action": action, "policies": {"one": policy}}}


def document(rule: dict[str, Any], action: str = "ALLOW") -> dict[str, Any]:
    """A policy with one rule."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "one", "namespace": "foo"},
        "spec": {"action": action, "rules": [rule]},
    }


def rule_pairs() -> Iterator[Pair]:
    """Each rule by itself, under ALLOW and under DENY."""
    for name, rule, policy in _rules():
        for action in ("ALLOW", "DENY"):
            yield Pair(f"{name}:{action}", (document(rule, action),), (rbac(policy, action),), "rule")


def _rules() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, (source, endings) in PAIRS.items():
        if name in ASKING or name.startswith("custom-"):
            continue
        documents = {one["metadata"]["name"]: one for one in inputs("http", source)}
        for ending in endings:
            config = filter_of(name, ending)
            for rules in (config.get("rules"), config.get("shadowRules")):
                for key, policy in (rules or {}).get("policies", {}).items():
                    found = re.fullmatch(r"ns\[foo\]-policy\[(.+)\]-rule\[(\d+)\]", key)
                    assert found, key
                    written = documents[found[1]]["spec"].get("rules") or []
                    if written:
                        yield f"{name}/{found[1]}[{found[2]}]", written[int(found[2])], policy


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a rule, or one key of ``when``: its values and what Istio makes of them."""

    name: str
    where: str
    key: str
    negative: bool
    values: tuple[str, ...]
    element: dict[str, Any]

    @property
    def rule(self) -> dict[str, Any]:
        """A rule with nothing else in it."""
        values = list(self.values)
        if self.where == "when":
            return {"when": [{"key": self.key, "notValues" if self.negative else "values": values}]}
        inner = "source" if self.where == "from" else "operation"
        return {self.where: [{inner: {negative(self.key) if self.negative else self.key: values}}]}

    @property
    def permits(self) -> bool:
        """Whether it stands among the permissions (else the principals)."""
        return self.where == "to" or (self.where == "when" and self.key.startswith(PERMISSION_KEYS))

    @property
    def policy(self) -> dict[str, Any]:
        """The policy that Istio makes of such a rule."""
        return {
            "permissions": [{"andRules": {"rules": [self.element if self.permits else ANY]}}],
            "principals": [{"andIds": {"ids": [ANY if self.permits else self.element]}}],
        }


def negative(name: str) -> str:
    """``paths`` → ``notPaths``."""
    return f"not{name[0].upper()}{name[1:]}"


def parts() -> Iterator[Part]:
    """Every field of every rule in the goldens."""
    for name, rule, policy in _rules():
        base_principals = list(_when(name, rule, permits=False))
        base_permissions = list(_when(name, rule, permits=True))
        yield from _zip(name, rule, "from", "source", SOURCE, [one["andIds"]["ids"] for one in policy["principals"]], base_principals)
        yield from _zip(
            name, rule, "to", "operation", OPERATION, [one["andRules"]["rules"] for one in policy["permissions"]], base_permissions
        )


Named = tuple[str, str, bool, tuple[str, ...]]


def _when(name: str, rule: dict[str, Any], *, permits: bool) -> Iterator[Named]:
    for one in rule.get("when", ()):
        if one["key"].startswith(PERMISSION_KEYS) is permits:
            for key, turned in (("values", False), ("notValues", True)):
                if one.get(key):
                    yield "when", one["key"], turned, tuple(one[key])


def _zip(
    name: str, rule: dict[str, Any], where: str, inner: str, order: Sequence[str], groups: list[list[dict[str, Any]]], base: list[Named]
) -> Iterator[Part]:
    entries = rule.get(where) or [{inner: {}}]
    assert len(entries) == len(groups), name
    for number, (entry, elements) in enumerate(zip(entries, groups, strict=True)):
        fields = entry.get(inner) or {}
        assert set(fields) <= {*order, *map(negative, order)}, fields
        named: list[Named] = []
        for key in order:
            if fields.get(key):
                named.append((where, key, False, tuple(fields[key])))
            if fields.get(negative(key)):
                named.append((where, key, True, tuple(fields[negative(key)])))
        named += base
        if not named:
            assert elements == [ANY], name
            continue
        for (place, key, turned, values), element in zip(named, elements, strict=True):
            yield Part(f"{name}/{where}[{number}].{negative(key) if turned else key}", place, key, turned, values, element)


def field_pairs() -> Iterator[Pair]:
    """Every field by itself, under ALLOW and under DENY."""
    for part in parts():
        for action in ("ALLOW", "DENY"):
            yield Pair(f"{part.name}:{action}", (document(part.rule, action),), (rbac(part.policy, action),), "field")


def value_pairs() -> Iterator[Pair]:
    """Every value by itself, positive and negative; the same ones of several goldens once."""
    seen = set()
    for part in parts():
        elements = elements_of(part)
        if len(elements) != len(part.values):
            continue  # Istio wrote aliases of a trust domain beside the values
        for value, element in zip(part.values, elements, strict=True):
            one = Part(f"{part.name}={value}", part.where, part.key, part.negative, (value,), element)
            key = (part.where, part.key, part.negative, value)
            if key not in seen:
                seen.add(key)
                yield Pair(f"{one.name}:ALLOW", (document(one.rule),), (rbac(one.policy),), "value")


def elements_of(part: Part) -> list[dict[str, Any]]:
    """What Istio makes of each value alone."""
    wrapper = "notRule" if part.permits else "notId"
    element = part.element[wrapper] if part.negative else part.element
    several = element.get("orRules", {}).get("rules") or element.get("orIds", {}).get("ids")
    if several is None:
        several = [_picked(element, number, len(part.values)) for number in range(len(part.values))]
    return [{wrapper: one} for one in several] if part.negative else several


def _picked(element: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """One of the values of a metadata matcher."""
    if count == 1:
        return element
    picked = copy.deepcopy(element)
    value = picked["metadata"]["value"]
    matchers = value["orMatch"]["valueMatchers"]
    if len(matchers) == 2 and "listMatch" in matchers[0]:
        inner = matchers[0]["listMatch"]
        inner["oneOf"] = inner["oneOf"]["orMatch"]["valueMatchers"][number]
        matchers[1] = matchers[1]["orMatch"]["valueMatchers"][number]
    else:
        picked["metadata"]["value"] = matchers[number]
    return picked


GENERATORS = {
    "destIPGenerator": ("when", "destination.ip"), "destPortGenerator": ("to", "ports"), "connSNIGenerator": ("when", "connection.sni"),
    "envoyFilterGenerator-string": ("when", ""), "envoyFilterGenerator-list": ("when", ""), "srcIPGenerator": ("from", "ipBlocks"),
    "remoteIPGenerator": ("from", "remoteIpBlocks"), "srcNamespaceGenerator-http": ("from", "namespaces"),
    "srcTrustDomainGenerator-exact": ("from", "trustDomains"), "srcTrustDomainGenerator-wildcard": ("from", "trustDomains"),
    "srcTrustDomainGenerator-prefix-wildcard": ("from", "trustDomains"), "srcTrustDomainGenerator-suffix-wildcard": ("from", "trustDomains"),
    "srcPrincipalGenerator-http": ("from", "principals"), "requestHeaderGenerator": ("when", ""), "hostGenerator": ("to", "hosts"),
    "pathGenerator": ("to", "paths"), "pathGenerator-template": ("to", "paths"), "methodGenerator": ("to", "methods"),
}  # fmt: skip


def generator_pairs() -> Iterator[Pair]:
    """The tables of ``generator_test.go``, positive and turned round, under ALLOW and under DENY."""
    for row in yaml.safe_load((GOLDENS / "generator.yaml").read_text()):
        name = row.get("name", row["key"])
        if name.endswith("-tcp"):
            continue
        where, key = GENERATORS.get(name, ("when", ""))
        element = row.get("permission") or row["principal"]
        for turned in (False, True):
            wrapped = {"notRule" if "permission" in row else "notId": element} if turned else element
            part = Part(f"generator/{name}={row['value']}", where, key or row["key"], turned, (row["value"],), wrapped)
            for action in ("ALLOW", "DENY"):
                yield Pair(
                    f"{part.name}:{'not:' if turned else ''}{action}",
                    (document(part.rule, action),),
                    (rbac(part.policy, action),),
                    "generator",
                )


def joined_pairs() -> Iterator[Pair]:
    """Rules put together at random of several fields, as Istio joins them: alternatives of ``from`` and ``to``, all of ``when``."""
    single = [one for part in parts() if len(elements := elements_of(part)) == len(part.values) for one in _singles(part, elements)]
    distinct = {(one.where, one.key, one.values, one.negative): one for one in single}.values()
    fields = [one for one in distinct if one.key in SAYABLE and not CONSTANT.fullmatch(one.values[0])]
    choose = random.Random(20260822)
    for number in range(JOINED):
        sources = [choose.sample([one for one in fields if one.where == "from"], choose.randint(1, 2)) for _ in range(choose.randint(0, 2))]
        operations = [
            choose.sample([one for one in fields if one.where == "to"], choose.randint(1, 3)) for _ in range(choose.randint(0, 2))
        ]
        conditions = choose.sample([one for one in fields if one.where == "when"], choose.randint(0 if sources or operations else 1, 2))
        action = "DENY" if number % 2 else "ALLOW"
        yield _joined(f"joined-{number}:{action}", sources, operations, conditions, action)


def _singles(part: Part, elements: list[dict[str, Any]]) -> Iterator[Part]:
    for value, element in zip(part.values, elements, strict=True):
        yield Part(part.name, part.where, part.key, part.negative, (value,), element)


def _joined(name: str, sources: list[list[Part]], operations: list[list[Part]], conditions: list[Part], action: str) -> Pair:
    rule: dict[str, Any] = {}
    for where, inner, several in (("from", "source", sources), ("to", "operation", operations)):
        if several:
            rule[where] = [{inner: _fields(group)} for group in several]
    if conditions:
        rule["when"] = [one.rule["when"][0] for one in conditions]
    principals = [[one.element for one in (*_unique(group), *conditions) if not one.permits] for group in (sources or [[]])]
    permissions = [[one.element for one in (*_unique(group), *conditions) if one.permits] for group in (operations or [[]])]
    policy = {
        "permissions": [{"andRules": {"rules": group or [ANY]}} for group in permissions],
        "principals": [{"andIds": {"ids": group or [ANY]}} for group in principals],
    }
    return Pair(name, (document(rule, action),), (rbac(policy, action),), "joined")


def _unique(group: list[Part]) -> list[Part]:
    """One part for each field: a map has a key once."""
    return list({(one.key, one.negative): one for one in group}.values())


def _fields(group: list[Part]) -> dict[str, list[str]]:
    return {negative(one.key) if one.negative else one.key: list(one.values) for one in _unique(group)}


def all_pairs() -> list[Pair]:
    """All of them."""
    return [*whole_pairs(), *rule_pairs(), *field_pairs(), *value_pairs(), *generator_pairs(), *joined_pairs()]
