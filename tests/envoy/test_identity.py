"""What the upstream sees of the caller: set by the sidecar or not there, whatever the client sent."""

import pytest

from .stack import Stack

FORGED = [("X-User-ID", "root"), ("X-User-Email", "root@example.com"), ("X-User-Roles", "admin"), ("X-User-Permissions", "*")]
IDENTITY = {"x-user-id", "x-user-email", "x-user-roles", "x-user-permissions"}
LOOK_ALIKES = ["x_user_id", "x-user_id", "X_USER-ID", "x.user.id", "X!User~Id"]


def bearer(stack: Stack, subject: str = "user_123", **claims: object) -> tuple[str, str]:
    return "authorization", f"Bearer {stack.shared.corp.token(subject, **claims)}"


def john(stack: Stack) -> tuple[str, str]:
    return bearer(stack, "john", email="john@example.com", email_verified=True)


def test_a_permitted_request_carries_the_identity(stack, send):
    seen = send("/api/v1/posts", [john(stack)]).seen
    assert seen.get("x-user-id") == "john"
    assert seen.get("x-user-email") == "john@example.com"
    assert seen.get("x-user-roles") == "admin"
    assert set(seen.get("x-user-permissions").split(",")) == {"users:*", "posts:*"}


def test_forged_identity_headers_are_overwritten(stack, send):
    """One value each, ours: neither in front of nor behind the client's."""
    seen = send("/api/v1/posts", [*FORGED, *FORGED, john(stack)]).seen
    assert seen.get("x-user-id") == "john"
    assert seen.get("x-user-roles") == "admin"
    assert "root" not in str(seen.headers)


def test_forged_identity_headers_are_removed_when_there_is_nothing_to_set(stack, send):
    seen = send("/api/v1/posts", [*FORGED, bearer(stack, "sam", roles=["viewer"])]).seen
    assert seen.get("x-user-id") == "sam"
    assert seen.get("x-user-email") is None


def test_an_anonymous_request_carries_no_identity(stack, send):
    seen = send("/public/page", FORGED).seen
    assert not seen.names & IDENTITY


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_look_alikes_of_identity_headers_never_get_through(stack, name):
    """Backends that read CGI-style names take ``x_user_id`` for ``X-User-ID``."""
    seen = stack.send_plain("/api/v1/posts", [(name, "root"), john(stack)]).seen
    assert seen.get("x-user-id") == "john"
    assert "root" not in str(seen.headers)
    assert name.lower() not in seen.names


def test_a_hardened_envoy_refuses_underscores_itself(stack):
    before = stack.shared.upstream.served.total()
    assert stack.send("/public/page", [("x_user_id", "root")]).status == 400
    assert stack.shared.upstream.served.total() == before


def test_an_unverified_email_grants_nothing(stack, send):
    reply = send("/api/v1/posts", [bearer(stack, "mallory", email="john@example.com")])
    assert (reply.status, stack.reason(reply)) == (403, "insufficient_permission")


def test_strip_headers_are_removed_on_every_route(stack, send):
    seen = send("/public/page", [("X-Auth-Request-User", "root"), ("X-Internal-Secret", "1"), ("X-Other", "kept")]).seen
    assert seen.get("x-other") == "kept"
    assert not {"x-auth-request-user", "x-internal-secret"} & seen.names


def test_a_token_is_forwarded_where_the_issuer_says_so(stack, send):
    header = john(stack)
    assert send("/api/v1/posts", [header]).seen.get("authorization") == header[1]


@pytest.mark.parametrize("place", ["x-api-key", "authorization"])
@pytest.mark.parametrize("target", ["/api/v1/posts", "/public/page"])
def test_an_api_key_is_removed_upstream(stack, send, place, target):
    """Security rule 15: on routes that accept it and on those that do not."""
    key = stack.shared.api_keys["good"]
    reply = send(target, [(place, f"Bearer {key}" if place == "authorization" else key)])
    assert reply.status == 200
    assert place not in reply.seen.names
    assert key not in str(reply.seen.headers)


def test_a_cookie_credential_is_taken_out_of_the_cookies(stack, send):
    """ext_authz removes whole headers only: the rest of the cookies has to survive."""
    token = stack.shared.corp.token("sam", roles=["viewer"])
    seen = send("/api/v1/posts", [("cookie", f"theme=dark; access={token}; lang=en")]).seen
    assert seen.get("cookie") == "theme=dark; lang=en"
    assert seen.get("x-user-id") == "sam"


def test_a_query_credential_is_taken_out_of_the_query(stack, send):
    token = stack.shared.corp.token("sam", roles=["viewer"])
    reply = send(f"/api/v1/posts?page=2&access_token={token}&size=10")
    assert reply.seen.target == "/api/v1/posts?page=2&size=10"
    assert reply.seen.get("x-user-id") == "sam"


def test_a_subject_that_no_header_can_carry_is_refused(stack, send):
    """Never cleaned, never cut: a comma would make two values of one."""
    reply = send("/whoami", [bearer(stack, "sam,root")])
    assert (reply.status, stack.reason(reply)) == (403, "unsafe_identity")


def test_each_issuer_has_its_own_subjects(stack, send):
    token = stack.shared.partner.token("john")
    assert send("/whoami", [("authorization", f"Bearer {token}")]).seen.get("x-user-id") == "partner|john"


def test_the_upstreams_cookies_survive_an_allow(stack, send):
    upstream = stack.shared.upstream
    upstream.extra_headers = (("set-cookie", "a=1"), ("set-cookie", "b=2"))
    try:
        assert send("/public/page").all("set-cookie") == ["a=1", "b=2"]
    finally:
        upstream.extra_headers = ()
