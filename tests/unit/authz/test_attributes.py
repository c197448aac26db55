"""Attributes: what each is, and what has no single meaning."""

import json

import pytest

from sidecar.authz.conditions import compile_condition
from sidecar.authz.facts import UNREADABLE, UNUSABLE
from sidecar.authz.ternary import FALSE, TRUE, UNKNOWN
from sidecar.model.condition import Comparison
from sidecar.model.request import CheckInput
from sidecar.wire._gen.ext_authz_pb2 import AttributeContext
from sidecar.wire.decode import MapHeaders
from tests.support.inputs import make_input

from .facts import CATALOGUE, facts

WHOLE = {"content-type": "application/json", "x-envoy-auth-partial-body": "false"}


def value(name: str, request: CheckInput | None = None, **fields: object) -> object:
    return CATALOGUE.find(name).read(facts(request, **fields))  # type: ignore[arg-type]


def test_those_of_the_caller() -> None:
    who = {"roles": ("r",), "scopes": ("s",), "permissions": ("a:b",), "attributes": {"department": "eng", "claims.acr": "2"}}
    assert value("user.id", **who) == "ann"
    assert value("user.role", **who) == {"r"}
    assert value("user.scopes", **who) == {"s"}
    assert value("user.permissions", **who) == {"a:b"}
    assert value("user.issuer", **who) == "https://idp"
    assert value("user.authenticator", **who) == "corp"
    assert value("user.department", **who) == "eng"
    assert value("user.claims.acr", **who) == "2"
    assert value("user.metadata.plan", metadata={"plan": "gold"}) == "gold"
    nobody = {"kind": "anonymous", "authenticator": "", "issuer": "", "subject": ""}
    assert [value(f"user.{name}", **nobody) for name in ("id", "issuer", "authenticator", "email")] == [None] * 4


def test_an_email_counts_only_where_somebody_vouches_for_it() -> None:
    assert value("user.email", email="a@b.example", email_trusted=True) == "a@b.example"
    assert value("user.email", email="a@b.example", email_trusted=False) is None


def test_those_of_the_request() -> None:
    request = make_input("POST", "/a%20b/c?x=1&y=%20z&x=2&=q", "API.example.com:443", [("x-a", "1"), ("x-b", "1"), ("x-b", "2")])
    assert value("request.method", request) == "POST"
    assert value("request.host", request) == "api.example.com"
    assert value("request.path", request) == "/a b/c"
    assert value("request.headers.X-A", request) == "1"
    assert value("request.headers.x-b", request) is UNUSABLE
    assert value("request.headers.x-c", request) is None
    assert value("request.query.y", request) == " z"
    assert value("request.query.x", request) is UNUSABLE
    assert value("request.query.none", request) is None
    assert value("environment.ip_address", make_input(source_ip="192.0.2.1")) == "192.0.2.1"
    assert value("environment.country", make_input(context={"country": "DE"})) == "DE"


@pytest.mark.parametrize("query", ["a=%ff", "&".join(f"a{n}=1" for n in range(300)), "a=1;b=2"], ids=["no UTF-8", "too many", "semicolon"])
def test_a_query_that_cannot_be_read(query: str) -> None:
    assert value("request.query.b", make_input(path=f"/?{query}")) is UNREADABLE


@pytest.mark.parametrize("wanted", [True, False])
def test_whether_something_is_there_in_what_cannot_be_read_is_unknown(wanted: bool) -> None:
    """An allow may not hinge on a field that nobody saw, nor on its absence."""
    assert holds("request.query.b", "exists", wanted, make_input(path="/?a=1;b=2")) == UNKNOWN
    assert holds("request.body.a", "exists", wanted, make_input("POST", "/", headers={"content-type": "text/plain"}, body="a")) == UNKNOWN
    twice = make_input(path="/?b=1&b=2")
    assert holds("request.query.b", "exists", wanted, twice) == (TRUE if wanted else FALSE), "what is there twice is there"


def test_merged_headers_with_a_comma_may_be_two() -> None:
    http = AttributeContext.HttpRequest(headers={"x-a": "1,2", "x-b": "1"})
    request = make_input()._replace(headers=MapHeaders(http.headers))
    assert value("request.headers.x-a", request) is UNUSABLE
    assert value("request.headers.x-b", request) == "1"


def body(text: str, **headers: str) -> object:
    return value("request.body.a.b", make_input("POST", "/", headers={**WHOLE, **headers}, body=text))


def test_a_body_counts_only_whole() -> None:
    good = '{"a": {"b": 5}}'
    assert body(good) == 5
    assert body(good, **{"content-type": "application/merge-patch+json; charset=utf-8"}) == 5
    assert body('{"a": 5}') is None
    assert body("{}") is None
    for text in ("", "[]", "5", "{", '{"a": {"b": 1, "b": 2}}', '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000, '{"a":' * 50_000):
        assert body(text) is UNREADABLE, text[:20]
    for name, text in (("content-type", "text/plain"), ("content-encoding", "gzip"), ("x-envoy-auth-partial-body", "true")):
        assert body(good, **{name: text}) is UNREADABLE
    assert value("request.body.a.b", make_input("POST", "/", headers={"content-type": "application/json"}, body=good)) is UNREADABLE


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "unknown"),
        ({"user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"}, "desktop"),
        ({"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148"}, "mobile"),
        ({"user-agent": "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X)"}, "tablet"),
        ({"user-agent": "Mozilla/5.0 (Linux; Android 14; SM-X700)"}, "tablet"),
        ({"user-agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile Safari/537.36"}, "mobile"),
        ({"user-agent": "Googlebot/2.1"}, "bot"),
        ({"user-agent": "curl/8.5"}, "bot"),
        ({"user-agent": "x", "sec-ch-ua-mobile": "?1"}, "mobile"),
        ({"user-agent": "x", "sec-ch-ua-mobile": "?0"}, "desktop"),
        ({"user-agent": "x" * 60_000 + "windows nt"}, "unknown"),
    ],
)
def test_device_types(headers: dict[str, str], expected: str) -> None:
    assert value("environment.device_type", make_input(headers=headers)) == expected


def holds(attribute: str, operator: str, operand: object, request: CheckInput | None = None, **fields: object) -> int:
    return compile_condition(Comparison("k", attribute, operator, operand), CATALOGUE)(facts(request, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", TRUE), ("192.0.2.1", FALSE), ("::ffff:10.1.2.3", TRUE), ("2001:db8::7", TRUE), ("", UNKNOWN), ("10.1.2", UNKNOWN)],
)
def test_networks(address: str, expected: int) -> None:
    request = make_input(source_ip=address)
    assert holds("environment.ip_address", "in_cidr", ("10.0.0.0/8", "2001:db8::/32"), request) == expected


def test_texts() -> None:
    request = make_input(path="/posts/7")
    assert holds("request.path", "matches", "/posts/[0-9]", request) == TRUE
    assert holds("request.path", "matches", "/posts", request) == FALSE, "the whole text"
    assert holds("request.path", "starts_with", "/posts/", request) == TRUE
    assert holds("request.path", "contains", "sts", request) == TRUE
    assert holds("user.role", "contains", "adm", roles=("admin",)) == FALSE, "a member of a set is a whole one"
    assert holds("user.role", "starts_with", "adm", roles=("admin", "x")) == TRUE
    assert holds("user.role", "not_in", ("admin",), roles=("admin", "x")) == FALSE
    assert holds("user.role", "not_in", ("admin",), roles=()) == TRUE
    assert holds("user.role", "exists", True, roles=()) == FALSE


def test_times() -> None:
    since = {"since": "2026-11-01T12:00:00+01:00"}
    assert holds("user.since", "before", "2026-11-01T11:00:01Z", attributes=since) == TRUE
    assert holds("user.since", "after", "2026-11-01T11:00:01Z", attributes=since) == FALSE
    assert holds("user.since", "older_than", 86400.0, attributes=since) == TRUE
    assert holds("user.since", "older_than", 86400.0 * 30, attributes=since) == FALSE
    assert holds("user.since", "older_than", 86400.0, attributes={"since": "2026-11-01T12:00:00"}) == UNKNOWN, "without a zone"
    assert holds("user.since", "older_than", 86400.0, attributes={"since": True}) == UNKNOWN
    assert holds("user.since", "before", "2026-11-01T11:00:01Z", attributes={"since": 5}) == TRUE, "seconds, as tokens have them"
    assert holds("environment.date", "between", ("2026-11-24", "2026-11-24")) == TRUE
    assert holds("environment.date", "greater_than", "2026-11-24") == FALSE
    assert holds("environment.weekday", "in", ("mon", "tue")) == TRUE


def test_what_json_gives_is_what_counts() -> None:
    """Security rule 6: nothing is converted."""
    for given, operand, expected in ((1, 1.0, TRUE), (True, 1, UNKNOWN), ("1", 1, UNKNOWN), ({"id": 1}, 1, UNKNOWN), ([1, "a"], 1, TRUE)):
        assert holds("user.level", "equals", operand, attributes={"level": given}) == expected, json.dumps(given)
