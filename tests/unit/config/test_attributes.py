"""``attributes``: what a source may be, and every way to write one that would mislead."""

import json
from typing import Any

import pytest

from sidecar.config.files import ConfigFiles
from sidecar.config.load import Loaded, load
from sidecar.model.errors import ConfigError
from sidecar.model.settings import FileAttribute, HttpAttribute, SecretRef, StaticAttribute

BASE: dict[str, Any] = {
    "version": 1,
    "issuers": {
        "corp": {
            "issuer": "https://idp.example.com",
            "audiences": ["https://api.example.com"],
            "max_lifetime": "1h",
            "keys": {"url": "https://idp.example.com/k"},
            "claims": {"attributes": {"department": "department"}},
        }
    },
    "policies": {"mine": {"effect": "allow", "conditions": {"resource.owner": {"equals": {"ref": "user.id"}}}}},
    "routes": {
        "post": {
            "paths": ["/posts/{post_id}"],
            "authenticate": ["corp"],
            "require": {"policies": ["mine"]},
            "resource": {"type": "post"},
        },
        "other": {"paths": ["/other/{other_id}"], "authenticate": ["corp"], "require": {"authenticated": True}},
    },
}
HTTP = {"provides": "resource.owner", "http": {"url": "http://127.0.0.1:8081/posts/{post_id}/owner"}}
STATIC = {"provides": "resource.owner", "static": {"key": "{post_id}", "values": {"7": "ann"}}}


def loaded(sources: dict[str, Any], **changes: Any) -> Loaded:
    text = json.dumps(BASE | {"attributes": sources} | changes)
    return load(
        ConfigFiles(path="c.yaml", base="/etc/sidecar", is_directory=False, files=(("c.yaml", text.encode()),)),
        frozenset(),
        with_files=False,
    )


def wrong(source: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded({"s": source}, **changes)
    return str(caught.value)


def http(**changes: Any) -> dict[str, Any]:
    return HTTP | {"http": HTTP["http"] | changes}


def test_an_http_source_and_its_defaults() -> None:
    (source,) = loaded({"post-owner": HTTP}).settings.attributes.values()
    assert (source.name, source.provides, source.denies) == ("post-owner", "resource.owner", False)
    assert source.source == HttpAttribute(
        url="http://127.0.0.1:8081/posts/{post_id}/owner",
        headers={},
        ca_file=None,
        unsafe_http=False,
        timeout=0.05,
        cache=30.0,
        stale_max=0.0,
    )


def test_everything_written() -> None:
    source = http(
        url="https://a.example.com/{resource.type}/{post_id}?u={user.id}",
        headers={"Authorization": {"file": "token"}, "x-client": "sidecar", "x-more": {"env": "MORE"}},
        ca_file="ca.pem",
    )
    source |= {"timeout": "30ms", "cache": "0s", "stale_max": "1h", "when_unavailable": "deny"}
    (made,) = loaded({"s": source}).settings.attributes.values()
    assert made.denies
    assert isinstance(made.source, HttpAttribute)
    headers = made.source.headers
    assert headers["x-client"] == "sidecar"
    assert isinstance(headers["authorization"], SecretRef)
    assert (headers["authorization"].kind, headers["authorization"].value) == ("file", "/etc/sidecar/token")
    assert (made.source.ca_file, made.source.timeout, made.source.cache, made.source.stale_max) == (
        "/etc/sidecar/ca.pem",
        0.03,
        0.0,
        3600.0,
    )


def test_a_file_and_a_table() -> None:
    settings = loaded(
        {
            "f": {"provides": "resource.owner", "file": {"path": "o.csv", "format": "csv", "key": "{post_id}"}},
            "t": {"provides": "user.level", "static": {"key": "{user.id}", "values": {"ann": {"n": [1, None]}, "bob": None}, "default": 0}},
        }
    ).settings
    assert settings.attributes["f"].source == FileAttribute(path="/etc/sidecar/o.csv", format="csv", key="{post_id}")
    assert settings.attributes["t"].source == StaticAttribute(key="{user.id}", values={"ann": {"n": [1, None]}, "bob": None}, default=0)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"provides": "resource.owner"}, "s: needs exactly one of http, file, static, and has none of them"),
        (HTTP | STATIC, "has http and static"),
        (HTTP | {"provides": "request.x"}, "provides: is no attribute that a source can give"),
        (HTTP | {"provides": "resource.owner.id"}, "provides: is no attribute"),
        (HTTP | {"provides": "user.claims.x"}, "provides: is no attribute"),
        (http(url="http://{post_id}/x"), "http.url: has a variable in its scheme or host"),
        (http(url="http://127.0.0.1:{post_id}/x"), "http.url: has a variable in its scheme or host"),
        (http(url="http://127.0.0.1/x-{post_id}"), "only a part of a path segment"),
        (http(url="http://a.example.com/{post_id}"), "http.url: is plain http"),
        (http(url="https://u:p@a.example.com/{post_id}"), "has a user name or password"),
        (http(headers={"authorization": "Bearer abc"}), "which must be a reference and never text"),
        (http(headers={"x-a": "a\nb"}), "is not the value of a header"),
        (http(headers={"x-a": {"text": "a", "env": "B"}}), "needs exactly one of text, file, env"),
        (http(headers={"host": "a"}), "belongs to the connection"),
        (http(headers={}), "must not be empty"),
        (http(ca_file="ca.pem"), "http.ca_file: has no effect"),
        (http(url="http://127.0.0.1/{nobody}"), "http.url: names {nobody}, which no route gives"),
        (HTTP | {"timeout": "150ms"}, "timeout: is not below server.check_deadline"),
        (HTTP | {"stale_max": "10s"}, "stale_max: is shorter than cache"),
        (HTTP | {"timeout": "0ms"}, "timeout: is out of range"),
        (HTTP | {"when_unavailable": "allow"}, "when_unavailable: must be one of"),
        (HTTP | {"retries": 3}, "unknown key"),
        (STATIC | {"cache": "30s"}, "cache: has no effect"),
        (STATIC | {"timeout": "30ms"}, "timeout: has no effect"),
        (STATIC | {"static": {"key": "x", "values": {"7": 1}}}, "static.key: has no variable"),
        (STATIC | {"static": {"key": "{post_id}", "values": {}}}, "static.values: must not be empty"),
        ({"provides": "resource.owner", "file": {"path": "f", "format": "json", "key": "{gone}"}}, "file.key: names {gone}"),
    ],
)
def test_what_is_wrong(source: dict[str, Any], words: str) -> None:
    assert words in wrong(source)


@pytest.mark.parametrize(
    ("provides", "by"),
    [
        ("user.department", "issuer 'corp'"),
        ("user.email", "every request"),
        ("user.metadata", "every request"),
        ("user.claims", "every request"),
        ("resource.type", "route 'post'"),
        ("resource.post_id", "route 'post'"),
    ],
)
def test_a_name_that_something_else_gives(provides: str, by: str) -> None:
    source = {"provides": provides, "static": {"key": "{user.id}/{post_id}", "values": {"x": 1}}}
    assert f"attributes.s.provides: {provides} is what {by} gives already" in wrong(source)


def test_one_attribute_from_two_sources() -> None:
    with pytest.raises(ConfigError, match=r"attributes\.b\.provides: resource\.owner comes from 'a' already"):
        loaded({"a": HTTP, "b": STATIC})


def test_an_attribute_of_a_user_hinges_on_the_user() -> None:
    assert "everybody would have the same" in wrong({"provides": "user.level", "static": {"key": "{post_id}", "values": {"7": 1}}})
    assert "everybody would have the same" in wrong({"provides": "user.level", "http": {"url": "https://a.example.com/level"}})


def test_a_route_binds_what_the_source_of_its_policy_needs() -> None:
    routes = BASE["routes"] | {"list": {"paths": ["/posts"], "authenticate": ["corp"], "require": {"policies": ["mine"]}}}
    assert "routes.list: policy 'mine' looks at resource.owner, whose source 's' needs {post_id}" in wrong(HTTP, routes=routes)


def test_a_source_that_nobody_looks_at_and_plain_http_are_doubts() -> None:
    unused = {"provides": "resource.unused", "http": {"url": "http://a.example.com/{post_id}", "unsafe_http": True}}
    words = [str(problem) for problem in loaded({"s": HTTP, "u": unused}).warnings]
    assert any("attributes.u: no policy looks at resource.unused" in one for one in words)
    assert any("attributes.u.http.unsafe_http: whoever sits on the way" in one for one in words)
    assert not any("attributes.s" in one for one in words)


def test_a_field_of_what_a_source_gives_is_looked_at() -> None:
    policies = {"mine": {"effect": "allow", "conditions": {"resource.owner.department": {"equals": "eng"}}}}
    assert not any("attributes" in str(problem) for problem in loaded({"s": HTTP}, policies=policies).warnings)


def test_problems_are_placed() -> None:

    assert wrong(HTTP | {"provides": "x"}).startswith("c.yaml:1: attributes.s.provides: ")
