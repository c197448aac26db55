"""RequestAuthentication → ``issuers``: who signs tokens, where their keys are, where tokens are read."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sidecar.config.addresses import fault_of_url
from sidecar.config.marks import KeyPath, Nothing, shown

from .documents import AUTHENTICATION, Resource
from .findings import Finding, Kind, Untranslatable
from .names import Names
from .scope import Wishes
from .workload import TARGETS

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SKEW: Final = "60s"
SPLIT: Final = frozenset({"scope", "permission"})
"""Claims that Istio splits at spaces whatever is said."""
_SPEC: Final = frozenset({"selector", "jwtRules"})
_READ: Final = frozenset(
    {
        "issuer", "audiences", "jwksUri", "jwks_uri", "jwks", "fromHeaders", "fromParams", "fromCookies", "forwardOriginalToken",
        "spaceDelimitedClaims", "timeout",
    }
)  # fmt: skip
_OUTPUT: Final = frozenset({"outputPayloadToHeader", "outputClaimToHeaders"})
_SCHEME = re.compile(r"([!-~]+) ")
_NO_TOKENS = "no issuer is imported for the workload (by a RequestAuthentication): nobody's token is verified"


@dataclass(frozen=True, slots=True)
class Tokens:
    """``issuers``: as the configuration has them, by name. ``fault``: why rules must not look at tokens; empty if they may."""

    issuers: Mapping[str, dict[str, Any]]
    split: frozenset[str]
    fault: str


def read_tokens(resources: Iterable[Resource], wishes: Wishes, findings: list[Finding]) -> Tokens:
    """Read every RequestAuthentication.

    An issuer that cannot be carried over blocks a partial import, too: without it, a request with its token could not
    be told from one without a token.
    """
    issuers: dict[str, dict[str, Any]] = {}
    names, split = Names(reserved={"anonymous"}), set(SPLIT)
    for resource in [one for one in resources if one.kind == AUTHENTICATION]:
        for number, rule in enumerate(_rules(resource, findings)):
            path: KeyPath = ("spec", "jwtRules", number)
            try:
                issuer = _issuer(rule, resource, path, wishes, findings)
                _check_single(issuer, issuers.values())
            except Untranslatable as error:
                message = f"issuer {shown(str(rule.get('issuer', '')))!r} is not carried over: {error.message}"
                findings.append(Finding(Kind.BLOCKING, resource.where(*path), resource.title, message, error.hint))
                continue
            if issuer["keys"].get("unsafe_http"):
                message = (
                    f"the keys of {shown(issuer['issuer'])!r} come by plain http, as in Istio: whoever sits on the way can replace them"
                )
                findings.append(Finding(Kind.NOTE, resource.where(*path), resource.title, message, "use https"))
            split.update(_texts(rule, "spaceDelimitedClaims"))
            issuers[names.take(_slug(issuer["issuer"]))] = issuer
    return Tokens(issuers, frozenset(split), "" if issuers else _NO_TOKENS)


def _check_single(issuer: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> None:
    if any(issuer["issuer"] == other["issuer"] for other in others):
        raise Untranslatable("it stands here twice, and one configuration has it once", "merge the two")


def _rules(resource: Resource, findings: list[Finding]) -> list[dict[str, Any]]:
    for key in resource.spec:
        if key not in _SPEC:
            message = "whether its target is this workload cannot be told" if key in TARGETS else "is not known here"
            hint = "write a selector, or leave the document out" if key in TARGETS else ""
            findings.append(Finding(Kind.BLOCKING, resource.where("spec", key), resource.title, message, hint))
    rules = resource.spec.get("jwtRules", [])
    if isinstance(rules, Nothing):
        return []
    return [rule if isinstance(rule, dict) else {} for rule in (rules if isinstance(rules, list) else [rules])]


def _issuer(rule: dict[str, Any], resource: Resource, path: KeyPath, wishes: Wishes, findings: list[Finding]) -> dict[str, Any]:
    for key in rule:
        if key in _OUTPUT:
            message = "is not carried over: the upstream gets no such header"
            hint = "map the claim under claims.attributes, and name it under identity_headers"
            findings.append(Finding(Kind.NOTE, resource.where(*path, key), resource.title, message, hint))
        elif key not in _READ:
            raise Untranslatable(f"{shown(key)} is not known here")
    name = rule.get("issuer")
    if not isinstance(name, str) or not name:
        raise Untranslatable("it has no name, so that any issuer's tokens would count", "name it under `issuer`")
    audiences = _texts(rule, "audiences") or list(wishes.audiences)
    if not audiences:
        raise Untranslatable("it names no audience, so that tokens for any other service would count", "say --audience")
    return {
        "issuer": name,
        "audiences": audiences,
        "algorithms": list(ALGORITHMS),
        "clock_skew": SKEW,
        "keys": _keys(rule, name),
        "credentials": list(_places(rule)),
    }


def _keys(rule: Mapping[str, Any], issuer: str) -> dict[str, Any]:
    url = rule.get("jwksUri", rule.get("jwks_uri"))
    if isinstance(url, str) and url:
        return {"url": url, **({"unsafe_http": True} if url.startswith("http://") else {})}
    inline = rule.get("jwks")
    if isinstance(inline, str) and inline:
        try:
            return {"inline": dict(json.loads(inline))}
        except (ValueError, TypeError):
            raise Untranslatable("its jwks is no JSON") from None
    if fault_of_url(issuer, http_allowed=False) is not None:
        raise Untranslatable("it has neither jwksUri nor jwks, and its name is no https URL where discovery could start")
    return {"discovery": True}


def _places(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    forward = rule.get("forwardOriginalToken") is True
    found: list[dict[str, Any]] = []
    for place in _maps(rule, "fromHeaders"):
        name, prefix = str(place.get("name", "")), place.get("prefix", "")
        scheme = _SCHEME.fullmatch(prefix) if isinstance(prefix, str) else None
        if prefix and not scheme:
            raise Untranslatable(f"its tokens stand behind {shown(str(prefix))!r}, and only a scheme and one space can")
        found.append({"header": name.lower(), **({"scheme": scheme[1]} if scheme else {}), "forward": forward})
    found.extend({"query": name, "forward": forward} for name in _texts(rule, "fromParams"))
    found.extend({"cookie": name, "forward": forward} for name in _texts(rule, "fromCookies"))
    return found or [
        {"header": "authorization", "scheme": "Bearer", "forward": forward},
        {"query": "access_token", "forward": forward},
    ]


def _maps(rule: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    values = rule.get(key, [])
    if isinstance(values, Nothing):
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise Untranslatable(f"{key} is no list of maps")
    return values


def _texts(rule: Mapping[str, Any], key: str) -> list[str]:
    values = rule.get(key, [])
    if isinstance(values, Nothing):
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise Untranslatable(f"{key} is no list of texts")
    return values


def _slug(issuer: str) -> str:
    return issuer.partition("://")[2] or issuer
