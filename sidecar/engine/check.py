"""The decision. ``Engine.check`` reads top to bottom as the phases that a request goes through."""

from collections.abc import Generator
from typing import NamedTuple, TypeAlias

from sidecar.authn.extract import Presented
from sidecar.authn.memory import Known
from sidecar.authz.facts import NO_SOURCES, Facts, Kept
from sidecar.authz.policies import Rules
from sidecar.authz.policies import Said as PoliciesSaid
from sidecar.model.ask import Ask, Attributes
from sidecar.model.decision import Allow, Decision, Deny, Would
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.principal import Identity, Principal
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput

from .attributes import ANSWER_IN, AttributeMemory, CheckAttributes
from .authenticate import Authenticator
from .canonical import Path, Refused, canonical_host, canonical_path
from .identity import UnsafeIdentity
from .removals import NOTHING_TAKEN_OFF, combine
from .routes import Leaf
from .rules import facts_of, ruled
from .snapshot import ANYWHERE, Route, Snapshot
from .trace import Trace

Steps: TypeAlias = Generator[Ask, object, Decision]

_NOBODY = Identity(kind="anonymous", authenticator="", issuer="", subject="")


class Engine:
    """Decides. Its memory belongs to the thread that decides; everything else comes with the snapshot."""

    __slots__ = ("_nobody", "attributes", "authenticator")

    def __init__(self, meter: Meter) -> None:
        """Count cache requests into ``meter``."""
        self.authenticator = Authenticator(meter.caches)
        self.attributes = AttributeMemory(meter.caches["attributes"])
        self._nobody: Known | None = None

    def check(self, request: CheckInput, snapshot: Snapshot, now: Instant, trace: Trace | None = None) -> Decision | Steps:
        """Decide one request: at once when memory answers, else in steps that yield an Ask and go on with the answer.

        A ``trace`` is told what each phase finds. It changes nothing but the pace: nothing is skipped.
        """
        outcome = self._check(request, snapshot, now, trace)
        if not snapshot.lenient or isinstance(outcome, Allow):
            return outcome
        if isinstance(outcome, Deny):
            return _let_through(outcome, request, snapshot, self._anonymous(snapshot).principal)
        return _let_through_later(outcome, request, snapshot, self._anonymous(snapshot).principal)

    def _check(self, request: CheckInput, snapshot: Snapshot, now: Instant, trace: Trace | None) -> Decision | Steps:
        route = snapshot.routes.usual(request.method, request.host, request.path) if trace is None else None
        if route is None:
            found = _locate(request, snapshot, trace)
            if isinstance(found, Deny):
                return found
            route, preflight = found
            if preflight:
                return _preflight_allowed(request, route, self._anonymous(snapshot).principal, snapshot)
        presented = route.extraction.read(request.headers, request.path)
        if trace is not None:
            trace.credential(presented, route, snapshot)
        if presented is None:
            nobody = self._anonymous(snapshot)
            return _settle(nobody, request, route, None, snapshot, now, trace, self.attributes) if route.anonymous else _missing(route)
        if isinstance(presented, Rejected):
            return _refuse(presented, route, None, snapshot)
        if presented.group.kind == "api_key":
            owner = self.authenticator.api_key(presented, route, request, snapshot, now)
            return _settle(owner, request, route, presented, snapshot, now, trace, self.attributes)
        known = self.authenticator.remembered(presented, snapshot, now)
        if isinstance(known, bytes):
            verified = self.authenticator.token(presented, known, snapshot, now)
            return _when_verified(verified, request, route, presented, snapshot, now, trace, self.attributes)
        verdict = known.verdicts.get(route) if trace is None else None
        if verdict is not None and presented.group.stays and snapshot.look_alikes.harmless.issuperset(request.headers.names()):
            return verdict  # and nothing has to be taken off this request
        return _settle(known, request, route, presented, snapshot, now, trace, self.attributes)

    def _anonymous(self, snapshot: Snapshot) -> Known:
        if self._nobody is None or self._nobody.rbac is not snapshot.rbac:
            self._nobody = Known(snapshot.rbac.principal(_NOBODY, 0.0), snapshot.rbac)
        return self._nobody


def retrace(decision: Decision, request: CheckInput, snapshot: Snapshot, now: Instant) -> Trace:
    """Trace a decision that was made at ``now`` under ``snapshot``, without credential, headers and body, which nobody keeps."""
    trace = Trace()
    found = _locate(request, snapshot, trace)
    if not isinstance(found, Deny) and decision.principal is not None:
        trace.remembered(decision.principal)
        trace.required(found[0], decision.principal)
        if found[0].rules is not None:
            trace.ruled(found[0].rules, Kept(facts_of(decision.principal, request, found[0], snapshot, now)))
    trace.decided(decision)
    return trace


def decide_as(principal: Principal, request: CheckInput, snapshot: Snapshot, now: Instant, trace: Trace | None = None) -> Decision | Steps:
    """Decide a request as if ``principal`` had shown a good credential where the route reads it; for tools, never for a front.

    A route that does not accept the principal's authenticator refuses it as it refuses whoever shows nothing.
    """
    found = _locate(request, snapshot, trace)
    if isinstance(found, Deny):
        return found
    route, preflight = found
    if preflight:
        return _preflight_allowed(request, route, snapshot.rbac.principal(_NOBODY, 0.0), snapshot)
    authenticator = principal.identity.authenticator
    accepted = authenticator in snapshot.settings.routes[route.name].authenticate if authenticator else route.anonymous
    if not accepted:
        return _missing(route)
    return _settle(Known(principal, snapshot.rbac), request, route, None, snapshot, now, trace, AttributeMemory())


def _when_verified(
    verified: Generator[Ask, object, Known | Rejected | Undetermined],
    request: CheckInput,
    route: Route,
    presented: Presented,
    snapshot: Snapshot,
    now: Instant,
    trace: Trace | None,
    attributes: AttributeMemory,
) -> Steps:
    decision = _settle((yield from verified), request, route, presented, snapshot, now, trace, attributes)
    return decision if isinstance(decision, Allow | Deny) else (yield from decision)


def _settle(
    known: Known | Rejected | Undetermined,
    request: CheckInput,
    route: Route,
    presented: Presented | None,
    snapshot: Snapshot,
    now: Instant,
    trace: Trace | None,
    attributes: AttributeMemory,
) -> Decision | Steps:
    """Refuse who was not authenticated; authorise who was, and take off what this request needs."""
    if trace is not None:
        trace.authenticated(known)
    if not isinstance(known, Known):
        return _refuse(known, route, presented, snapshot)
    if trace is not None:
        trace.required(route, known.principal)
    rules = route.rules
    if rules is None:
        verdict = known.verdicts.get(route) or _authorise(route, route, known, snapshot)
        return verdict if isinstance(verdict, Deny) else _take_off(verdict, request, presented, snapshot)
    sources = CheckAttributes(snapshot.attributes, attributes, now.mono) if snapshot.attributes.by_name else NO_SOURCES
    facts = facts_of(known.principal, request, route, snapshot, now, sources)
    base = known.verdicts.get(rules) or _authorise(rules, route, known, snapshot)
    return _ruled(_Case(base, rules, facts, route, presented, snapshot, trace), now.mono + snapshot.check_deadline - ANSWER_IN)


def _authorise(key: Route | Rules, route: Route, known: Known, snapshot: Snapshot) -> Decision:
    """Require, identity headers: the same for every request of a principal on a route, so remembered with it under ``key``.

    That is the route itself where this is the whole verdict, and its policies where those have a say, too.
    """
    principal = known.principal
    verdict = _unmet(route, principal) or _allow(_reason(principal), route.rule, route.name, principal, snapshot)
    known.keep(key, verdict)
    return verdict


class _Case(NamedTuple):
    """A check on a route with policies, and ``base``: the verdict without them."""

    base: Decision
    rules: Rules
    facts: Facts
    route: Route
    presented: Presented | None
    snapshot: Snapshot
    trace: Trace | None


def _ruled(case: _Case, until: float) -> Decision | Steps:
    """Join the verdict with what the route's policies say of this very request; ask sources on which an allow hinges.

    ``until``: monotonic seconds for which their answers are waited for.
    """
    said = case.rules.judge(case.facts)
    sources = case.facts.sources
    if said.wanted and isinstance(case.base, Allow) and isinstance(sources, CheckAttributes):
        ask = sources.ask(said.wanted, until)
        if ask is not None:
            return _when_answered(ask, sources, case)
    return _joined(case, said)


def _when_answered(ask: Attributes, sources: CheckAttributes, case: _Case) -> Steps:
    """Judge again with the answers; whatever is still not had has failed."""
    sources.take((yield ask))
    return _joined(case, case.rules.judge(case.facts))


def _joined(case: _Case, said: PoliciesSaid) -> Decision:
    base, rules, facts, route, presented, snapshot, trace = case
    if trace is not None:
        trace.ruled(rules, facts)
    verdict = ruled(base, said, facts, route, snapshot)
    if isinstance(verdict, Allow):
        verdict = _take_off(verdict, facts.request, presented, snapshot)
    if rules.shadows:
        verdict = verdict.shadowed(tuple(rules.would(facts)))
    return verdict


def _allow(reason: Reason, rule: str, route: str, principal: Principal, snapshot: Snapshot) -> Decision:
    """The one place that makes an Allow from what was decided: with identity headers, each set or removed."""
    always = snapshot.identity.mutations(principal)
    if isinstance(always, UnsafeIdentity):
        return Deny(Reason.UNSAFE_IDENTITY, "identity_headers", route=route, detail=always.detail, principal=principal)
    return Allow(reason, rule, route, principal, always)


def _take_off(allow: Allow, request: CheckInput, presented: Presented | None, snapshot: Snapshot) -> Allow:
    """Add what this very request needs taken off; worked out anew each time, whatever was remembered."""
    accepted = presented.group.by_name.get(allow.principal.identity.authenticator) if presented is not None else None
    taken = snapshot.credentials.take_off(request, accepted)
    look_alikes = snapshot.look_alikes.present(request.headers)
    if not look_alikes and taken is NOTHING_TAKEN_OFF:
        return allow
    return allow.with_mutations(combine(allow.mutations, look_alikes, taken))


def _let_through_later(steps: Steps, request: CheckInput, snapshot: Snapshot, nobody: Principal) -> Steps:
    return _let_through((yield from steps), request, snapshot, nobody)


def _let_through(decision: Decision, request: CheckInput, snapshot: Snapshot, nobody: Principal) -> Decision:
    """Make an allow of a denial whose route says ``unsafe_shadow_allows``, and keep what it would have been.

    What is malformed or has two meanings is refused all the same. Whoever was authenticated is told to the upstream, if it can be.
    """
    if (
        isinstance(decision, Allow)
        or decision.status == Reason.MALFORMED_REQUEST.status
        or not snapshot.lenient & {decision.route, ANYWHERE}
    ):
        return decision
    rule = f"routes.{decision.route}.unsafe_shadow_allows" if decision.route in snapshot.lenient else "unsafe_shadow_allows"
    principal = decision.principal if decision.principal is not None and decision.reason is not Reason.UNSAFE_IDENTITY else nobody
    allow = _allow(_reason(principal), rule, decision.route, principal, snapshot)
    if isinstance(allow, Deny):
        allow = _allow(_reason(nobody), rule, decision.route, nobody, snapshot)
    if isinstance(allow, Deny):
        return decision
    would = Would(decision.rule or str(decision.reason), "deny", str(decision.reason))
    return _take_off(allow, request, None, snapshot).shadowed((*decision.shadow, would))


def _preflight_allowed(request: CheckInput, route: Route, nobody: Principal, snapshot: Snapshot) -> Decision:
    allow = _allow(Reason.PREFLIGHT, f"routes.{route.name}.cors_preflight", route.name, nobody, snapshot)
    return allow if isinstance(allow, Deny) else _take_off(allow, request, None, snapshot)


def _locate(request: CheckInput, snapshot: Snapshot, trace: Trace | None) -> tuple[Route, bool] | Deny:
    """Host, path, method → the route, and whether this is a preflight that it answers."""
    host = canonical_host(request.host)
    if trace is not None:
        trace.host(request.host, host)
    if host is None:
        return Deny(Reason.AMBIGUOUS_HOST, detail="neither a DNS name nor an address")
    path = canonical_path(request.path, folding=snapshot.routes.folding)
    if trace is not None:
        trace.path(request.path, path)
    if isinstance(path, Refused):
        return Deny(Reason.AMBIGUOUS_PATH, detail=path.detail)
    leaf = snapshot.routes.find(host, path)
    if trace is not None:
        trace.place(leaf, request)
    if leaf is None:
        return _no_route(path)
    route = leaf.choose(request.method, request.context)
    preflight = _preflight(request, leaf) if request.method == "OPTIONS" else None
    chosen = preflight or route
    if chosen is None:
        allowed = leaf.allowed(request.context)
        return Deny(Reason.METHOD_NOT_ALLOWED, "routes", allowed_methods=allowed) if allowed else _no_route(path)
    if path.features and not path.features <= chosen.features:
        return Deny(Reason.AMBIGUOUS_PATH, f"routes.{chosen.name}.allow", route=chosen.name, detail=f"path has {', '.join(path.features)}")
    if trace is not None:
        trace.route(chosen, preflight=preflight is not None)
    return chosen, preflight is not None


def _preflight(request: CheckInput, leaf: Leaf[Route]) -> Route | None:
    """Fetch standard §4.8: Origin and Access-Control-Request-Method. An OPTIONS route of its own wins."""
    requested = request.headers.get("access-control-request-method")
    if not requested or not request.headers.get("origin") or leaf.has_own("OPTIONS", request.context):
        return None
    return leaf.preflight(requested, request.context)


def _no_route(path: Path) -> Deny:
    # Doubtful features are only good on a route that admits them.
    if path.features:
        return Deny(Reason.AMBIGUOUS_PATH, "routes", detail=f"path has {', '.join(path.features)}")
    return Deny(Reason.NO_ROUTE, "routes")


def _missing(route: Route) -> Deny:
    return Deny(Reason.MISSING_CREDENTIAL, f"routes.{route.name}.authenticate", route=route.name, challenges=route.challenges)


def _refuse(outcome: Rejected | Undetermined, route: Route, presented: Presented | None, snapshot: Snapshot) -> Deny:
    """Deny for what authentication found; "they lied" and "we could not ask" keep their own reasons."""
    status = 0
    if outcome.reason is Reason.INVALID_API_KEY:
        store = presented.group.readers[0].authenticator if presented is not None else route.first_store
        status = snapshot.invalid_key_status.get(store, 0)
    return Deny(
        outcome.reason,
        f"routes.{route.name}.authenticate",
        route=route.name,
        detail=outcome.detail,
        status=status,
        challenges=route.challenges,
    )


def _unmet(route: Route, principal: Principal) -> Deny | None:
    """Return the denial if the route's demands, but for its policies, are not met.

    A route that demands nothing at all admits only by ``anonymous``.
    """
    if route.requirement is None:
        demanded = route.rules is not None and route.rules.demanding
        return None if route.anonymous or demanded else Deny(Reason.INSUFFICIENT_PERMISSION, f"routes.{route.name}", route=route.name)
    unmet = route.requirement.check(principal)
    if unmet is None:
        return None
    forbidden = unmet.reason is Reason.MISSING_CREDENTIAL and not route.challenges  # no credential would help
    return Deny(
        unmet.reason,
        f"routes.{route.name}.require.{unmet.keyword}",
        route=route.name,
        detail=unmet.detail,
        status=Reason.INSUFFICIENT_PERMISSION.status if forbidden else 0,
        principal=principal,
        challenges=route.challenges,
    )


def _reason(principal: Principal) -> Reason:
    return Reason.ANONYMOUS if principal.identity.kind == "anonymous" else Reason.PERMITTED
