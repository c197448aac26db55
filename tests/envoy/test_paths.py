"""Paths and hosts that could mean two things, through an Envoy with the shipped hardening and through one without any."""

import pytest

from .hostile import HOSTS, PATHS
from .stack import Stack


def served(stack: Stack) -> int:
    return stack.shared.upstream.served.total()


@pytest.mark.parametrize("path", PATHS)
def test_an_ambiguous_path_reaches_no_upstream(stack, path):
    """With Envoy's defaults. Where the request got as far as the sidecar, the sidecar said why."""
    before = served(stack)
    reply = stack.send_plain(path)
    assert reply.status == 400
    assert served(stack) == before
    if reply.get("content-type") == "application/problem+json":
        assert reply.json["reason"] == "ambiguous_path"


def test_most_ambiguous_paths_are_refused_by_the_sidecar_and_not_by_envoy(stack):
    """Else the test above would show Envoy's strictness, not ours: Envoy takes a fragment off, or refuses it, itself."""
    by_envoy = [path for path in PATHS if stack.send_plain(path).get("content-type") != "application/problem+json"]
    assert set(by_envoy) <= {"/public/x#fragment", "/public/%00"}


@pytest.mark.parametrize("path", PATHS)
def test_an_ambiguous_path_gets_nothing_from_a_hardened_envoy(stack, path):
    """Resolved by Envoy to a path that says no or is public in itself, or refused by either of the two."""
    reply = stack.send(path)
    if reply.status == 200:
        assert reply.seen.target.startswith("/public/")
        assert not {"..", "%", ";", "\\", "//"} & {part for part in ("..", "%", ";", "\\", "//") if part in reply.seen.target}
    else:
        assert reply.status in {400, 401, 403}


def test_a_hardened_envoy_resolves_dots_before_the_sidecar_is_asked(stack):
    reply = stack.send("/public/../admin")
    assert reply.status == 401
    assert stack.logged(reply)["route"] == "admin"


@pytest.mark.parametrize(
    "path", ["/api/v1/posts/a%40b", "/api/v1/posts/a@b", "/api/v1/posts/caf%C3%A9", "/api/v1/posts/a%20b", "/api/v1/posts/7/"]
)
def test_what_has_one_meaning_is_decoded_and_matched(stack, send, path):
    reply = send(path)
    assert (reply.status, stack.logged(reply)["route"]) == (401, "read-post")


def test_a_feature_is_admitted_by_the_route_that_names_it(stack):
    for path in ("/files/a%2Fb", "/files/a;v=1", "/files/archive.", "/files/a%2Eb"):
        reply = stack.send_plain(path)
        assert (reply.status, reply.seen.target) == (200, path)


def test_the_query_takes_no_part_in_the_choice(stack, send):
    reply = send("/public/page?x=/../admin;%2f//")
    assert (reply.status, stack.logged(reply)["route"]) == (200, "public")


@pytest.mark.parametrize("path", ["/nowhere", "/", "/Public/page", "/api/v1/posts/7/comments"])
def test_an_unknown_path_is_denied(stack, send, path):
    """Security rule 18."""
    reply = send(path)
    assert (reply.status, reply.json["reason"], stack.reason(reply)) == (403, "forbidden", "no_route")


@pytest.mark.parametrize("host", ["pinned.example.com", "PINNED.Example.com", "pinned.example.com:8443", "pinned.example.com."])
def test_a_host_has_one_canonical_form(stack, send, host):
    reply = send("/", host=host)
    assert (reply.status, stack.logged(reply)["route"]) == (200, "pinned")


def test_a_host_with_routes_of_its_own_does_not_see_the_others(stack, send):
    reply = send("/public/page", host="pinned.example.com")
    assert (reply.status, stack.reason(reply)) == (403, "no_route")


@pytest.mark.parametrize("host", HOSTS)
def test_an_ambiguous_host_reaches_no_upstream(stack, host):
    before = served(stack)
    reply = stack.send_plain("/public/page", host=host)
    assert reply.status == 400
    assert served(stack) == before
    if reply.get("content-type") == "application/problem+json":
        assert reply.json["reason"] == "ambiguous_host"


@pytest.mark.parametrize("name", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Envoy-Original-Path", "X-Forwarded-Path"])
def test_a_path_in_a_header_is_not_believed(stack, send, name):
    assert send("/admin", [(name, "/public/page")]).status == 401
    reply = send("/public/page", [(name, "/admin")])
    assert stack.logged(reply)["route"] == "public"


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_in_a_header_is_not_believed(stack, send, name):
    token = stack.shared.corp.token("sam", roles=["viewer"])
    reply = send("/api/v1/posts", [("authorization", f"Bearer {token}"), (name, "GET")], method="POST")
    assert (reply.status, stack.logged(reply)["route"]) == (403, "create-post")


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Host", "Forwarded"])
def test_a_host_in_a_header_is_not_believed(stack, send, name):
    reply = send("/", [(name, "pinned.example.com")])
    assert (reply.status, stack.reason(reply)) == (403, "no_route")


def test_many_headers_are_bounded_work_and_no_allow(stack):
    """Security rule 30: above 1,000 headers a request is malformed."""
    reply = stack.send_plain("/public/page", [(f"x-{number}", "1") for number in range(1500)])
    assert (reply.status, reply.json["reason"]) == (400, "malformed_request")


def test_headers_of_hundreds_of_kilobytes_are_refused(stack):
    reply = stack.send_plain("/public/page", [(f"x-{number}", "a" * 3000) for number in range(120)])
    assert (reply.status, reply.json["reason"]) == (400, "malformed_request")
