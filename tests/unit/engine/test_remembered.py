"""What is remembered counts only as long, and only where, a fresh decision would say the same; on both ways.

Most of these were written for a break of the code (campaigns/mutate) that no other test noticed.
"""

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.authn.api_key import digest_of
from sidecar.authn.key_source import read_keys
from sidecar.authn.keytable import ALWAYS
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.reason import Reason
from sidecar.model.steps import to_end
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest
from tests.support.tokens import WALL, claims, jwks, mint, shared_key
from tests.support.world import KEY, PEPPER, World, allowed, bearer, config, key_entry, payload, token

ANOTHER_KEY = "sk_test_1111111111111111111111111111111111111"


def reason(world: World, way: str, **fields: Any) -> Reason:
    """Decide on the way of the engine, or on that of the boundary, which is the short one where it can be."""
    if way == "engine":
        return world.decide(**fields).reason
    world.answer(payload(**fields))
    return world.sink.decisions[-1].reason


both_ways = pytest.mark.parametrize("way", ["engine", "boundary"])


@both_ways
def test_a_remembered_token_with_another_signature_is_another_token(way: str) -> None:
    """Security rule 3."""
    world, good = World(), token(roles=["viewer"])
    body, _, signature = good.rpartition(".")
    for _ in range(3):
        assert reason(world, way, path="/posts", headers=bearer(good)) is Reason.PERMITTED
    assert reason(world, way, path="/posts", headers=bearer(f"{body}.{signature[::-1]}")) is Reason.INVALID_TOKEN
    other = mint(shared_key("RS256", number=2), claims(roles=["viewer"]))
    assert reason(world, way, path="/posts", headers=bearer(f"{body}.{other.rpartition('.')[2]}")) is Reason.INVALID_TOKEN


@both_ways
@pytest.mark.parametrize("reloaded", [False, True])
def test_a_remembered_token_counts_no_longer_than_its_keys_may(way: str, reloaded: bool) -> None:
    """Security rule 10."""
    world, fields = World(), {"path": "/me", "headers": bearer()}

    def fetched() -> None:
        assert world.current.snapshot is not None
        issuer = world.current.snapshot.issuers["corp"]
        issuer.stale_max = 100.0
        assert issuer.table.current is not None
        issuer.table.replace(issuer.table.current, 1000.0)

    fetched()
    for _ in range(3):
        assert reason(world, way, **fields) is Reason.PERMITTED
    if reloaded:
        world.load(config())
        fetched()
    world.clock.seconds = 1100.0
    if not reloaded:
        assert reason(world, way, **fields) is Reason.PERMITTED
    world.clock.seconds = 1100.1
    assert reason(world, way, **fields) is Reason.KEYS_UNAVAILABLE


def roles_changed(data: dict[str, Any]) -> None:
    data["roles"] = {"viewer": {"permissions": ["users:read"]}, "editor": {"permissions": ["x:y"]}, "admin": {"permissions": ["*"]}}


def audiences_changed(data: dict[str, Any]) -> None:
    data["issuers"]["corp"]["audiences"] = ["https://another.example.com"]


@both_ways
@pytest.mark.parametrize(
    ("change", "expected"), [(roles_changed, Reason.INSUFFICIENT_PERMISSION), (audiences_changed, Reason.INVALID_TOKEN)]
)
def test_a_reload_counts_while_the_keys_stay_as_they_are(way: str, change: Callable[[dict[str, Any]], None], expected: Reason) -> None:
    world, data, fields = World(), config(), {"path": "/posts", "headers": bearer(roles=["viewer"])}
    for _ in range(3):
        assert reason(world, way, **fields) is Reason.PERMITTED
    held = world.tables.keys["corp"].held
    change(data)
    world.load(data)
    world.tables.keys["corp"].held = held  # fetched keys outlive a reload; those of a World are read anew
    for _ in range(3):
        assert reason(world, way, **fields) is expected


def test_after_a_reload_a_remembered_token_counts_only_where_its_issuer_does() -> None:
    data = config()
    data["routes"]["theirs"] = {"paths": ["/theirs"], "authenticate": ["other"], "require": {"authenticated": True}}
    world = World(data)
    assert world.decide(path="/me", headers=bearer()).reason is Reason.PERMITTED
    world.load(data)
    assert world.decide(path="/theirs", headers=bearer()).reason is Reason.INVALID_TOKEN
    assert world.decide(path="/me", headers=bearer()).reason is Reason.PERMITTED


def test_a_refusal_is_forgotten_when_other_keys_come() -> None:
    world = World()
    headers = bearer(mint(shared_key("RS256", number=2), claims()))
    assert world.decide(path="/me", headers=headers).reason is Reason.INVALID_TOKEN
    assert world.current.snapshot is not None
    issuer = world.current.snapshot.issuers["corp"]
    issuer.table.replace(to_end(read_keys(issuer.settings, jwks(shared_key("RS256", number=2)))), ALWAYS)
    assert world.decide(path="/me", headers=headers).reason is Reason.PERMITTED


def test_a_refusal_that_time_ends_is_not_remembered() -> None:
    world, headers = World(), bearer(nbf=WALL + 31)
    assert world.decide(path="/me", headers=headers).reason is Reason.INVALID_TOKEN
    world.clock.wall += 1
    assert world.decide(path="/me", headers=headers).reason is Reason.PERMITTED


@both_ways
def test_what_is_remembered_of_one_route_is_no_verdict_on_another(way: str) -> None:
    world, headers = World(), bearer()
    for _ in range(3):
        assert reason(world, way, path="/me", headers=headers) is Reason.PERMITTED
    for _ in range(3):
        assert reason(world, way, path="/scoped", headers=headers) is Reason.INSUFFICIENT_SCOPE
        assert reason(world, way, path="/posts", headers=headers) is Reason.INSUFFICIENT_PERMISSION
        assert reason(world, way, path="/me", headers=headers) is Reason.PERMITTED


def test_each_key_of_an_owner_has_its_own_roles() -> None:
    world = World(keys=(key_entry(), key_entry(ANOTHER_KEY, id="k-2", roles=())))
    for _ in range(2):
        assert world.decide(path="/posts", headers={"x-api-key": KEY}).reason is Reason.PERMITTED
        assert world.decide(path="/posts", headers={"x-api-key": ANOTHER_KEY}).reason is Reason.INSUFFICIENT_PERMISSION


def test_no_key_has_the_character_that_stands_for_bad_bytes() -> None:
    """Security rule 13: bytes that are no text read as ``!``, so a key with one could be any of many."""
    world = World(keys=(key_entry("sk_!", digest=digest_of("sk_!", "p", PEPPER)),))
    assert world.decide(path="/me", headers={"x-api-key": "sk_!"}).reason is Reason.INVALID_API_KEY


def test_each_issuer_has_its_own_largest_token() -> None:
    world = World()
    assert world.current.snapshot is not None
    world.current.snapshot.issuers["corp"].max_token_size = len(token()) - 1
    decision = world.decide(path="/me", headers=bearer())
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.detail) == (Reason.INVALID_TOKEN, "longer than max_token_size")


def users_gone(data: dict[str, Any]) -> None:
    del data["users"]


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        pytest.param({"path": "/posts", "headers": {"x-api-key": KEY}}, roles_changed, id="roles of a key"),
        pytest.param(
            {"method": "POST", "path": "/posts", "headers": bearer(email="jane@example.com", email_verified=True)}, users_gone, id="users"
        ),
    ],
)
def test_a_reload_of_grants_counts_at_once(fields: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    world, data = World(), config()
    for _ in range(2):
        assert world.decide(**fields).reason is Reason.PERMITTED
    change(data)
    world.load(data)
    assert world.decide(**fields).reason is Reason.INSUFFICIENT_PERMISSION


def test_a_reload_of_identity_headers_counts_at_once() -> None:
    world, seen = World(config(identity_headers={"x-who": "subject"})), []
    for names in ({"x-who": "subject"}, {"x-user": "subject"}):
        world.load(config(identity_headers=names))
        decision = world.decide(path="/me", headers=bearer())
        assert isinstance(decision, Allow)
        seen.append(decision.mutations.upstream.set_headers)
    assert seen == [(("x-who", "user-1"),), (("x-user", "user-1"),)]
    assert [type(ask).__name__ for ask in world.asks] == ["Verify"]  # the second was from memory


def gone(decision: Decision) -> set[str]:
    assert isinstance(decision, Allow), decision.reason
    mutations = decision.mutations
    return {*mutations.removed, *mutations.query_removed, *(f"{name}={value}" for name, value in mutations.set_headers)}


@pytest.mark.parametrize(
    ("cookies", "extra", "removed"),
    [
        (False, {"x_user_id": "root"}, {"x_user_id"}),
        (False, {"x-auth-level": "9"}, {"x-auth-level"}),
        (True, {"cookie": "a=1; session=secret"}, {"cookie=a=1"}),
        (True, {"cookie": "session=secret"}, {"cookie"}),
    ],
)
def test_what_has_to_be_taken_off_goes_from_every_request(cookies: bool, extra: dict[str, str], removed: set[str]) -> None:
    """Security rule 15. Remembered or not, first or last."""
    data = config(identity_headers={"x-user-id": "subject"}, strip_headers=["x-auth-*"])
    if cookies:
        data["issuers"]["other"]["credentials"] = [{"cookie": "session", "forward": False}]
    world, headers = World(data), bearer(roles=["viewer"])
    for _ in range(3):
        assert gone(world.decide(path="/posts", headers=headers)) == set()
        assert gone(world.decide(path="/posts", headers={**headers, **extra})) == removed


def warm(world: World, **fields: Any) -> None:
    """Have the boundary remember the answer, so that the short way gives it."""
    for _ in range(3):
        assert allowed(world.answer(payload(**fields)))


def test_the_short_way_leaves_what_has_to_be_taken_off_to_the_long_one() -> None:
    world, headers = World(config(identity_headers={"x-user-id": "subject"})), bearer()
    warm(world, path="/me", headers=headers)
    response = world.answer(payload(path="/me", headers={**headers, "x_user_id": "root"}))
    assert list(response.ok_response.headers_to_remove) == ["x-api-key", "x_user_id"]


def test_the_short_way_leaves_a_second_credential_to_the_long_one() -> None:
    """Security rule 16."""
    world, headers = World(), bearer()
    warm(world, path="/me", headers={"x-api-key": KEY})  # so that the name itself is known
    warm(world, path="/me", headers=headers)
    assert reason(world, "boundary", path="/me", headers={**headers, "x-api-key": KEY}) is Reason.MULTIPLE_CREDENTIALS


def test_the_short_way_leaves_a_repeated_header_to_the_long_one() -> None:
    """Security rule 16."""
    world, good = World(), token()
    warm(world, path="/me", headers=bearer(good), raw=True)
    check = CheckRequest.FromString(payload(path="/me", headers=bearer("other"), raw=True))
    line = check.attributes.request.http.header_map.headers.add()
    line.key, line.raw_value = "authorization", f"Bearer {good}".encode()
    assert not allowed(world.answer(check.SerializeToString()))
    assert world.sink.decisions[-1].reason is Reason.MULTIPLE_CREDENTIALS


def test_the_short_way_looks_at_the_start_of_a_token() -> None:
    world, headers = World(), bearer(nbf=WALL - 10)
    warm(world, path="/me", headers=headers)
    world.clock.wall -= 100
    assert reason(world, "boundary", path="/me", headers=headers) is Reason.INVALID_TOKEN


def test_the_short_way_records_and_counts_each_allow() -> None:
    world = World()
    warm(world, path="/me", headers=bearer())
    assert [decision.reason for decision in world.sink.decisions] == [Reason.PERMITTED] * 3
    assert world.meter.row("me").decisions == {Reason.PERMITTED: 3}
    assert sum(world.meter.allow_seconds.counts) == 3


def test_a_remembered_rejection_is_no_answer_where_its_issuer_does_not_count() -> None:
    data = config()
    data["routes"]["others"] = {"paths": ["/others"], "authenticate": ["other"], "require": {"authenticated": True}}
    world = World(data)
    expired = bearer(exp=int(WALL) - 60, iat=int(WALL) - 120)
    uncached = world.decide(path="/others", headers=expired).reason
    assert world.decide(path="/me", headers=expired).reason is Reason.EXPIRED_TOKEN
    assert world.decide(path="/others", headers=expired).reason is uncached is Reason.INVALID_TOKEN
