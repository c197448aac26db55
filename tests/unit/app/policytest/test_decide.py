"""Trials are decided by the engine, with every phase of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.authn.mint import new_private_jwk, public_jwks, sign

from .site import CONFIG, run_cases, run_one

MEG = {"authenticator": "corp", "roles": ["manager"], "subject": "meg", "attributes": {"department": "sales", "clearance_level": 5}}
KEY = {"authenticator": "partners", "permissions": ["posts:read"], "metadata": {"plan": "gold"}, "subject": "billing"}


def said(folder: Path, principal: Any, request: Any, **more: Any) -> str:
    return str(run_one(folder, principal, request, **more).decided.reason)


@pytest.mark.parametrize(
    ("principal", "request_", "reason"),
    [
        ("anonymous", "GET /posts", "missing_credential"),
        ("anonymous", "GET https://www.example.com/public", "anonymous"),
        ("anonymous", "GET /public", "no_route"),
        ("anonymous", "PUT /posts", "method_not_allowed"),
        ("anonymous", {"path": "/a/../posts"}, "ambiguous_path"),
        (MEG, "GET /posts", "permitted"),
        (MEG, "POST /posts?x=1", "permitted"),
        ({**MEG, "roles": ["viewer"]}, "GET /posts", "permitted"),
        ({**MEG, "roles": ["viewer"]}, {"method": "GET", "path": "/guarded"}, "insufficient_permission"),
        (MEG, "GET /d/sales", "permitted"),
        (MEG, "GET /d/legal", "policy_not_satisfied"),
        ({**MEG, "attributes": {"department": "sales", "clearance_level": 1}}, "GET /guarded", "policy_denied"),
        (KEY, "GET /posts", "permitted"),
        (KEY, "GET /d/sales", "missing_credential"),
        (KEY, {"like": "GET /posts", "headers": {"authorization": "Bearer a.b.c"}}, "multiple_credentials"),
        ({"authenticator": "other", "permissions": ["posts:create"]}, "POST /posts", "insufficient_permission"),
        ({"authenticator": "other", "permissions": ["posts:create"], "scopes": ["posts:*"]}, "POST /posts", "permitted"),
    ],
)
def test_the_engine_decides(tmp_path: Path, principal: Any, request_: Any, reason: str) -> None:
    assert said(tmp_path, principal, request_) == reason


def test_a_token_of_another_issuer_is_refused_as_such(tmp_path: Path) -> None:
    config = CONFIG.replace("credentials: [{cookie: session, forward: false}]", "credentials: [{header: authorization, scheme: Bearer}]")
    result = run_one(tmp_path, {"authenticator": "other"}, "GET /posts", config)
    assert (result.decided.reason, result.decided.detail) == ("invalid_token", "issuer other not accepted on this route")


def test_grants_of_users_count_at_the_time_of_the_case(tmp_path: Path) -> None:
    jane = {"authenticator": "corp", "email": "jane@example.com"}
    assert said(tmp_path, jane, "POST /posts") == "permitted"
    assert said(tmp_path, jane, "POST /posts", now="2026-07-01T12:00:00Z") == "insufficient_permission"


def test_the_clock_is_frozen_for_a_file_and_for_a_case(tmp_path: Path) -> None:
    case = {"principal": MEG, "request": "GET /d/sales", "expect": "allow"}
    report = run_cases(tmp_path, {"day": case, "night": {**case, "now": "2026-03-02T20:00:00Z", "expect": "deny"}})
    assert not report.failed


def test_claims_are_mapped_and_checked_as_of_any_token(tmp_path: Path) -> None:
    def claims(**claims: Any) -> str:
        return said(tmp_path, {"authenticator": "corp", "claims": claims}, "POST /posts")

    assert claims(roles=["manager"]) == "permitted"
    assert claims(roles="manager") == "permitted"
    assert claims(roles=["manager", 1]) == "insufficient_permission"
    assert claims(roles=["root"]) == "insufficient_permission"
    assert claims(email="jane@example.com", email_verified=True) == "permitted"
    assert claims(email="jane@example.com") == "insufficient_permission"
    assert claims(aud="https://elsewhere.example.com") == "invalid_token"
    assert claims(exp=1_700_000_000) == "expired_token"
    assert claims(exp=None) == "invalid_token"


def test_an_expired_token(tmp_path: Path) -> None:
    claims = {"iat": 1_700_000_000, "exp": 1_700_000_600}
    assert said(tmp_path, {"authenticator": "corp", "claims": claims}, "GET /posts") == "expired_token"


def test_a_cookie_beside_others(tmp_path: Path) -> None:
    request = {"like": "POST /posts", "headers": {"cookie": "a=b"}}
    result = run_one(tmp_path, {"authenticator": "other", "permissions": ["posts:create"], "scopes": ["posts:*"]}, request)
    assert result.decided.upstream is not None
    assert result.decided.upstream.set == {"x-user-id": "other|somebody", "cookie": "a=b"}


def test_what_the_upstream_sees(tmp_path: Path) -> None:
    request = {"like": "GET /posts", "headers": {"X-User-ID": "root", "x_user_id": "root", "x-internal-a": "1", "accept": "*/*"}}
    expect = {
        "decision": "allow",
        "set": {"x-user-id": "billing", "x-plan": "gold", "x-key": "sidecar-test-1"},
        "removed": ["x-api-key", "x_user_id", "x-internal-a", "x-user-roles"],
        "kept": ["accept"],
    }
    assert not run_cases(tmp_path, {"one": {"principal": KEY, "request": request, "expect": expect}}).failed
    wrong = {"set": {"x-user-id": "root", "x-none": "1"}, "removed": ["accept", "x-plan"], "kept": ["x-api-key", "x-plan", "x-not-there"]}
    (result,) = run_cases(tmp_path, {"one": {"principal": KEY, "request": request, "expect": wrong}}).results
    assert [tuple(one) for one in result.wrong] == [
        ("set.x-user-id", "root", "billing"),
        ("set.x-none", "1", "neither sent nor set"),
        ("removed.accept", "removed", "left as the client sent it"),
        ("removed.x-plan", "removed", "set to gold"),
        ("kept.x-api-key", "kept", "removed"),
        ("kept.x-plan", "kept", "set to gold"),
        ("kept.x-not-there", "kept", "neither sent nor set"),
    ]


def test_headers_of_a_denial_are_a_difference(tmp_path: Path) -> None:
    (result,) = run_cases(tmp_path, {"one": {"request": "GET /posts", "expect": {"set": {"x-user-id": "a"}}}}).results
    assert [tuple(one) for one in result.wrong] == [("decision", "allow", "deny")]


@pytest.mark.parametrize(
    ("body", "reason"), [({"secret": True}, "policy_denied"), ({"secret": False}, "permitted"), ("text", "policy_denied")]
)
def test_bodies(tmp_path: Path, body: Any, reason: str) -> None:
    assert said(tmp_path, MEG, {"like": "PUT /upload", "body": body}) == reason


def test_a_request_with_query_context_and_address(tmp_path: Path) -> None:
    config = CONFIG.replace("paths: [/guarded]", "paths: [/guarded], match: {context: {vhost: one}}").replace(
        "user.clearance_level: {less_than: 3}", "environment.ip_address: {in_cidr: 10.0.0.0/8}, request.query.a b: {equals: c&d}"
    )
    request: dict[str, Any] = {"path": "/guarded?x=1", "query": {"a b": "c&d"}, "context": {"vhost": "one"}, "source_ip": "10.1.1.1"}
    assert said(tmp_path, MEG, request, config=config) == "policy_denied"
    assert said(tmp_path, MEG, {**request, "source_ip": "192.0.2.1"}, config=config) == "permitted"
    assert said(tmp_path, MEG, {**request, "context": {}}, config=config) == "no_route"


def test_policies_of_the_route_can_be_expected(tmp_path: Path) -> None:
    case = {"principal": MEG, "request": "PUT /upload"}
    outcomes = {"secret-body": "unknown"}
    assert not run_cases(tmp_path, {"one": {**case, "expect": {"policies": outcomes}}}).failed
    (result,) = run_cases(tmp_path, {"one": {**case, "expect": {"policies": {"secret-body": False, "same-department": True}}}}).results
    assert [tuple(one) for one in result.wrong] == [
        ("policies.secret-body", "false", "unknown"),
        ("policies.same-department", "true", "not looked at"),
    ]


def key_file(*entries: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "keys": list(entries)})


def test_keys_of_the_key_file_without_knowing_them(tmp_path: Path) -> None:
    digest = f"hmac-sha256:p1:{hashlib.sha256(b'?').hexdigest()}"
    entries = [
        {"id": "good", "digest": digest, "owner": "acme", "roles": ["viewer"], "routes": ["list"], "expires_at": "2026-06-01T00:00:00Z"},
        {"id": "gone", "digest": digest.replace("p1:", "p1:")[:-1] + "0", "roles": ["viewer"], "revoked": True},
    ]
    (tmp_path / "keys.yaml").write_text(key_file(*entries))
    good = run_one(tmp_path, {"authenticator": "partners", "key": "good"}, "GET /posts")
    assert good.decided.reason == "permitted"
    assert good.decided.upstream is not None
    assert good.decided.upstream.set["x-key"] == "good"
    assert said(tmp_path, {"authenticator": "partners", "key": "good"}, "POST /posts") == "credential_not_allowed_here"
    assert said(tmp_path, {"authenticator": "partners", "key": "good"}, "GET /posts", now="2026-07-01T00:00:00Z") == "invalid_api_key"
    assert said(tmp_path, {"authenticator": "partners", "key": "gone"}, "GET /posts") == "invalid_api_key"


def test_a_real_api_key(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("0" * 64)
    (tmp_path / "keys.yaml").write_text(
        key_file({"id": "k1", "digest": f"sha256:{hashlib.sha256(b'sk_real').hexdigest()}", "roles": ["viewer"]})
    )
    (tmp_path / "key.txt").write_text("sk_real\n")
    (tmp_path / "other.txt").write_text("sk_other\n")
    assert said(tmp_path, {"api_key": {"file": "key.txt"}}, "GET /posts") == "permitted"
    assert said(tmp_path, {"api_key": {"file": "other.txt"}}, "GET /posts") == "invalid_api_key"


def test_a_real_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_private_jwk("ES256", "k1")
    (tmp_path / "jwks.json").write_text(json.dumps(public_jwks(key)))
    claims = {"iss": "https://other.example.com", "aud": "https://api.example.com", "sub": "a", "iat": 1_700_000_000, "exp": 1_800_000_000}
    claims |= {"permissions": ["posts:create"], "scope": "posts:create"}
    token = sign(json.dumps(key).encode(), None, {"kid": "k1", "typ": "JWT"}, claims)
    monkeypatch.setenv("TOKEN", token)
    assert said(tmp_path, {"token": {"env": "TOKEN"}}, "POST /posts") == "permitted"
    assert said(tmp_path, {"token": {"env": "TOKEN"}}, "POST /posts", now="2030-01-01T00:00:00Z") == "expired_token"
    monkeypatch.setenv("TOKEN", token[:-8] + "AAAAAAAA")
    assert said(tmp_path, {"token": {"env": "TOKEN"}}, "POST /posts") == "invalid_token"
    other = {"authenticator": "other", "claims": {"permissions": ["posts:create"], "scope": "posts:create"}}
    assert said(tmp_path, other, "POST /posts") == "permitted"


def test_a_shared_secret_is_not_needed(tmp_path: Path) -> None:
    config = CONFIG.replace("keys: {discovery: true}", "algorithms: [HS256]\n    keys: {shared_secret: {file: none}}")
    assert said(tmp_path, {"authenticator": "corp", "claims": {"roles": ["viewer"]}}, "GET /posts", config=config) == "permitted"


@pytest.mark.parametrize(
    "settings",
    [
        "audiences: [https://api.example.com]\n    algorithms: [RS256]",
        "audiences: [https://api.example.com]\n    token_types: [at+jwt]",
        "audiences: [https://api.example.com]\n    token_types: [none]",
        "unsafe_no_audience: true\n    client_ids: [web]",
    ],
)
def test_a_token_of_claims_is_one_that_the_issuer_could_have_made(tmp_path: Path, settings: str) -> None:
    config = CONFIG.replace("audiences: [https://api.example.com]", settings, 1)
    assert said(tmp_path, {"authenticator": "corp", "claims": {"roles": ["viewer"]}}, "GET /posts", config=config) == "permitted"


def test_the_subject_stands_where_the_issuer_has_it(tmp_path: Path) -> None:
    config = CONFIG.replace("email: email\n", "email: email\n      subject: [person, id]\n", 1)
    for principal in ({"claims": {"roles": ["viewer"]}}, {"roles": ["viewer"]}):
        result = run_one(tmp_path, {"authenticator": "corp", "subject": "ann", **principal}, "GET /posts", config)
        assert result.decided.upstream is not None
        assert result.decided.upstream.set["x-user-id"] == "ann"


@pytest.mark.parametrize("roles", [[], ["viewer"], ["manager"], ["viewer", "manager"]])
@pytest.mark.parametrize("request_", ["GET /posts", "POST /posts", "GET /d/sales", "GET /guarded", "PUT /upload"])
def test_grants_and_claims_of_the_same_person_come_to_the_same(tmp_path: Path, roles: list[str], request_: str) -> None:
    attributes = {"department": "sales", "clearance_level": 4}
    granted = {"authenticator": "corp", "subject": "ann", "roles": roles, "attributes": attributes}
    claims = {"authenticator": "corp", "subject": "ann", "claims": {"roles": roles, **attributes}}
    one, other = (run_one(tmp_path, principal, request_).decided for principal in (granted, claims))
    assert (one.reason, one.rule, one.parts, one.upstream) == (other.reason, other.rule, other.parts, other.upstream)
