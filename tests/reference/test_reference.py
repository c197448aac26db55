"""The evaluator says what the documents say: their tables and examples, one by one."""

from typing import Any

import pytest

from tests.support.tokens import AUDIENCE, ISSUER, WALL, claims, mint, shared_key

from .decide import decide
from .paths import read_host, read_path
from .people import covers
from .request import Request, Verdict
from .upstream import fold

KEYS = {"partners": [{"id": "k", "digest": "sha256:" + "0" * 64, "routes": []}]}


def config(**changes: Any) -> dict[str, Any]:
    corp = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "keys": {"inline": {"keys": [shared_key("ES256").jwk()]}},
        "claims": {"roles": "roles", "scopes": "scope", "permissions": "permissions"},
    }
    base: dict[str, Any] = {
        "issuers": {"corp": corp},
        "api_keys": {"partners": {"store": {"file": "/nowhere"}}},
        "roles": {"viewer": {"permissions": ["posts:read"]}, "editor": {"inherits": ["viewer"]}},
        "routes": {
            "list": {
                "methods": ["GET"],
                "paths": ["/posts"],
                "authenticate": ["corp", "partners"],
                "require": {"permission": "posts:read"},
            },
            "own": {"paths": ["/posts/mine"], "methods": ["POST"], "authenticate": ["corp"], "require": {"scope": "write"}},
            "post": {"paths": ["/posts/{id}"], "authenticate": ["corp", "anonymous"], "cors_preflight": "allow"},
            "files": {"paths": ["/files/{rest=**}"], "authenticate": ["anonymous"], "allow": ["encoded_slash"]},
            "role": {"hosts": ["*.example.org"], "paths": ["/"], "authenticate": ["corp"], "require": {"role": "viewer"}},
        },
    }
    return base | changes


def ask(
    path: str = "/posts", method: str = "GET", host: str = "api.example.com", /, *, token: str | None = None, **headers: str
) -> Verdict:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    lines += [("authorization", f"Bearer {token}")] if token is not None else []
    return decide(config(), KEYS, Request(method, host, path, tuple(lines)), WALL)


def token(**changes: Any) -> str:
    return mint(shared_key("ES256"), claims(**changes))


@pytest.mark.parametrize(
    "path",
    [
        "a", "", "/a#b", "/a b", "/é", "/a\\b", "/%", "/%4", "/%zz", "/%u2215", "/%25", "/%2e%2E", "/%c0%ae", "/%ff", "/%EF%BC%8F", "/%E2%80%8B", "/%C2%85", "/%00", "/%5c", "/%23", "/%3F", "/%20a", "/a%20",
        "/.", "/..", "/a/../b", "//", "/a//b", "/...", "/.%20.", "/a%2F..", "/a%2F%2Fb", "/a%2F", "/;x", "/" + "a" * 8192,
    ],
)  # fmt: skip
def test_paths_with_more_than_one_reading(path: str) -> None:
    assert read_path(path) is None


@pytest.mark.parametrize(
    ("path", "segments", "features"),
    [
        ("/", (), set()),
        ("/a/b?x=/../", ("a", "b"), set()),
        ("/%61%40", ("a@",), set()),
        ("/%C3%A9", ("é",), set()),
        ("/a/", ("a",), set()),
        ("/a%2fb", ("a%2Fb",), {"encoded_slash"}),
        ("/a;b", ("a;b",), {"semicolon"}),
        ("/a%3Bb", ("a;b",), {"semicolon"}),
        ("/a.", ("a.",), {"dots"}),
        ("/a%2eb", ("a.b",), {"dots"}),
        ("/a.b", ("a.b",), set()),
    ],
)
def test_paths_with_one_reading(path: str, segments: tuple[str, ...], features: set[str]) -> None:
    reading = read_path(path)
    assert reading is not None
    assert (reading.segments, reading.features) == (segments, features)


def test_folding_refuses_what_turns_into_ascii() -> None:
    assert [read_path(f"/{sign}", "insensitive") for sign in ("%E2%84%AA", "%C5%BF", "%C4%B1", "%C3%9F", "%EF%BC%A1")] == [None] * 5
    reading = read_path("/A%C3%89", "insensitive")
    assert reading is not None
    assert reading.segments == ("aé",)


def test_hosts() -> None:
    assert read_host("API.example.com.:443") == "api.example.com"
    assert read_host("a_b.example.com:") == "a_b.example.com"
    assert read_host("[::1]:80") == "[::1]"
    assert [read_host(host) for host in ("", ".", "a..b", "1.2.3", "a b", "é.org", "a/b", "*.a.org", "[::1", "a:b", "\u212aa.org")] == [
        None
    ] * 11


def test_the_order_of_a_decision() -> None:
    assert ask("/posts//", "GET", "a b").reason == "ambiguous_host"
    assert ask("/posts//").reason == "ambiguous_path"
    assert ask("/nowhere").reason == "no_route"
    assert ask("/posts", "PUT").reason == "method_not_allowed"
    assert ask("/posts").reason == "missing_credential"
    assert ask("/posts", token="x.y.z").reason == "invalid_token"
    assert ask("/posts", token=token()).reason == "insufficient_permission"
    allowed = ask("/posts", token=token(roles=["editor"]))
    assert (allowed.reason, allowed.status, allowed.route, allowed.subject) == ("permitted", 200, "list", "user-1")


def test_routes_are_chosen_without_going_back() -> None:
    assert ask("/posts/mine").reason == "method_not_allowed"  # not the weaker /posts/{id}
    assert ask("/posts/other").route == "post"
    assert ask("/files").route == ask("/files/a/b").route == "files"
    assert ask("/files/a%2Fb").route == "files"
    assert ask("/posts/a%2Fb").reason == "ambiguous_path"
    assert ask("/posts", "HEAD").reason == "missing_credential"
    assert ask("/posts", "GET", "x.example.org").reason == "no_route"  # a host with routes of its own sees no others


def test_preflight() -> None:
    assert ask("/posts/1", "OPTIONS", origin="https://a", access_control_request_method="PUT").reason == "preflight"
    assert ask("/posts/1", "OPTIONS", origin="https://a").reason == "anonymous"
    assert ask("/posts", "OPTIONS", origin="https://a", access_control_request_method="GET").reason == "method_not_allowed"


def test_credentials() -> None:
    good = token(roles=["viewer"])
    assert ask("/posts", token=good, x_api_key="k").reason == "multiple_credentials"
    assert ask("/posts", authorization=f"Bearer {good},x").reason == "multiple_credentials"
    assert ask("/posts", authorization=f"Basic {good}").reason == "missing_credential"
    assert ask("/posts", authorization="Bearer ").reason == "invalid_token"
    assert ask("/posts", authorization=f"Bearer  {good}").reason == "invalid_token"
    assert ask("/posts", authorization=f"bearer {good}").reason == "permitted"
    assert ask("/posts/1", token=token(aud="x")).reason == "invalid_token"  # never ignored in favour of anonymous
    assert ask("/posts", x_api_key="k").reason == "invalid_api_key"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": WALL - 29}, "permitted"), ({"exp": WALL - 30}, "expired_token"), ({"exp": True}, "invalid_token"), ({"exp": None}, "invalid_token"), ({"exp": 2**53}, "invalid_token"),
        ({"nbf": WALL + 30}, "permitted"), ({"nbf": WALL + 31}, "invalid_token"), ({"iat": WALL + 31}, "invalid_token"), ({"aud": ["x", AUDIENCE]}, "permitted"), ({"aud": [AUDIENCE, 1]}, "invalid_token"),
        ({"iss": ISSUER + "/"}, "invalid_token"), ({"sub": ""}, "invalid_token"), ({"sub": " a"}, "invalid_token"), ({"sub": "x" * 256}, "invalid_token"), ({"jti": 1}, "invalid_token"), ({"cnf": {}}, "invalid_token"),
        ({"at_hash": "x"}, "invalid_token"), ({"typ": "ID"}, "invalid_token"), ({"sub": "a,b"}, "unsafe_identity"), ({"roles": ["viewer", 1]}, "insufficient_permission"), ({"roles": "viewer"}, "permitted"),
        ({"roles": "viewer editor"}, "insufficient_permission"), ({"roles": [], "permissions": ["posts:read"]}, "permitted"), ({"roles": [], "permissions": ["posts:*"]}, "insufficient_permission"),
    ],
)  # fmt: skip
def test_claims(changes: dict[str, Any], reason: str) -> None:
    assert ask(token=token(**({"roles": ["viewer"]} | changes))).reason == reason


def test_headers_of_tokens() -> None:
    key = shared_key("ES256")
    for head in (
        {"alg": "none"},
        {"alg": "HS256"},
        {"crit": ["exp"]},
        {"b64": True},
        {"zip": "DEF"},
        {"typ": "dpop+jwt"},
        {"kid": "other"},
        {"kid": 1},
    ):
        assert ask(token=mint(key, claims(roles=["viewer"]), **head)).reason == "invalid_token"
    for fine in ({"typ": "application/at+jwt"}, {"typ": "jwt"}, {"typ": None}, {"kid": None}):
        assert ask(token=mint(key, claims(roles=["viewer"]), **fine)).reason == "permitted"
    assert ask(token=mint(shared_key("ES256", number=1), claims(roles=["viewer"]))).reason == "invalid_token"


def test_permissions() -> None:
    assert all(covers(have, "posts:read") for have in ("posts:read", "posts:*", "*", "*:read"))
    assert not any(covers(have, "posts:read") for have in ("posts", "posts:create", "post*", "posts:read:own", "users:*"))
    assert covers("posts:*", "posts:read:own")
    assert not covers("posts:read", "posts:*")


def test_what_the_upstream_sees() -> None:
    found = ask(token=token(roles=["editor"]), x_user_id="admin", x_api="1")
    assert ("x-user-id", "user-1") in found.upstream
    assert ("x-user-id", "admin") not in found.upstream
    assert ("x-api", "1") in found.upstream
    assert {fold(name) for name in ("x_user_id", "X.User.Id", " x-user-id ")} == {"x-user-id"}


def test_what_a_denied_client_is_told() -> None:
    assert ask("/posts", "PUT").told == {"no-store", "allow GET", "allow HEAD"}
    assert ask("/posts").told == {"no-store", "challenge"}
    assert ask("/posts", token="x").told == {"no-store", "challenge", "error invalid_token"}
    assert ask("/posts/mine", "POST", token=token()).told == {"no-store", "challenge", "error insufficient_scope"}
    assert ask("/nowhere", content_type="application/grpc+proto").told == {"no-store", "grpc-status 7"}
