"""For a denial: the rule that came nearest to allowing, and what is missing for it. Words for people; nothing is decided here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from heapq import nlargest
from itertools import takewhile
from operator import eq

from sidecar.authz.require import Requirement
from sidecar.model.decision import Deny
from sidecar.model.permission import compile_permissions
from sidecar.model.principal import Principal
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from sidecar.model.settings import CredentialPlace, RequireSettings, RouteSettings

from .canonical import Refused, canonical_host, canonical_path
from .rules import REQUIRING
from .snapshot import Snapshot
from .trace import describe_place, shown

MAX_NAMED = 3
"""Routes, roles or differences that are named before the rest is only counted."""
MAX_TRIED = 64
"""Patterns with equally few differences of which the texts are compared: that takes a hundred times as long as counting."""
SLIP = " (a slip?)"


def nearest(deny: Deny, request: CheckInput, snapshot: Snapshot) -> list[str]:
    """Say what would have to be different, likeliest first; an empty list where that is not for the caller to change."""
    if deny.reason in {Reason.NO_ROUTE, Reason.METHOD_NOT_ALLOWED, Reason.AMBIGUOUS_PATH} and not deny.route:
        return _near_routes(deny, request, snapshot)
    settings = snapshot.settings.routes.get(deny.route)
    if settings is None:
        return []
    if deny.reason is Reason.AMBIGUOUS_PATH:
        return [f"routes.{deny.route}.allow would have to admit what the path has, if the upstream reads it in one way only"]
    if deny.reason in {Reason.MISSING_CREDENTIAL, Reason.MULTIPLE_CREDENTIALS} and (accepted := list(_accepted(settings, snapshot))):
        return [f"routes.{deny.route} accepts one of: {'; '.join(accepted)}"]
    if deny.reason in {Reason.INVALID_TOKEN, Reason.EXPIRED_TOKEN}:
        return list(_wanted_tokens(settings, snapshot))
    if deny.principal is not None:
        require = settings.require.parts if settings.require is not None else ()
        return [*_policies(deny, dict(require)), *_missing(require, deny.principal, snapshot)]
    return []


def _near_routes(deny: Deny, request: CheckInput, snapshot: Snapshot) -> list[str]:
    if deny.reason is Reason.METHOD_NOT_ALLOWED:
        return [f"this path is routed for {deny.allowed_methods} only, not for {shown(request.method)}"]
    host, path = canonical_host(request.host), canonical_path(request.path, folding=snapshot.routes.folding)
    if isinstance(path, Refused) or host is None:
        return []
    found = []
    for route, pattern in _fewest(request.method, host, path.segments, snapshot.settings.routes.values()):
        missing = _missing_of(request.method, host, path.segments, route, pattern)
        likeness = _likeness(path.segments, _parts(pattern)) if missing[0].endswith(SLIP) else -1
        found.append((-likeness, route.name, pattern, missing))
    # Slips alone, the likeliest first, where there are any.
    near = [one for one in sorted(found) if one[0] <= 0] or sorted(found)
    return [f"routes.{name} ({pattern}): {', '.join(missing)}" for _, name, pattern, missing in near[:MAX_NAMED]]


def _fewest(method: str, host: str, segments: tuple[str, ...], routes: Iterable[RouteSettings]) -> list[tuple[RouteSettings, str]]:
    """Give the patterns with the fewest differences, the MAX_TRIED likeliest of them; what differs more than MAX_NAMED times nobody meant.

    It only counts: there may be ten thousand, and the event loop waits.
    """
    fewest, found = MAX_NAMED, list[tuple[RouteSettings, str]]()
    for route in routes:
        elsewhere = (not _hosts_fit(host, route)) + (not _methods_fit(method, route))
        for pattern in route.paths:
            parts = _parts(pattern)
            apart = sum(have != want and want[0] != "{" for have, want in zip(segments, parts, strict=False))
            count = elsewhere + apart + (not _length_fits(segments, parts)) or 1  # one where another route hides it
            if count <= fewest:
                if count < fewest:
                    fewest, found = count, []
                found.append((route, pattern))
    return nlargest(MAX_TRIED, found, key=lambda one: _likeness(segments, _parts(one[1]))) if len(found) > MAX_TRIED else found


def _likeness(segments: tuple[str, ...], parts: list[str]) -> int:
    """Characters at both ends that the first part that differs shares with what it should be."""
    for have, want in zip(segments, parts, strict=False):
        if have != want and want[0] != "{":
            return _shared(have, want) + _shared(have[::-1], want[::-1])
    return 0


def _shared(one: str, other: str) -> int:
    return sum(takewhile(bool, map(eq, one, other)))


def _missing_of(method: str, host: str, segments: tuple[str, ...], route: RouteSettings, pattern: str) -> list[str]:
    """Say what keeps a pattern from matching."""
    missing = list(_path_differences(segments, _parts(pattern)))
    if not _hosts_fit(host, route):
        missing.append(f"host {host} is not {', '.join(route.hosts[:MAX_NAMED])}")
    if not _methods_fit(method, route):
        missing.append(f"the method is {shown(method)}, not {' or '.join(route.methods[:MAX_NAMED])}")
    return missing or ["hidden by a route with a more specific host or path, or narrowed by context"]


def _path_differences(segments: tuple[str, ...], parts: list[str]) -> Iterator[str]:
    if not _length_fits(segments, parts):
        yield f"the path has {len(segments)} parts, the route {len(parts)}{' or more' if _open(parts) else ''}"
    for position, (have, want) in enumerate(zip(segments, parts, strict=False), 1):
        if have != want and want[0] != "{":
            near = SLIP if get_close_matches(have, [want], cutoff=0.7) else ""
            yield f"part {position} is {shown(have)}, not {want}{near}"


def _parts(pattern: str) -> list[str]:
    return pattern.strip("/").split("/") if pattern != "/" else []


def _open(parts: list[str]) -> bool:
    return bool(parts) and parts[-1].endswith("=**}")


def _length_fits(segments: tuple[str, ...], parts: list[str]) -> bool:
    return len(segments) == len(parts) or (len(segments) > len(parts) and _open(parts))


def _methods_fit(method: str, route: RouteSettings) -> bool:
    return not route.methods or method in route.methods or (method == "HEAD" and "GET" in route.methods)


def _hosts_fit(host: str, route: RouteSettings) -> bool:
    return not route.hosts or any(_host_fits(host, wanted) for wanted in route.hosts)


def _host_fits(host: str, wanted: str) -> bool:
    return host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted


def _accepted(route: RouteSettings, snapshot: Snapshot) -> Iterator[str]:
    for name in route.authenticate:
        source = snapshot.settings.issuers.get(name) or snapshot.settings.api_keys.get(name)
        if source is not None:
            places: Iterable[CredentialPlace] = source.credentials
            what = "a token of" if name in snapshot.settings.issuers else "an API key of"
            yield f"{what} {name} in {' or '.join(map(describe_place, places))}"


def _wanted_tokens(route: RouteSettings, snapshot: Snapshot) -> Iterator[str]:
    for name in route.authenticate:
        issuer = snapshot.settings.issuers.get(name)
        if issuer is not None:
            types, algorithms = ", ".join(sorted(issuer.token_types)), ", ".join(sorted(snapshot.issuers[name].algorithms))
            audiences = " or ".join(sorted(issuer.audiences))
            yield f"issuers.{name} takes tokens with iss {issuer.issuer}, aud {audiences}, alg one of {algorithms}, typ one of {types}"


def _policies(deny: Deny, require: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Name the policy that decided, if one did."""
    if deny.reason is Reason.POLICY_DENIED:
        yield f"{deny.rule} denies"
    elif deny.rule.startswith("policies."):
        yield f"{deny.rule} does not hold"
    elif deny.rule == f"routes.{deny.route}.require.any_policy":
        yield f"none of the policies {', '.join(require['any_policy'])} holds"


def _missing(require: Iterable[tuple[str, tuple[str, ...]]], principal: Principal, snapshot: Snapshot) -> Iterator[str]:
    """Give each part of ``require`` that is not met, but for policies, with the roles that would meet it."""
    demanded = tuple(part for part in require if part[0] not in REQUIRING)
    for keyword, values, holds in Requirement(RequireSettings(parts=demanded)).parts(principal) if demanded else ():
        if not holds:
            yield _lacking(keyword, values, principal, snapshot)


def _lacking(keyword: str, values: tuple[str, ...], principal: Principal, snapshot: Snapshot) -> str:
    if keyword == "authenticated":
        return "the caller is anonymous"
    if keyword == "audiences":
        return f"the token is for {', '.join(principal.identity.audiences) or 'nobody in particular'}, not for {' or '.join(values)}"
    what, has = _looked_at(keyword, principal)
    names = [name for name in values if not has(name)]
    named = (" or " if keyword.startswith("any_") else " and ").join(names)
    return f"missing {what} {named}" + (_granting(names, snapshot) if what == "permission" else "")


def _looked_at(keyword: str, principal: Principal) -> tuple[str, Callable[[str], bool]]:
    if "role" in keyword:
        return "role", principal.closure.__contains__
    return ("scope", principal.scopes.__contains__) if "scope" in keyword else ("permission", principal.permissions.grants)


def _granting(permissions: list[str], snapshot: Snapshot) -> str:
    """Name roles of the configuration that grant all of these permissions."""
    roles = snapshot.rbac.roles
    found = [name for name in snapshot.settings.roles if all(map(compile_permissions(roles.expand(name).permissions).grants, permissions))]
    if not found:
        return "; no single role grants it"
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"; granted by the role {', '.join(found[:MAX_NAMED])}{more}"
