"""For a denial: the rule that came nearest to allowing, and what is missing for it. Words for people; nothing is decided here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches

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
    found = [
        ((len(missing), not missing[0].endswith(SLIP)), route.name, pattern, missing)
        for route, pattern, missing in _differences(request.method, host, path.segments, snapshot)
    ]
    near = [one for one in sorted(found) if one[0] == min(found)[0]]
    return [f"routes.{name} ({pattern}): {', '.join(missing)}" for _, name, pattern, missing in near[:MAX_NAMED]]


def _differences(method: str, host: str, segments: tuple[str, ...], snapshot: Snapshot) -> Iterator[tuple[RouteSettings, str, list[str]]]:
    """Give each pattern with what keeps it from matching; a pattern of quite another shape is none that somebody meant."""
    for route in snapshot.settings.routes.values():
        for pattern in route.paths:
            missing = list(_path_differences(segments, pattern.strip("/").split("/") if pattern != "/" else []))
            if route.hosts and not any(_host_fits(host, wanted) for wanted in route.hosts):
                missing.append(f"host {host} is not {', '.join(route.hosts[:MAX_NAMED])}")
            if route.methods and method not in route.methods and not (method == "HEAD" and "GET" in route.methods):
                missing.append(f"the method is {shown(method)}, not {' or '.join(route.methods[:MAX_NAMED])}")
            if not missing:
                missing.append("hidden by a route with a more specific host or path, or narrowed by context")
            if len(missing) <= MAX_NAMED:
                yield route, pattern, missing


def _path_differences(segments: tuple[str, ...], pattern: list[str]) -> Iterator[str]:
    rest = bool(pattern) and pattern[-1].endswith("=**}")
    if len(segments) != len(pattern) and not (rest and len(segments) >= len(pattern)):
        yield f"the path has {len(segments)} parts, the route {len(pattern)}{' or more' if rest else ''}"
    for position, (have, want) in enumerate(zip(segments, pattern, strict=False), 1):
        if have != want and not want.startswith("{"):
            near = SLIP if get_close_matches(have, [want], cutoff=0.7) else ""
            yield f"part {position} is {shown(have)}, not {want}{near}"


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
