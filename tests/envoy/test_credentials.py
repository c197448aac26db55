"""Tokens and API keys, good and bad, alone and together, through a real Envoy."""

import pytest

from .hostile import TOKENS
from .stack import Stack

POSTS = "/api/v1/posts"


def authorization(value: str) -> tuple[str, str]:
    return "authorization", value


def viewer(stack: Stack) -> str:
    return stack.shared.corp.token("sam", roles=["viewer"])


@pytest.mark.parametrize("issuer", ["corp", "partner"])
def test_a_good_token_is_let_in(stack, send, issuer):
    token = getattr(stack.shared, issuer).token("sam")
    assert send("/whoami", [authorization(f"Bearer {token}")]).status == 200


@pytest.mark.parametrize("name", TOKENS)
def test_a_bad_token_is_refused_and_never_told_why(stack, name):
    """Security rules 1 to 8: one word for all of them; the record tells more."""
    reply = stack.send("/whoami", [authorization(f"Bearer {TOKENS[name](stack.shared.corp)}")])
    assert (reply.status, reply.json["reason"]) == (401, "invalid_token")
    assert any('error="invalid_token"' in challenge for challenge in reply.all("www-authenticate"))
    assert stack.reason(reply) == ("expired_token" if name == "expired" else "invalid_token")


def test_an_unknown_key_id_is_refused_once_the_keys_are_known_to_lack_it(stack):
    """Security rule 9."""
    reply = stack.send("/whoami", [authorization(f"Bearer {stack.shared.corp.token(header={'kid': 'nobody'})}")])
    assert reply.status in {401, 503}
    assert stack.reason(reply) in {"invalid_token", "keys_unavailable"}


def test_a_token_of_an_issuer_that_the_route_does_not_accept(stack, send):
    reply = send("/optional", [authorization(f"Bearer {stack.shared.partner.token('sam')}")])
    assert (reply.status, stack.reason(reply)) == (401, "invalid_token")


def test_no_credential_gets_a_challenge_per_scheme(stack, send):
    """Security rule 17: no error code, since nothing was wrong with a credential (RFC 6750 §3.1)."""
    reply = send(POSTS)
    assert (reply.status, reply.json["reason"]) == (401, "missing_credential")
    challenges = reply.all("www-authenticate")
    assert sorted(challenge.split()[0] for challenge in challenges) == ["ApiKey", "Bearer"]
    assert "error" not in str(challenges)


@pytest.mark.parametrize("value", ["Basic am9objpwdw==", "Digest x"])
def test_another_scheme_is_no_credential(stack, send, value):
    reply = send(POSTS, [authorization(value)])
    assert (reply.status, stack.reason(reply)) == (401, "missing_credential")


def test_anonymous_is_for_those_who_present_nothing(stack, send):
    """Security rule 16: a bad token is never ignored in favour of anonymous."""
    assert send("/optional").status == 200
    reply = send("/optional", [authorization(f"Bearer {TOKENS['tampered claims'](stack.shared.corp)}")])
    assert (reply.status, stack.reason(reply)) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("method", "target", "roles", "status"),
    [
        ("GET", POSTS, ["viewer"], 200),
        ("POST", POSTS, ["viewer"], 403),
        ("POST", POSTS, ["editor"], 200),
        ("DELETE", f"{POSTS}/7", ["editor"], 403),
        ("DELETE", f"{POSTS}/7", ["admin"], 200),
        ("GET", "/admin/users", ["editor"], 403),
        ("GET", "/admin/users", ["admin"], 200),
        ("GET", "/admin", [], 403),
        ("GET", POSTS, ["root"], 403),
        ("GET", POSTS, "viewer editor", 403),
    ],
)
def test_roles_decide(stack, method, target, roles, status):
    """Inherited permissions, a required role, a role outside the allow-list, a role claim that is text and not split."""
    token = stack.shared.corp.token("sam", roles=roles)
    reply = stack.send(target, [authorization(f"Bearer {token}")], method=method)
    assert reply.status == status
    if status == 403:
        assert stack.reason(reply) == "insufficient_permission"


def test_a_missing_scope_is_named(stack, send):
    """RFC 6750 §3.1: 403 with insufficient_scope."""
    reply = send("/reports", [authorization(f"Bearer {stack.shared.corp.token('sam', scope='posts:read')}")])
    assert (reply.status, reply.json["reason"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in reply.get("www-authenticate")
    assert send("/reports", [authorization(f"Bearer {stack.shared.corp.token('sam', scope='a reports:read')}")]).status == 200


@pytest.mark.parametrize("place", ["x-api-key", "bearer"])
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("good", 200, "permitted"),
        ("expired", 403, "invalid_api_key"),
        ("early", 403, "invalid_api_key"),
        ("revoked", 403, "invalid_api_key"),
        ("elsewhere", 403, "credential_not_allowed_here"),
        ("far", 403, "credential_not_allowed_here"),
        ("powerless", 403, "insufficient_permission"),
    ],
)
def test_api_keys(stack, place, name, status, reason):
    """Security rule 14."""
    key = stack.shared.api_keys[name]
    reply = stack.send(POSTS, [authorization(f"Bearer {key}") if place == "bearer" else ("x-api-key", key)])
    assert (reply.status, stack.reason(reply)) == (status, reason)


def test_an_api_key_confined_to_a_route_works_there(stack, send):
    reply = send(f"{POSTS}/7", [("x-api-key", stack.shared.api_keys["elsewhere"])])
    assert (reply.status, reply.seen.get("x-user-id")) == (200, "elsewhere-owner")


@pytest.mark.parametrize("value", ["sk_unknown", "x", "sk_" + "a" * 5000])
def test_an_unknown_api_key(stack, send, value):
    reply = send(POSTS, [("x-api-key", value)])
    assert (reply.status, reply.json["reason"]) == (403, "invalid_api_key")


def test_a_repeated_authorization_header_is_refused(stack, send):
    """Security rule 16, CVE-2022-29226: which one would the upstream read?"""
    header = authorization(f"Bearer {viewer(stack)}")
    for pair in ([header, header], [header, authorization("Bearer x")], [authorization("Basic x"), header]):
        reply = send(POSTS, pair)
        assert (reply.status, stack.reason(reply)) == (400, "multiple_credentials")


def test_a_comma_joined_authorization_header_is_refused(stack, send):
    token = viewer(stack)
    reply = send(POSTS, [authorization(f"Bearer {token}, Bearer {token}")])
    assert (reply.status, stack.reason(reply)) == (400, "multiple_credentials")


def test_a_repeated_api_key_header_is_refused(stack, send):
    key = stack.shared.api_keys["good"]
    reply = send(POSTS, [("x-api-key", key), ("X-API-Key", "sk_other")])
    assert (reply.status, stack.reason(reply)) == (400, "multiple_credentials")


def test_two_kinds_of_credential_are_refused(stack, send):
    reply = send(POSTS, [authorization(f"Bearer {viewer(stack)}"), ("x-api-key", stack.shared.api_keys["good"])])
    assert (reply.status, stack.reason(reply)) == (400, "multiple_credentials")


def test_a_token_in_header_and_cookie_is_refused(stack, send):
    token = viewer(stack)
    reply = send(POSTS, [authorization(f"Bearer {token}"), ("cookie", f"access={token}")])
    assert (reply.status, stack.reason(reply)) == (400, "multiple_credentials")


@pytest.mark.parametrize("kind", ["one line", "two lines"])
def test_our_cookie_twice_is_refused(stack, send, kind):
    token = viewer(stack)
    both = f"access={token}"
    headers = [("cookie", f"{both}; access=x")] if kind == "one line" else [("cookie", both), ("cookie", "access=x")]
    reply = send(POSTS, headers)
    assert (reply.status, stack.reason(reply)) == (400, "multiple_credentials")


def test_commas_in_other_cookies_are_none_of_our_business(stack, send):
    assert send(POSTS, [("cookie", f'prefs="a,b"; access={viewer(stack)}')]).status == 200


@pytest.mark.parametrize("byte", ["\xff", "\x80"])
def test_bytes_outside_utf8_in_a_credential(stack, send, byte):
    reply = send(POSTS, [authorization(f"Bearer {viewer(stack)}{byte}")])
    assert (reply.status, stack.reason(reply)) == (401, "invalid_token")
