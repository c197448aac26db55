"""The engine deciding recorded requests again, under one configuration, as far as records tell."""

from collections.abc import Generator, Mapping
from functools import cached_property
from ipaddress import ip_network
from typing import Literal, NamedTuple, TypeAlias

from sidecar.authn.api_key import ApiKeyRecord, check_record
from sidecar.authn.keytable import KeyTable
from sidecar.engine.check import decide_as
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.rules import REQUIRING
from sidecar.engine.snapshot import ApiKeyTableRef, LiveTables, Snapshot
from sidecar.model.decision import Allow, Decision
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.outcome import Rejected
from sidecar.model.principal import Identity
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from sidecar.model.settings import RouteSettings
from sidecar.model.steps import to_end

from .recorded import Recorded
from .reviewed import ANONYMOUS, Reviewed

Outcome: TypeAlias = Literal["allow", "deny", "open"]
NOBODY = Identity(kind="anonymous", authenticator="", issuer="", subject="")
_POLICY_REASONS = frozenset({Reason.POLICY_DENIED, Reason.POLICY_NOT_SATISFIED})
_NOT_KEPT = ("request.headers.", "request.query.", "request.body.", "environment.device_type", "environment.country")
_KEPT_OF_TOKENS = frozenset({"user.id", "user.role", "user.permissions", "user.issuer", "user.authenticator"})
"""Roles and permissions are tried out (``Carried``); the rest of what a token says is nowhere."""


class Decided(NamedTuple):
    """``open``: it hinges on what a record does not keep. ``text``: reason and rule."""

    outcome: Outcome
    text: str
    route: str


class Carried(NamedTuple):
    """What a token may have carried: a record does not say. ``generous``: all scopes and audiences that matter, or none."""

    roles: frozenset[str]
    permissions: frozenset[str]
    generous: bool


class Decider:
    """Decides under one configuration."""

    def __init__(self, reviewed: Reviewed) -> None:
        """Take the configuration; nothing is fetched, and no credential is needed."""
        self.reviewed = reviewed
        settings = reviewed.settings
        tables = LiveTables(
            keys={name: KeyTable() for name in settings.issuers}, api_keys={name: ApiKeyTableRef() for name in settings.api_keys}
        )
        self._snapshot: Snapshot = to_end(compile_snapshot(settings, reviewed.revision, tables, Meter()))
        self._by_iss = {issuer.issuer: name for name, issuer in settings.issuers.items()}

    @cached_property
    def _keys(self) -> Mapping[tuple[str, str], ApiKeyRecord]:
        return {
            (store, entry.id): ApiKeyRecord(entry, store, tuple(map(ip_network, entry.cidrs)))
            for store, entries in self.reviewed.keys.items()
            for entry in entries
        }

    def context_of(self, route: str) -> Mapping[str, str]:
        """Return the context that a recorded route was narrowed to: what Envoy must have sent."""
        settings = self.reviewed.settings.routes.get(route)
        return settings.context if settings is not None else {}

    def issuer_of(self, recorded: Recorded) -> str | None:
        """Return what the configuration calls the issuer of a recorded caller."""
        return self._by_iss.get(recorded.issuer)

    def authenticator_of(self, recorded: Recorded) -> str:
        """Return what the configuration calls whoever vouches for a recorded caller."""
        if not recorded.authenticator:
            return ANONYMOUS
        return recorded.authenticator if recorded.key_id else self.issuer_of(recorded) or ""

    def decide(self, recorded: Recorded, carried: Carried, context: Mapping[str, str]) -> Decided:
        """Decide a recorded request again, for a caller whose token carried this."""
        request = recorded.request(context)
        if recorded.key_id:
            return self._by_key(recorded, request)
        if not recorded.authenticator:
            return self._decided(NOBODY, request, recorded.wall)
        issuer = self.issuer_of(recorded)
        if issuer is None:
            return Decided("deny", "invalid_token: the issuer is not known", "")
        return self._decided(self._token(issuer, recorded, carried), request, recorded.wall)

    def _by_key(self, recorded: Recorded, request: CheckInput) -> Decided:
        record = self._keys.get((recorded.authenticator, recorded.key_id))
        if record is None:
            return Decided("open" if not self.reviewed.with_files else "deny", "invalid_api_key: there is no such key", "")
        found = self._decided(record.identity, request, recorded.wall)
        if not found.route:
            return found
        rejected = check_record(record, route=found.route, source_ip=request.source_ip, now_wall=recorded.wall)
        return Decided("deny", f"{rejected.reason}: {rejected.detail}", found.route) if isinstance(rejected, Rejected) else found

    def _token(self, issuer: str, recorded: Recorded, carried: Carried) -> Identity:
        claims = self.reviewed.settings.issuers[issuer].claims
        capped = claims.scopes is not None and claims.scopes.ceiling
        scopes = self._named("scope") if carried.generous and claims.scopes is not None and not capped else ()
        audiences = (*self.reviewed.settings.issuers[issuer].audiences, *self._named("audiences")) if carried.generous else ()
        return Identity(
            kind="jwt",
            authenticator=issuer,
            issuer=recorded.issuer,
            subject=recorded.subject,
            roles=tuple(sorted(role for role in carried.roles if self.reviewed.can_give(issuer, role))),
            permissions=tuple(sorted(name for name in carried.permissions if self.reviewed.can_claim(issuer, name))),
            scopes=scopes,
            scopes_are_ceiling=capped and not carried.generous,
            audiences=audiences,
        )

    def _named(self, keyword: str) -> tuple[str, ...]:
        return tuple(sorted(self._all_named[keyword]))

    @cached_property
    def _all_named(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {"scope": set(), "audiences": set()}
        for route in self.reviewed.settings.routes.values():
            for keyword, values in route.require.parts if route.require is not None else ():
                found.setdefault("scope" if "scope" in keyword else keyword, set()).update(values)
        return found

    def _decided(self, identity: Identity, request: CheckInput, wall: float) -> Decided:
        principal = self._snapshot.rbac.principal(identity, wall)
        decision = decide_as(principal, request, self._snapshot, Instant(wall, 0.0))
        if isinstance(decision, Generator):
            decision.close()
            return Decided("open", "hinges on an attribute source", "")
        text = f"{decision.reason}" + (f" by {decision.rule}" if decision.rule else "")
        if self._is_open(decision, of_token=identity.kind == "jwt"):
            return Decided("open", f"{text}: hinges on what a record does not keep", decision.route)
        return Decided("allow" if isinstance(decision, Allow) else "deny", text, decision.route)

    def _is_open(self, decision: Decision, *, of_token: bool) -> bool:
        """Whether some policy that may have decided looks at what a record does not keep."""
        if decision.reason is Reason.DEPENDENCY_UNAVAILABLE:
            return True
        route = self.reviewed.settings.routes.get(decision.route)
        if route is None or not (isinstance(decision, Allow) or decision.reason in _POLICY_REASONS):
            return False
        policies = (self.reviewed.settings.policies[name] for name in _policies_of(route))
        return any(_is_not_kept(name, of_token=of_token) for policy in policies if not policy.shadow for name in policy.attributes)


def _is_not_kept(attribute: str, *, of_token: bool) -> bool:
    if attribute.startswith(_NOT_KEPT):
        return True
    return of_token and attribute.startswith("user.") and attribute not in _KEPT_OF_TOKENS and not attribute.startswith("user.metadata.")


def _policies_of(route: RouteSettings) -> tuple[str, ...]:
    parts = route.require.parts if route.require is not None else ()
    return (*route.deny, *(name for keyword, values in parts if keyword in REQUIRING for name in values))
