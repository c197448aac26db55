"""Host, path, method and context to a route, end to end: what a weaker route must not answer for."""

from typing import Any

import pytest

from sidecar.model.decision import Deny
from sidecar.model.reason import Reason
from tests.support.world import World, bearer, config

PREFLIGHT = {"origin": "https://a", "access-control-request-method": "GET"}
DEMANDING = {"authenticate": ["corp"], "require": {"authenticated": True}}


def with_routes(**routes: Any) -> World:
    return World(config(routes=routes))


def test_the_short_way_to_a_route_leaves_dots_to_the_long_one() -> None:
    """Security rule 20."""
    for path in ("/posts/..", "/posts/.", "/posts/...", "/posts/a."):
        assert World().decide(path=path).reason is Reason.AMBIGUOUS_PATH


def test_a_route_admits_the_features_that_it_names_and_no_others() -> None:
    world = with_routes(files={"paths": ["/files/{name}"], "allow": ["semicolon"], **DEMANDING})
    assert world.decide(path="/files/a;b", headers=bearer()).reason is Reason.PERMITTED
    for path in ("/files/a%2Fb", "/files/a;b%2Fc", "/files/a;b."):
        assert world.decide(path=path, headers=bearer()).reason is Reason.AMBIGUOUS_PATH


def test_a_host_with_routes_of_its_own_never_falls_back() -> None:
    world = with_routes(
        strict={"hosts": ["strict.example"], "paths": ["/a"], **DEMANDING},
        open={"paths": ["/{rest=**}"], "authenticate": ["anonymous"]},
    )
    assert world.decide(host="other.example", path="/b").reason is Reason.ANONYMOUS
    for path in ("/b", "/b/", "/a/b"):
        assert world.decide(host="strict.example", path=path).reason is Reason.NO_ROUTE


@pytest.mark.parametrize("path", ["/a", "/a/"])
def test_a_route_for_one_context_answers_for_no_other(path: str) -> None:
    """By the short way to a route and by the long one."""
    world = with_routes(one={"paths": ["/a"], "match": {"context": {"vhost": "one", "zone": "z"}}, "authenticate": ["anonymous"]})
    for context in ({}, {"vhost": "one"}, {"vhost": "two", "zone": "z"}):
        assert world.decide(path=path, context=context).reason is Reason.NO_ROUTE
    assert world.decide(path=path, context={"vhost": "one", "zone": "z"}).reason is Reason.ANONYMOUS


@pytest.mark.parametrize("path", ["/own", "/own/"])
def test_only_options_is_a_preflight(path: str) -> None:
    world = with_routes(own={"methods": ["GET"], "paths": ["/own"], "cors_preflight": "allow", **DEMANDING})
    assert world.decide(method="OPTIONS", path=path, headers=PREFLIGHT).reason is Reason.PREFLIGHT
    assert world.decide(path=path, headers=PREFLIGHT).reason is Reason.MISSING_CREDENTIAL


@pytest.mark.parametrize("path", ["/own", "/own/"])
def test_an_options_route_of_its_own_answers_for_preflights(path: str) -> None:
    world = with_routes(
        own={"methods": ["GET"], "paths": ["/own"], "cors_preflight": "allow", **DEMANDING},
        options={"methods": ["OPTIONS"], "paths": ["/own"], **DEMANDING},
    )
    assert world.decide(method="OPTIONS", path=path, headers=PREFLIGHT).reason is Reason.MISSING_CREDENTIAL


def test_a_route_that_demands_nothing_admits_nobody_but_by_anonymous() -> None:
    """Security rule 18. The configuration refuses such a route; should one be compiled all the same, it is shut."""
    world = World()
    assert world.current.snapshot is not None
    route = world.current.snapshot.routes.usual("GET", "api.example.com", "/me")
    assert route is not None
    object.__setattr__(route, "requirement", None)
    decision = world.decide(path="/me", headers=bearer(roles=["admin"]))
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.rule) == (Reason.INSUFFICIENT_PERMISSION, "routes.me")
    assert world.decide(path="/me").reason is Reason.MISSING_CREDENTIAL
