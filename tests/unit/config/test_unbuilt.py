"""A key whose behaviour is not built yet is an error that names it; the schema for editors does not show it."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sidecar.config.jsonschema import config_schema, key_file_schema
from sidecar.config.keyfile import parse_key_file
from sidecar.config.schema.api_keys import Store
from sidecar.config.schema.attributes import HeaderValue
from sidecar.config.schema.base import UNBUILT
from sidecar.config.schema.issuers import Issuer
from sidecar.config.schema.key_file import Key, KeyFile
from sidecar.config.schema.policies import Defaults
from sidecar.config.schema.root import Config
from sidecar.config.schema.routes import Require, Route
from sidecar.config.schema.secrets import SecretRef
from sidecar.config.schema.server import Server
from sidecar.config.words import built_keys
from sidecar.model.errors import ConfigError
from tests.support.settings import BASE, load_files

PLACES: dict[type[BaseModel], tuple[str, ...]] = {
    Config: (),
    Server: ("server",),
    Issuer: ("issuers", "corp"),
    Store: ("api_keys", "partners", "store"),
    SecretRef: ("issuers", "corp", "keys", "shared_secret"),
    HeaderValue: ("attributes", "post-owner", "http", "headers", "x-token"),
    Route: ("routes", "list-posts"),
    Require: ("routes", "list-posts", "require"),
    Defaults: ("defaults",),
}
"""Where a section with unbuilt keys stands in BASE."""

EXPECTED = {
    *("defaults.rate_limits", "stores", "rate_limits", "certificates", "revocation", "audit"),
    *("identity_token", "outbound", "logins", "secrets", "server.unsafe_shared_check_listener"),
    "attributes.post-owner.http.headers.x-token.secret",
    *("issuers.corp.introspection", "issuers.corp.keys.shared_secret.secret"),
    *("api_keys.partners.store.sqlite", "api_keys.partners.store.postgres"),
    *(f"routes.list-posts.{key}" for key in ("rate_limits", "identity_audience", "outbound", "all_of")),
    *(f"routes.list-posts.{key}" for key in ("unsafe_fail_open",)),
    *(f"routes.list-posts.require.{key}" for key in ("acr", "any_amr", "max_age")),
}
"""What operators find in the documentation of later versions; a key leaves this list when it is built."""


def sections_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """``model`` and every section that can stand somewhere in it."""
    found = [model]
    for section in found:
        waiting: list[Any] = [field.annotation for field in section.model_fields.values()]
        while waiting:
            one = waiting.pop()
            if isinstance(one, type) and issubclass(one, BaseModel):
                found += [] if one in found else [one]
            else:
                waiting += get_args(one)
    return found


def unbuilt_in(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items() if (field.alias or name) not in built_keys(section)]


def all_unbuilt() -> Iterator[tuple[str, ...]]:
    for section in sections_below(Config):
        for key in unbuilt_in(section):
            yield (*PLACES[section], key)


ALL = sorted(all_unbuilt())


def test_each_is_known_here() -> None:
    assert {".".join(path) for path in ALL} == EXPECTED


@pytest.mark.parametrize("value", [{}, [], "x", None, False, 0], ids=str)
@pytest.mark.parametrize("path", ALL, ids=".".join)
def test_using_one_is_an_error_that_names_it(path: tuple[str, ...], value: object) -> None:
    """Whatever is written there: it is never accepted and ignored."""
    document = json.loads(json.dumps(BASE))
    inner = document
    for step in path[:-1]:
        inner = inner.setdefault(step, {})
    inner[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        load_files({"s.yaml": json.dumps(document)})
    assert f"s.yaml:1: {'.'.join(path)}: {path[-1]!r} is not built yet (remove it)" in str(caught.value).splitlines()


def test_values_that_are_not_built() -> None:
    with pytest.raises(ConfigError, match=r"server\.workers: .* not built yet"):
        load_files({"s.yaml": "version: 1\nserver: {workers: 2}\n"})
    assert load_files({"s.yaml": "version: 1\nserver: {workers: 1}\n"})


def test_key_file() -> None:
    assert unbuilt_in(Key) == ["rate_limit"]
    assert unbuilt_in(KeyFile) == []
    _, problems = parse_key_file("k.yaml", b"keys: [{id: a, digest: x, rate_limit: 1/minute}]", ())
    assert "k.yaml:1: keys[0].rate_limit: 'rate_limit' is not built yet (remove it)" in [str(problem) for problem in problems]


def names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from schema["properties"]
        for item in schema.values():
            yield from names_in(item)
    if isinstance(schema, list):
        for item in schema:
            yield from names_in(item)


def test_editors_do_not_see_them() -> None:
    for schema in (config_schema(), key_file_schema()):
        assert UNBUILT not in json.dumps(schema)
    assert {path[-1] for path in ALL}.isdisjoint(names_in(config_schema()))
    assert "rate_limit" not in set(names_in(key_file_schema()))


def test_suggestions_do_not_name_them() -> None:
    with pytest.raises(ConfigError) as caught:
        load_files({"s.yaml": "version: 1\nlogin: {}\n"})
    assert "logins" not in str(caught.value)
