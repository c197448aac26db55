"""``unsafe_shadow_allows``: denials are recorded and let through, with nothing of the caller's own identity headers."""

from typing import Any

import pytest

from sidecar.model.decision import Allow, Would
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from tests.support.tokens import claims, mint, shared_key
from tests.support.world import KEY, World, allowed, bearer, config, payload, token

VIEWER, NOBODY = token(roles=["viewer"]), token(roles=[])
FORGED = mint(shared_key("RS256", number=2), claims(roles=["viewer"]))


def lenient(**everywhere: Any) -> World:
    data = config(**everywhere)
    if not everywhere:
        data["routes"]["list"]["unsafe_shadow_allows"] = True
    return World(data)


def removed(response: CheckResponse) -> set[str]:
    return set(response.ok_response.headers_to_remove)


@pytest.mark.parametrize(
    ("headers", "reason", "subject"),
    [
        ({}, "missing_credential", ""),
        (bearer(FORGED), "invalid_token", ""),
        (bearer(NOBODY), "insufficient_permission", "user-1"),
        ({"x-api-key": "sk_unknown"}, "invalid_api_key", ""),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_a_denial_is_let_through_and_recorded(headers: dict[str, str], reason: str, subject: str, raw: bool) -> None:
    world = lenient()
    response = world.answer(payload(raw=raw, path="/posts", headers={**headers, "x-user-id": "root", "x_user_roles": "admin"}))
    assert allowed(response)
    decision = world.sink.decisions[-1]
    assert isinstance(decision, Allow)
    assert decision.rule == "routes.list.unsafe_shadow_allows"
    assert [(one.would, one.reason) for one in decision.shadow] == [("deny", reason)]
    told = {option.header.key: option.header.value for option in response.ok_response.headers}
    assert told.get("x-user-id", "") == subject, "who was not authenticated is nobody"
    assert ("x-user-id" in removed(response)) is (subject == "")
    assert "x_user_roles" in removed(response)
    assert ("x-api-key" in removed(response)) or "x-api-key" not in headers


@pytest.mark.parametrize("path", ["/posts/../admin", "/%2561dmin", "/posts//x"])
def test_what_is_malformed_is_refused_all_the_same(path: str) -> None:
    for world in (lenient(), lenient(unsafe_shadow_allows=True)):
        assert world.answer(payload(path=path, headers=bearer(VIEWER))).denied_response.status.code == 400
        both = payload(path="/posts", headers={**bearer(VIEWER), "x-api-key": KEY})
        assert world.answer(both).denied_response.status.code == 400


def test_other_routes_deny() -> None:
    world = lenient()
    for path in ("/admin/x", "/me", "/nowhere"):
        assert not allowed(world.answer(payload(path=path)))
        assert world.sink.decisions[-1].shadow == ()


def test_everywhere() -> None:
    world = lenient(unsafe_shadow_allows=True)
    for path, reason in (("/admin/x", "missing_credential"), ("/nowhere", "no_route"), ("/healthz", "")):
        assert allowed(world.answer(payload(path=path)))
        decision = world.sink.decisions[-1]
        assert [one.reason for one in decision.shadow] == ([reason] if reason else [])
    assert allowed(world.answer(payload(method="DELETE", path="/healthz")))
    assert world.sink.decisions[-1].shadow == (Would("routes", "deny", "method_not_allowed"),)


def test_a_fault_is_no_allow() -> None:
    world = lenient(unsafe_shadow_allows=True)

    def fail(*_: Any) -> Any:
        raise RuntimeError("sk_canary")

    world.service._check = fail
    assert not allowed(world.answer(payload(path="/posts")))


def test_what_is_allowed_anyway_is_plain() -> None:
    world = lenient()
    for _ in range(3):
        assert allowed(world.answer(payload(path="/posts", headers=bearer(VIEWER))))
        decision = world.sink.decisions[-1]
        assert (decision.rule, decision.shadow) == ("routes.list.require.permission", ())
