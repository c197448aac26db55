"""Reviews agree with brute force: the engine deciding every generated request of every generated caller."""

from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sidecar.app.review.access import access
from sidecar.app.review.changes import OPENING
from sidecar.app.review.compare import compare_validated
from sidecar.app.review.rows import Row
from sidecar.app.review.whocan import who_can
from sidecar.model.decision import Allow, Decision
from sidecar.model.key_entry import KeyEntry
from sidecar.model.permission import compile_permissions
from sidecar.model.principal import Principal
from sidecar.model.reason import Reason

from .worlds import (
    CALLERS,
    CONDITIONS,
    GRANTED,
    HOUR,
    MORE_CALLERS,
    PATTERNS,
    REQUESTS,
    ROLES,
    WALL,
    Caller,
    World,
    documents,
    key_entries,
    requirements,
    some,
    world_of,
)

BOUNDS = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
)
MANY_CALLERS = st.lists(MORE_CALLERS, min_size=3, max_size=5).map(lambda more: [*CALLERS, *more])


def concerns(row: Row, caller: Caller, principal: Principal | None) -> bool:
    """Whether a line of a review is about this caller, among others."""
    if caller.key:
        return row.kind == "key" and row.name == caller.key
    if caller.claims is None:
        return row.kind == "anonymous"
    if principal is None:
        return row.kind == "anyone"
    identity = principal.identity
    match row.kind:
        case "anyone":
            return True
        case "role":
            return row.name in principal.roles
        case "permission":
            return compile_permissions(identity.permissions).grants(row.name)
        case "user":
            return row.name == identity.subject or (identity.email_trusted and row.name == identity.email)
    return False


@BOUNDS
@given(documents(), key_entries(), MANY_CALLERS)
def test_who_can_agrees_with_the_engine(document: dict[str, Any], keys: tuple[KeyEntry, ...], callers: list[Caller]) -> None:
    world = world_of(document, keys)
    assume(world is not None)
    assert world is not None
    reviewed = world.reviewed()
    rows = {name: who_can(reviewed, name).rows for name in document["routes"]}
    for caller in filter(world.believes, callers):
        for request in REQUESTS:
            decision = world.decide(caller, request)
            if not decision.route or decision.reason in {Reason.PREFLIGHT, Reason.AMBIGUOUS_PATH}:
                continue
            if not accepted(document, decision.route, caller):
                assert not isinstance(decision, Allow)
                continue
            about = [row for row in rows[decision.route] if concerns(row, caller, decision.principal)]
            if isinstance(decision, Allow):
                assert [row for row in about if row.verdict != "never"], (decision.route, caller, rows[decision.route])
            else:
                assert not [row for row in about if row.verdict == "always"], (
                    decision.route,
                    decision.reason,
                    decision.detail,
                    caller,
                    about,
                )


def accepted(document: dict[str, Any], route: str, caller: Caller) -> bool:
    return ("corp" if caller.claims else "partners" if caller.key else "anonymous") in document["routes"][route]["authenticate"]


@BOUNDS
@given(documents(), key_entries(), MANY_CALLERS)
def test_access_agrees_with_the_engine(document: dict[str, Any], keys: tuple[KeyEntry, ...], callers: list[Caller]) -> None:
    world = world_of(document, keys)
    assume(world is not None)
    assert world is not None
    reviewed = world.reviewed()
    for caller in callers:
        name = f"corp:{caller.claims['sub']}" if caller.claims else f"key:partners/{caller.key}" if caller.key else "anonymous"
        if not world.believes(caller):
            continue
        verdicts: dict[str, set[str]] = {}
        for row in access(reviewed, name).rows:
            for route in row.routes:
                verdicts.setdefault(route, set()).add(row.verdict)
        for request in REQUESTS:
            decision = world.decide(caller, request)
            if not decision.route or decision.reason in {Reason.PREFLIGHT, Reason.AMBIGUOUS_PATH}:
                continue
            found = verdicts.get(decision.route, {"never"})
            if isinstance(decision, Allow):
                assert found != {"never"}, (decision.route, caller)
            elif accepted(document, decision.route, caller):
                assert found != {"always"}, (decision.route, decision.reason, caller)


KINDS = ["role", "users", "policy", "claims", "route", "path", "require", "allow", "preflight", "audiences", "keys"]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[World | None, World | None]:
    """A configuration and one that differs from it in one thing, so that nothing else can open by chance."""
    old, keys = draw(documents()), draw(key_entries())
    new = deepcopy(old)
    kind = draw(st.sampled_from(KINDS))
    if kind == "keys":
        return world_of(old, keys), world_of(old, draw(key_entries()))
    if kind == "role":
        new["roles"][draw(st.sampled_from(ROLES))]["permissions"] = draw(some(GRANTED, least=1))
    elif kind == "users":
        new["users"] = [{"match": {"issuer": "corp", "subject": "ann"}, "roles": draw(some(ROLES, least=1))}]
    elif kind == "policy":
        new["policies"][draw(st.sampled_from(sorted(new["policies"])))]["conditions"] = draw(st.sampled_from(CONDITIONS))
    elif kind == "claims":
        new["issuers"]["corp"]["claims"]["roles"]["allow"] = draw(some(ROLES, least=1))
    elif kind == "audiences":
        new["issuers"]["corp"]["audiences"] = draw(some(["aud1", "aud2"], least=1))
    elif kind != "none":
        name = draw(st.sampled_from(sorted(new["routes"])))
        _change_route(draw, kind, new, name)
    return world_of(old, keys), world_of(new, keys)


def _change_route(draw: st.DrawFn, kind: str, document: dict[str, Any], name: str) -> None:
    changed = document["routes"][name]
    if kind == "route":
        if draw(st.booleans()) and len(document["routes"]) > 1:
            del document["routes"][name]
        else:
            document["routes"]["renamed"] = document["routes"].pop(name)
    elif kind == "path":
        changed["paths"] = [draw(st.sampled_from(PATTERNS))]
    elif kind == "require":
        allows = [one for one, policy in document["policies"].items() if policy["effect"] == "allow" and "mode" not in policy]
        changed["require"] = draw(requirements(allows))
    elif kind == "allow":
        changed.update({"allow": ["semicolon"]} if "allow" not in changed else {"allow": ["dots"]})
    else:
        changed.update({"cors_preflight": "allow"})


def verdict(decision: Decision) -> bool:
    # A role or subject that no header can carry is refused, which a review does not look at.
    return isinstance(decision, Allow)


@BOUNDS
@given(pairs(), MANY_CALLERS, st.sampled_from([0.0, HOUR / 3, HOUR]))
def test_diff_tells_whatever_changes(both: tuple[World | None, World | None], callers: list[Caller], later: float) -> None:
    old, new = both
    assume(old is not None and new is not None)
    assert old is not None
    assert new is not None
    found = compare_validated(old.validated, new.validated, ("old", "new"), WALL)
    for caller in callers:
        for request in REQUESTS:
            before, after = verdict(old.decide(caller, request, WALL + later)), verdict(new.decide(caller, request, WALL + later))
            if after and not before:
                assert found.effect in OPENING, (caller, request, found)
            elif before and not after:
                assert found.effect != "none", (caller, request, found)


@BOUNDS
@given(documents(), key_entries())
def test_nothing_differs_from_itself(document: dict[str, Any], keys: tuple[KeyEntry, ...]) -> None:
    world = world_of(document, keys)
    assume(world is not None)
    assert world is not None
    found = compare_validated(world.validated, world.validated, ("a", "a"), WALL)
    assert (found.effect, found.changes, found.settings) == ("none", (), ())
