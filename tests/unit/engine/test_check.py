"""The decision from end to end, in memory."""

import gc
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.authn.extract import Extraction
from sidecar.authn.key_source import read_keys
from sidecar.authn.keytable import ALWAYS
from sidecar.authz.grants import Rbac
from sidecar.engine.identity import IdentityPlan
from sidecar.engine.removals import LookAlikes
from sidecar.engine.routes import Leaf, Node
from sidecar.engine.snapshot import Route
from sidecar.model.ask import RefreshKeys, Verify
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.reason import ALLOWING, Reason
from sidecar.model.steps import to_end
from tests.support.inputs import make_input
from tests.support.tokens import WALL, jwks, mint, shared_key
from tests.support.world import KEY, OTHER, World, bearer, claims, config, key_entry, token


@pytest.fixture
def world() -> World:
    return World()


def brief(decision: Decision) -> tuple[str, str]:
    return str(decision.reason), decision.rule


def upstream(decision: Decision) -> dict[str, str]:
    assert isinstance(decision, Allow), decision.reason
    return dict(decision.mutations.upstream.set_headers)


FORGED = mint(shared_key("RS256", number=2), claims())
CASES: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "valid token": ({"path": "/posts", "headers": bearer(roles=["viewer"])}, ("permitted", "routes.list.require.permission")),
    "direct permission": ({"path": "/posts", "headers": bearer(permissions=["posts:*"])}, ("permitted", "routes.list.require.permission")),
    "permission that allow does not cover": (
        {"path": "/posts", "headers": bearer(permissions=["*"])},
        ("insufficient_permission", "routes.list.require.permission"),
    ),
    "no credential": ({"path": "/posts"}, ("missing_credential", "routes.list.authenticate")),
    "basic is no credential here": (
        {"path": "/posts", "headers": {"authorization": "Basic eA=="}},
        ("missing_credential", "routes.list.authenticate"),
    ),
    "expired": ({"path": "/posts", "headers": bearer(exp=WALL - 31)}, ("expired_token", "routes.list.authenticate")),
    "wrong audience": ({"path": "/posts", "headers": bearer(aud="x")}, ("invalid_token", "routes.list.authenticate")),
    "wrong issuer": ({"path": "/posts", "headers": bearer(iss="https://evil")}, ("invalid_token", "routes.list.authenticate")),
    "iss that is no text": ({"path": "/posts", "headers": bearer(iss=["x"])}, ("invalid_token", "routes.list.authenticate")),
    "issuer of another route": (
        {"path": "/posts", "headers": bearer(mint(shared_key("RS256", number=1), claims(iss=OTHER)))},
        ("invalid_token", "routes.list.authenticate"),
    ),
    "signed with an unknown key": ({"path": "/posts", "headers": bearer(FORGED)}, ("invalid_token", "routes.list.authenticate")),
    "opaque bearer": ({"path": "/posts", "headers": {"authorization": "Bearer opaque"}}, ("invalid_token", "routes.list.authenticate")),
    "key prefix where only tokens count": (
        {"path": "/scoped", "headers": {"authorization": f"Bearer {KEY}"}},
        ("invalid_token", "routes.scoped.authenticate"),
    ),
    "role too small": ({"path": "/admin/x", "headers": bearer(roles=["editor"])}, ("insufficient_permission", "routes.admin.require.role")),
    "scope missing": ({"path": "/scoped", "headers": bearer(scope="write")}, ("insufficient_scope", "routes.scoped.require.scope")),
    "scope": ({"path": "/scoped", "headers": bearer(scope="write read")}, ("permitted", "routes.scoped.require.scope")),
    "user grant by trusted e-mail": (
        {"method": "POST", "path": "/posts", "headers": bearer(email="jane@example.com", email_verified=True)},
        ("permitted", "routes.create.require.permission"),
    ),
    "no user grant by an e-mail that is not verified": (
        {"method": "POST", "path": "/posts", "headers": bearer(email="jane@example.com", email_verified=False)},
        ("insufficient_permission", "routes.create.require.permission"),
    ),
    "key": ({"path": "/posts", "headers": {"x-api-key": KEY}}, ("permitted", "routes.list.require.permission")),
    "key as bearer": ({"path": "/posts", "headers": {"authorization": f"Bearer {KEY}"}}, ("permitted", "routes.list.require.permission")),
    "unknown key": ({"path": "/posts", "headers": {"x-api-key": "nope"}}, ("invalid_api_key", "routes.list.authenticate")),
    "key with a mangled byte": ({"path": "/posts", "headers": {"x-api-key": KEY + "!"}}, ("invalid_api_key", "routes.list.authenticate")),
    "empty key": ({"path": "/posts", "headers": {"x-api-key": ""}}, ("invalid_api_key", "routes.list.authenticate")),
    "key where only tokens count": (
        {"path": "/scoped", "headers": {"x-api-key": KEY}},
        ("missing_credential", "routes.scoped.authenticate"),
    ),
    "two kinds of credential": (
        {"path": "/posts", "headers": {"x-api-key": KEY, **bearer()}},
        ("multiple_credentials", "routes.list.authenticate"),
    ),
    "two values": (
        {"path": "/posts", "headers": [("authorization", f"Bearer {token()}"), ("authorization", f"Bearer {token()}")]},
        ("multiple_credentials", "routes.list.authenticate"),
    ),
    "anonymous": ({"path": "/posts/1"}, ("anonymous", "routes.post.authenticate")),
    "known caller on an open route": ({"path": "/posts/1", "headers": bearer()}, ("permitted", "routes.post.authenticate")),
    "a bad token is never anonymous": ({"path": "/posts/1", "headers": bearer(FORGED)}, ("invalid_token", "routes.post.authenticate")),
    "an empty bearer is never anonymous": (
        {"path": "/posts/1", "headers": {"authorization": "Bearer "}},
        ("invalid_token", "routes.post.authenticate"),
    ),
    "authenticated": ({"path": "/me", "headers": bearer()}, ("permitted", "routes.me.require.authenticated")),
    "no route": ({"path": "/nowhere", "headers": bearer(roles=["admin"])}, ("no_route", "routes")),
    "wrong method": ({"method": "DELETE", "path": "/posts", "headers": bearer(roles=["admin"])}, ("method_not_allowed", "routes")),
    "head follows get": (
        {"method": "HEAD", "path": "/posts", "headers": bearer(roles=["viewer"])},
        ("permitted", "routes.list.require.permission"),
    ),
    "dot segments": ({"path": "/healthz/../admin"}, ("ambiguous_path", "")),
    "double escape": ({"path": "/%2561dmin"}, ("ambiguous_path", "")),
    "a feature that the route does not allow": ({"path": "/posts/a;b"}, ("ambiguous_path", "routes.post.allow")),
    "a feature without a route": ({"path": "/nowhere;x"}, ("ambiguous_path", "routes")),
    "bad host": ({"host": "a b", "path": "/healthz"}, ("ambiguous_host", "")),
    "connect": ({"method": "CONNECT", "path": ""}, ("ambiguous_path", "")),
    "upgrade": (
        {"path": "/posts", "headers": {"upgrade": "websocket", "connection": "Upgrade"}},
        ("missing_credential", "routes.list.authenticate"),
    ),
    "preflight": (
        {"method": "OPTIONS", "path": "/posts/1", "headers": {"origin": "https://a", "access-control-request-method": "GET"}},
        ("preflight", "routes.post.cors_preflight"),
    ),
    "preflight for another method": (
        {"method": "OPTIONS", "path": "/posts/1", "headers": {"origin": "https://a", "access-control-request-method": "PUT"}},
        ("method_not_allowed", "routes"),
    ),
    "options without an origin": (
        {"method": "OPTIONS", "path": "/posts/1", "headers": {"access-control-request-method": "GET"}},
        ("method_not_allowed", "routes"),
    ),
    "preflight where no route says so": (
        {"method": "OPTIONS", "path": "/posts", "headers": {"origin": "https://a", "access-control-request-method": "GET"}},
        ("method_not_allowed", "routes"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_decisions(world: World, name: str) -> None:
    """Security rules 16, 17, 18, 20: each decision twice, the second from memory where it may."""
    fields, expected = CASES[name]
    request = make_input(**fields)
    first, second = world.decide(request), world.decide(request)
    assert brief(first) == expected
    assert brief(second) == expected
    if isinstance(first, Deny):
        assert (first.detail, first.status, first.challenges) == (second.detail, second.status, second.challenges)
    else:
        assert first.mutations.upstream.set_headers == second.mutations.upstream.set_headers


def test_a_letter_that_only_some_readers_fold_is_refused_where_case_does_not_count() -> None:
    insensitive = World(config(server={"paths": {"case": "insensitive"}}))
    for path in ("/me%C5%BF", "/ADM%C4%B0N/x"):
        assert brief(insensitive.decide(path=path)) == ("ambiguous_path", "")
        assert brief(World().decide(path=path)) == ("no_route", "routes")
    assert brief(insensitive.decide(path="/ADMIN/x")) == ("missing_credential", "routes.admin.authenticate")


def with_identity(**changes: Any) -> dict[str, Any]:
    names = {"x-user-id": "subject", "x-user-email": "email", "x-user-roles": "roles", "x-user-permissions": "permissions"}
    return config(identity_headers=names, **changes)


def test_identity_headers_are_ours_whatever_the_client_sent() -> None:
    world = World(with_identity())
    sent = {**bearer(roles=["viewer"]), "x-user-id": "root", "x_user_id": "root", "X-User-Email": "root@example.com", "x-other": "1"}
    decision = world.decide(path="/posts", headers=sent)
    assert upstream(decision) == {"x-user-id": "user-1", "x-user-roles": "viewer", "x-user-permissions": "posts:read,users:read"}
    removed = (*decision.mutations.upstream.removed, *decision.mutations.removed)
    assert set(removed) == {"x-user-email", "x-api-key", "x_user_id"}
    open_route = world.decide(path="/posts/1", headers={"x-user-id": "root"})
    assert upstream(open_route) == {}
    assert "x-user-id" in open_route.mutations.upstream.removed


def test_an_identity_that_could_be_misread_is_refused() -> None:
    decision = World(with_identity()).decide(path="/me", headers=bearer(sub="a,b"))
    assert brief(decision) == ("unsafe_identity", "identity_headers")


def test_the_key_never_travels_on() -> None:
    """Security rule 15."""
    world = World()
    assert "x-api-key" in world.decide(path="/posts", headers={"x-api-key": KEY}).mutations.upstream.removed
    assert world.decide(path="/posts", headers={"authorization": f"Bearer {KEY}"}).mutations.removed == ("authorization",)
    assert world.decide(path="/healthz", headers={"authorization": f"Bearer {KEY}"}).mutations.removed == ("authorization",)
    assert world.decide(path="/posts", headers=bearer(roles=["viewer"])).mutations.removed == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked": True}, Reason.INVALID_API_KEY),
        ({"expires_at": WALL}, Reason.INVALID_API_KEY),
        ({"not_before": WALL + 1}, Reason.INVALID_API_KEY),
        ({"routes": ("me",)}, Reason.CREDENTIAL_NOT_ALLOWED_HERE),
        ({"cidrs": ("192.0.2.0/24",)}, Reason.CREDENTIAL_NOT_ALLOWED_HERE),
        ({"cidrs": ("10.0.0.0/8",), "routes": ("list",), "expires_at": WALL + 1}, Reason.PERMITTED),
        ({"roles": ()}, Reason.INSUFFICIENT_PERMISSION),
    ],
)
def test_the_state_of_a_key_counts_at_every_check(changes: dict[str, Any], reason: Reason) -> None:
    """Security rule 14."""
    world = World()
    assert world.decide(path="/posts", headers={"x-api-key": KEY}).reason is Reason.PERMITTED
    world.set_keys(key_entry(**changes))
    assert world.decide(path="/posts", headers={"x-api-key": KEY}).reason is reason


def test_a_bad_key_answers_with_its_stores_status() -> None:
    data = config()
    data["api_keys"]["partners"]["invalid_status"] = 401
    for presented in ("nope", ""):
        decision = World(data).decide(path="/posts", headers={"x-api-key": presented})
        assert isinstance(decision, Deny)
        assert (decision.status, bool(decision.challenges)) == (401, True)


def test_keys_that_cannot_be_read_are_no_verdict(world: World) -> None:
    world.tables.api_keys["partners"].current = None
    assert world.decide(path="/posts", headers={"x-api-key": KEY}).reason is Reason.DEPENDENCY_UNAVAILABLE


def test_a_warm_token_asks_nothing(world: World) -> None:
    headers = bearer(roles=["viewer"])
    world.decide(path="/posts", headers=headers)
    world.decide(path="/posts", headers=headers)
    world.decide(path="/me", headers=headers)
    assert [type(ask) for ask in world.asks] == [Verify]


def test_a_token_remembered_on_one_route_is_refused_on_another_that_does_not_take_its_issuer() -> None:
    data = config()
    data["routes"]["theirs"] = {"paths": ["/theirs"], "authenticate": ["other"], "require": {"authenticated": True}}
    world = World(data)
    headers = bearer(roles=["viewer"])
    for _ in range(3):
        assert world.decide(path="/me", headers=headers).reason is Reason.PERMITTED
    assert world.decide(path="/theirs", headers=headers).reason is Reason.INVALID_TOKEN


@pytest.mark.parametrize("after", [600, 601])
def test_a_remembered_token_ends_with_its_exp(world: World, after: int) -> None:
    headers = bearer(roles=["viewer"])
    for _ in range(3):
        assert world.decide(path="/posts", headers=headers).reason is Reason.PERMITTED
    world.clock.wall += after + 30
    assert world.decide(path="/posts", headers=headers).reason is Reason.EXPIRED_TOKEN


def test_time_that_steps_back_makes_a_remembered_token_not_valid_yet(world: World) -> None:
    headers = bearer(roles=["viewer"], nbf=WALL - 10)
    for _ in range(3):
        assert world.decide(path="/posts", headers=headers).reason is Reason.PERMITTED
    world.clock.wall -= 100
    assert world.decide(path="/posts", headers=headers).reason is Reason.INVALID_TOKEN
    world.clock.wall += 100
    assert world.decide(path="/posts", headers=headers).reason is Reason.PERMITTED


def test_a_time_limited_grant_ends_on_a_remembered_token() -> None:
    data = config(users=[{"match": {"issuer": "corp", "subject": "user-1"}, "roles": ["admin"], "expires_at": "2027-01-15T08:00:10Z"}])
    world = World(data)
    for _ in range(3):
        assert world.decide(path="/admin/x", headers=bearer()).reason is Reason.PERMITTED
    world.clock.wall += 11
    assert world.decide(path="/admin/x", headers=bearer()).reason is Reason.INSUFFICIENT_PERMISSION


def keys_of(data: dict[str, Any], *keys: Any) -> dict[str, Any]:
    data["issuers"]["corp"]["keys"] = {"inline": {"keys": [key.jwk() for key in keys]}}
    return data


def test_an_added_key_leaves_remembered_tokens_and_a_removed_one_does_not(world: World) -> None:
    headers = bearer(roles=["viewer"])
    assert world.decide(path="/posts", headers=headers).reason is Reason.PERMITTED
    snapshot = world.current.snapshot
    issuer = snapshot.issuers["corp"]
    issuer.table.replace(to_end(read_keys(issuer.settings, jwks(shared_key("RS256"), shared_key("RS256", "k9", 9)))), ALWAYS)
    assert world.decide(path="/posts", headers=headers).reason is Reason.PERMITTED
    assert len(world.asks) == 1
    issuer.table.replace(to_end(read_keys(issuer.settings, jwks(shared_key("RS256", "k9", 9)))), ALWAYS)
    assert world.decide(path="/posts", headers=headers).reason is Reason.INVALID_TOKEN
    issuer.table.replace(to_end(read_keys(issuer.settings, jwks(shared_key("RS256", number=5)))), ALWAYS)  # the same kid, another key
    assert world.decide(path="/posts", headers=headers).reason is Reason.INVALID_TOKEN


def test_a_reload_of_roles_counts_at_once_and_one_of_routes_keeps_what_is_remembered(world: World) -> None:
    headers = bearer(roles=["viewer"])
    assert world.decide(path="/posts", headers=headers).reason is Reason.PERMITTED
    data = config()
    data["routes"]["extra"] = {"paths": ["/extra"], "authenticate": ["corp"], "require": {"authenticated": True}}
    world.load(data)
    assert world.decide(path="/extra", headers=headers).reason is Reason.PERMITTED
    assert len(world.asks) == 1
    data["roles"] = {"viewer": {"permissions": ["users:read"]}, "admin": {"permissions": ["*"]}, "editor": {"permissions": ["x:y"]}}
    world.load(data)
    assert world.decide(path="/posts", headers=headers).reason is Reason.INSUFFICIENT_PERMISSION
    data["issuers"]["corp"]["audiences"] = ["https://another.example.com"]
    world.load(data)
    assert world.decide(path="/posts", headers=headers).reason is Reason.INVALID_TOKEN


def test_a_reload_leaves_nothing_of_the_old_snapshot_behind() -> None:
    """After a swap all objects are frozen: what is in a cycle would stay for good."""
    world = World()
    for headers in (bearer(roles=["viewer"]), {"x-api-key": KEY}, {}):
        world.decide(path="/posts", headers=headers)
    gc.collect()
    gc.disable()
    try:
        counts = []
        for number in range(3):
            data = config()
            data["routes"]["extra"] = {"paths": [f"/extra/{number}"], "authenticate": ["corp"], "require": {"authenticated": True}}
            data["issuers"]["corp"]["clock_skew"] = f"{number + 1}s"
            data["roles"]["viewer"] = {"permissions": ["posts:read", f"x:{number}"]}
            world.load(data)
            for headers in (bearer(roles=["viewer"]), {"x-api-key": KEY}, {}):
                for _ in range(2):
                    world.decide(path="/posts", headers=headers)
            kinds = (Route, Node, Leaf, Rbac, Extraction, LookAlikes, IdentityPlan)
            counts.append(Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds)))
        assert counts[0] == counts[1] == counts[2]
    finally:
        gc.enable()


def test_a_flood_of_bad_tokens_leaves_good_ones_remembered(world: World) -> None:
    good = bearer(roles=["viewer"])
    world.decide(path="/posts", headers=good)
    for index in range(3000):
        head, body, signature = token().split(".")
        world.decide(path="/posts", headers=bearer(f"{head}.{body}.{index:04d}{signature[4:]}"))
    before = len(world.asks)
    assert world.decide(path="/posts", headers=good).reason is Reason.PERMITTED
    assert len(world.asks) == before
    sizes = world.engine.authenticator.tokens.sizes()
    assert sizes["tokens"] == 1
    assert sizes["rejected_tokens"] <= 1024


def test_a_rejection_is_remembered_for_a_while(world: World) -> None:
    headers = bearer(FORGED)
    for _ in range(3):
        world.decide(path="/posts", headers=headers)
    assert len([ask for ask in world.asks if isinstance(ask, Verify)]) == 1
    world.clock.seconds += 11
    world.decide(path="/posts", headers=headers)
    assert len([ask for ask in world.asks if isinstance(ask, Verify)]) == 2
    assert not [ask for ask in world.asks if isinstance(ask, RefreshKeys)]  # inline keys cannot be refreshed


NAMES = st.sampled_from(
    ["x-user-id", "x_user_id", "accept", "x-request-id", "cookie", "x-original-url", "x-http-method-override", "forwarded", "x-n"]
)
EXTRA = st.lists(st.tuples(NAMES, st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(CASES)), extra=EXTRA)
def test_an_irrelevant_header_never_changes_a_verdict_and_a_remembered_answer_equals_a_fresh_one(
    world: World, name: str, extra: list[tuple[str, str]]
) -> None:
    fields, expected = CASES[name]
    headers = fields.get("headers", {})
    pairs = [*(headers.items() if isinstance(headers, dict) else headers), *extra]
    request = make_input(**{**fields, "headers": pairs})
    world.load(with_identity())
    warm, fresh = world.decide(request), World(with_identity()).decide(request)
    assert brief(warm) == brief(fresh) == expected
    if isinstance(warm, Allow) and isinstance(fresh, Allow):
        assert warm.mutations.upstream.set_headers == fresh.mutations.upstream.set_headers
        assert warm.mutations[1:] == fresh.mutations[1:]
        names = {one for one, _ in warm.mutations.upstream.set_headers}
        assert names.isdisjoint((*warm.mutations.upstream.removed, *warm.mutations.removed))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "X", ""]),
    path=st.one_of(st.text(max_size=20), st.sampled_from(["/posts", "/posts/1", "/admin/x", "/healthz", "/me"])),
    host=st.one_of(st.just("api.example.com"), st.text(max_size=10)),
    headers=st.lists(st.tuples(st.sampled_from(["authorization", "x-api-key", "origin", "cookie"]), st.text(max_size=20)), max_size=4),
)
def test_no_allow_without_a_rule_that_grants_it(world: World, method: str, path: str, host: str, headers: list[tuple[str, str]]) -> None:
    decision = world.decide(method=method, path=path, host=host, headers=headers)
    if isinstance(decision, Allow):
        assert decision.reason in ALLOWING
        assert decision.rule in {"routes.post.authenticate", "routes.health.authenticate", "routes.post.cors_preflight"}
