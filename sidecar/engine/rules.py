"""Attribute policies in the engine: the facts of a check, and what a route's policies make of the verdict without them."""

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from sidecar.authz.attributes import Catalogue
from sidecar.authz.facts import NO_SOURCES, Calendar, Facts, Sources, Surroundings, Template
from sidecar.authz.policies import Policy, Rules, Said
from sidecar.authz.ternary import SETTLED
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.instant import Instant
from sidecar.model.principal import Principal
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from sidecar.model.settings import RouteSettings, Settings

from .attributes import CheckAttributes
from .canonical import Refused, canonical_host, canonical_path
from .client_address import ClientAddress
from .routes import VARIABLE, path_variables
from .snapshot import Route, Snapshot

REQUIRING = frozenset({"policies", "any_policy"})
"""Keywords of ``require`` that name policies."""


def catalogue_of(settings: Settings) -> Catalogue:
    """Return the attributes that a configuration knows."""
    mapped = {name for issuer in settings.issuers.values() for name in issuer.claims.attributes}
    resources = {name for route in settings.routes.values() for name in route.resource}
    resources |= {name for route in settings.routes.values() for path in route.paths for name in path_variables(path)}
    return Catalogue(mapped, {source.provides: source.name for source in settings.attributes.values()}, resources)


def surroundings_of(settings: Settings, client_address: ClientAddress) -> Surroundings:
    """Return what facts are read with under these settings."""
    folding = settings.server.paths.case == "insensitive"

    def segments(raw: str) -> tuple[str, ...]:
        path = canonical_path(raw, folding=folding)
        return () if isinstance(path, Refused) else path.segments

    return Surroundings(Calendar(ZoneInfo(settings.timezone)), client_address.of, canonical_host, segments)


def resources_of(route: RouteSettings, pattern: str) -> dict[str, Template]:
    """Return how a route's ``resource.`` attributes are made at one of its paths: its path variables, and its ``resource``."""
    variables: dict[str, Template] = {}
    for index, part in enumerate(pattern.strip("/").split("/")):
        found = VARIABLE.fullmatch(part)
        if found is not None:
            variables[found[1]] = _rest(index) if found[2] else _segment(index)
    return {**variables, **{name: _template(text, variables) for name, text in route.resource.items()}}


def _segment(index: int) -> Template:
    return lambda segments: segments[index] if index < len(segments) else ""


def _rest(index: int) -> Template:
    return lambda segments: "/".join(segments[index:])


def _template(text: str, variables: Mapping[str, Template]) -> Template:
    pieces = VARIABLE.split(text)[::3]
    names = [found[0] for found in VARIABLE.findall(text)]
    if not names:
        return lambda _: text
    if len(names) == 1 and not any(pieces):
        return variables[names[0]]
    parts: list[Callable[[Sequence[str]], str]] = []
    for number, piece in enumerate(pieces):
        parts.append(_literal(piece))
        if number < len(names):
            parts.append(variables[names[number]])
    return lambda segments: "".join(part(segments) for part in parts)


def _literal(text: str) -> Template:
    return lambda _: text


def rules_of(route: RouteSettings, policies: Mapping[str, Policy]) -> Rules | None:
    """Return the policies of a route; None when it has none."""
    required = {keyword: names for keyword, names in (route.require.parts if route.require is not None else ()) if keyword in REQUIRING}
    if not route.deny and not required:
        return None
    deny, every, some = route.deny, required.get("policies", ()), required.get("any_policy", ())
    return Rules((policies[name] for name in deny), (policies[name] for name in every), (policies[name] for name in some))


def facts_of(
    principal: Principal, request: CheckInput, route: Route, snapshot: Snapshot, now: Instant, sources: Sources = NO_SOURCES
) -> Facts:
    """Return the facts of a check on a route with policies."""
    return Facts(principal, request, route.resources, now.wall, snapshot.surroundings, sources)


def ruled(base: Decision, said: Said, facts: Facts, route: Route, snapshot: Snapshot) -> Decision:
    """Join what the policies say with ``base``, the verdict without them: a deny policy first, then ``require`` as written."""
    principal = facts.principal
    if said.denied_by is not None:
        return Deny(Reason.POLICY_DENIED, said.denied_by.rule, route=route.name, principal=principal)
    if said.unmet is not None and _comes_first(said.unmet[0], base, route):
        return _unsatisfied(*said.unmet, route, principal)
    if isinstance(base, Deny):
        return base
    return _unavailable(said.wanted, facts, route, snapshot) if said.wanted else base


def _unavailable(wanted: Sequence[str], facts: Facts, route: Route, snapshot: Snapshot) -> Deny:
    """Deny for sources that gave nothing: 503, or what the first policy that hinges on them makes of it if all are to deny."""
    why = facts.sources.why if isinstance(facts.sources, CheckAttributes) else {}
    detail = "; ".join(f"{name}: {why.get(name, 'no answer')}" for name in wanted)
    by_name = snapshot.attributes.by_name
    unavailable = [name for name in wanted if name not in by_name or not by_name[name].denies]
    hinging = None if unavailable else _hinging(facts, route)
    if hinging is None:  # which ends here, too, should there be none
        rule = f"attributes.{(unavailable or wanted)[0]}"
        return Deny(Reason.DEPENDENCY_UNAVAILABLE, rule, route=route.name, detail=detail, principal=facts.principal)
    if hinging.denies:
        return Deny(Reason.POLICY_DENIED, hinging.rule, route=route.name, detail=detail, principal=facts.principal)
    parts = snapshot.settings.routes[route.name].require
    every = dict(parts.parts).get("policies", ()) if parts is not None else ()
    return _unsatisfied("policies" if hinging.name in every else "any_policy", hinging, route, facts.principal, detail)


def _hinging(facts: Facts, route: Route) -> Policy | None:
    """The first policy of the route whose outcome is open."""
    for policy in route.rules.policies if route.rules is not None else ():
        facts.wanted.clear()
        if not policy.shadow and policy.holds(facts) not in SETTLED and facts.wanted:
            return policy
    return None


def _comes_first(keyword: str, base: Decision, route: Route) -> bool:
    """Whether a policy's demand is written before the one that ``base`` denies for."""
    if isinstance(base, Allow):
        return True
    other = base.rule.removeprefix(f"routes.{route.name}.require.")
    written = route.keywords
    return other not in written or written.index(keyword) < written.index(other)


def _unsatisfied(keyword: str, policy: Policy, route: Route, principal: Principal, detail: str = "") -> Deny:
    """Deny for an allow policy that does not hold; an anonymous caller is told how to say who it is, if that is possible."""
    anonymous = principal.identity.kind == "anonymous"
    return Deny(
        Reason.MISSING_CREDENTIAL if anonymous else Reason.POLICY_NOT_SATISFIED,
        policy.rule if keyword == "policies" else f"routes.{route.name}.require.{keyword}",
        route=route.name,
        detail="anonymous caller" if anonymous else detail,
        status=Reason.POLICY_NOT_SATISFIED.status if anonymous and not route.challenges else 0,
        principal=principal,
        challenges=route.challenges,
    )
