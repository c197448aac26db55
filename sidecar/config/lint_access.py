"""Doubts about who may do what: rules that nobody meets, grants that nothing asks for, wildcards, twins, public among private."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Expression, Not, attributes_of
from sidecar.model.permission import REST, PermissionSet, compile_permissions
from sidecar.model.settings import RouteSettings, Settings

from .convert.place import Place
from .keyfile import KeyFileRead
from .marks import shown
from .semantics.routes import known_role_names

PERMISSION_KEYWORDS = frozenset({"permission", "all_permissions", "any_permission"})
POLICY_KEYWORDS = frozenset({"policies", "any_policy"})
MAX_NAMED = 3
LAST = "\U0010ffff"


def lint_access(settings: Settings, keys: Mapping[str, KeyFileRead], place: Place) -> None:
    """Note these doubts about a valid configuration."""
    required = _required(settings)
    _lint_unmet(settings, keys, place)
    _lint_grants(settings, required, place)
    _lint_policies(settings, place)
    _lint_public(settings, place)


def _required(settings: Settings) -> frozenset[str]:
    """Every permission that some route demands."""
    return frozenset(
        name
        for route in settings.routes.values()
        for keyword, values in (route.require.parts if route.require is not None else ())
        if keyword in PERMISSION_KEYWORDS
        for name in values
    )


def _grantable(settings: Settings, keys: Mapping[str, KeyFileRead]) -> PermissionSet | None:
    """Every permission that somebody can have; None when an issuer may grant any."""
    names = [name for role in settings.roles.values() for name in role.permissions]
    names += [name for grant in settings.users for name in grant.permissions]
    names += [name for read in keys.values() for entry in read.entries for name in entry.permissions]
    for issuer in settings.issuers.values():
        if issuer.claims.permissions is not None:
            if issuer.claims.permissions.allow is None:
                return None
            names += issuer.claims.permissions.allow
    return compile_permissions(names)


def _lint_unmet(settings: Settings, keys: Mapping[str, KeyFileRead], place: Place) -> None:
    """What is demanded and nobody can have. Without the key files it is not known what keys grant."""
    grantable = _grantable(settings, keys) if settings.api_keys.keys() <= keys.keys() else None
    for route in settings.routes.values():
        for keyword, values in route.require.parts if route.require is not None else ():
            if grantable is None or keyword not in PERMISSION_KEYWORDS:
                continue
            missing = [name for name in values if not grantable.grants(name)]
            if missing and (keyword != "any_permission" or len(missing) == len(values)):
                named = ", ".join(map(shown, missing[:MAX_NAMED]))
                hint = "give it to a role, or correct the name"
                place.warn(("routes", route.name, "require", keyword), f"nobody can have {named}: the route is shut", hint)


def _lint_grants(settings: Settings, required: frozenset[str], place: Place) -> None:
    """Permissions that no route asks for, unless they are told to the upstream, and wildcards that cover more than is asked for."""
    told = any(header.source == "permissions" for header in settings.identity_headers)
    ordered = sorted(required)
    for role in settings.roles.values():
        for number, name in enumerate(role.permissions):
            path = ("roles", role.name, "permissions", number)
            covered = _covered(name, ordered)
            if not covered and not told:
                place.warn(path, f"no route asks for {shown(name)}", "remove it, or demand it on a route")
            elif name == REST:
                place.warn(path, "grants every permission there is and will be", "name them, or resource:*")
            elif REST in name.split(":") and len(covered) == 1 and not told:
                place.warn(path, f"grants more than is asked for, which is {shown(covered[0])} alone", f"write {shown(covered[0])}")


def _covered(name: str, ordered: list[str]) -> list[str]:
    """Those of the demanded permissions, in order, that ``name`` grants; quick for all but a wildcard in the middle."""
    head, star, rest = name.partition(REST)
    if not star:
        at = bisect_left(ordered, name)
        return ordered[at : at + 1] if ordered[at : at + 1] == [name] else []
    near = ordered[bisect_left(ordered, head) : bisect_left(ordered, head + LAST)]
    if not rest:
        return near
    grants = compile_permissions((name,)).grants
    return [one for one in near if grants(one)]


def _lint_policies(settings: Settings, place: Place) -> None:
    attached = {name for route in settings.routes.values() for name in route.deny}
    attached |= {
        name
        for route in settings.routes.values()
        for keyword, values in (route.require.parts if route.require is not None else ())
        if keyword in POLICY_KEYWORDS
        for name in values
    }
    seen: dict[tuple[str, Condition], str] = {}
    roles = known_role_names(settings)
    for policy in settings.policies.values():
        path = ("policies", policy.name)
        if policy.name not in attached:
            place.warn(path, "counts nowhere: no route requires it", "attach it, or remove it")
        twin = seen.setdefault((policy.effect, _bare(policy.condition)), policy.name)
        if twin != policy.name:
            place.warn(path, f"says the same as policies.{twin}", "keep one of them")
        if policy.effect == "allow" and "environment.device_type" in attributes_of(policy.condition):
            place.warn(path, "hinges on environment.device_type, which the client says itself", "let no access hinge on it")
        if why := next(_never(policy.condition, roles), None):
            place.warn(path, f"can never hold: {why}", "correct it, or remove it")


def _bare(condition: Condition) -> Condition:
    """The condition without the places where its parts stand."""
    match condition:
        case AllOf(_, parts):
            return AllOf("", tuple(map(_bare, parts)))
        case AnyOf(_, parts):
            return AnyOf("", tuple(map(_bare, parts)))
        case Not(_, part):
            return Not("", _bare(part))
        case Expression(_, text, names):
            return Expression("", text, names)
        case Comparison():
            return replace(condition, key="")


def _never(condition: Condition, roles: frozenset[str] | None) -> Iterator[str]:
    """Say why a condition cannot hold: an attribute with one value would need two, or a role that nobody has."""
    if isinstance(condition, AnyOf):
        reasons = [next(_never(part, roles), None) for part in condition.parts]
        if all(reasons):
            yield str(reasons[0])
    elif isinstance(condition, AllOf):
        for part in condition.parts:
            yield from _never(part, roles)
        yield from _contradiction([part for part in condition.parts if isinstance(part, Comparison)])
    elif isinstance(condition, Comparison) and condition.attribute == "user.role" and roles is not None:
        values = _texts(condition)
        if values and values.isdisjoint(roles):
            yield f"nobody has the role {' or '.join(sorted(map(shown, values))[:MAX_NAMED])}"


def _contradiction(parts: list[Comparison]) -> Iterator[str]:
    wanted: dict[str, frozenset[str]] = {}
    for part in parts:
        values = _texts(part)
        if not values or part.attribute in {"user.role", "user.permissions", "user.scopes"}:
            continue
        before = wanted.get(part.attribute)
        wanted[part.attribute] = values if before is None else before & values
        if not wanted[part.attribute]:
            yield f"{part.attribute} would have to be two things at once"


def _texts(part: Comparison) -> frozenset[str]:
    """The texts of which one is wanted; empty where it is not that kind of comparison."""
    if part.operator not in {"equals", "in"}:
        return frozenset()
    values = part.operand if isinstance(part.operand, tuple) else (part.operand,)
    return (
        frozenset(value for value in values if isinstance(value, str)) if all(isinstance(value, str) for value in values) else frozenset()
    )


def _lint_public(settings: Settings, place: Place) -> None:
    """A public route right beside private ones: easily one that was meant to be private, too, or an upstream that serves both."""
    private: dict[tuple[str, str], str] = {}
    for route in settings.routes.values():
        if "anonymous" not in route.authenticate:
            for parent in _parents(route):
                private.setdefault(parent, route.name)
    for route in settings.routes.values():
        if not is_public(route):
            continue
        beside = next((parent for parent in _parents(route) if parent in private), None)
        if beside is not None:
            message = f"is public right beside the private route {private[beside]!r} under {beside[1]}"
            place.warn(("routes", route.name), message, "check that it is meant; public paths are safer under a prefix of their own")


def is_public(route: RouteSettings) -> bool:
    """Tell whether anyone gets through, with no demand at all."""
    return "anonymous" in route.authenticate and route.require is None and not route.deny


def _parents(route: RouteSettings) -> Iterator[tuple[str, str]]:
    """Host and directory of each path that is not at the top."""
    for host in route.hosts or ("",):
        for path in route.paths:
            parent = path.rstrip("/").rpartition("/")[0]
            if parent:
                yield host, f"{parent}/"
