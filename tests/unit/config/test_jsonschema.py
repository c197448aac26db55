"""The schema for editors: valid itself, described throughout, and of one mind with the validator."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from sidecar.config.jsonschema import config_schema, key_file_schema
from tests.support.settings import BASE

VALIDATOR = jsonschema.Draft202012Validator(config_schema())


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for item in schema.values():
            yield from objects(item)
    if isinstance(schema, list):
        for item in schema:
            yield from objects(item)


@pytest.mark.parametrize("schema", [config_schema(), key_file_schema()], ids=["config", "key file"])
def test_is_a_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("schema", [config_schema(), key_file_schema()], ids=["config", "key file"])
def test_everything_is_described_and_closed(schema: dict[str, Any]) -> None:
    found = list(objects(schema))
    assert found
    for one in found:
        if "and" in one["properties"]:
            continue  # a condition: its other keys are attributes
        assert one["additionalProperties"] is False
        assert one["description"]
        for field in one["properties"].values():
            # Pydantic leaves out a description that the section itself has.
            described = field if "description" in field else schema["$defs"][field["$ref"].rpartition("/")[2]]
            assert described["description"].endswith(".")
    assert '"null"' not in json.dumps(schema)


def test_accepts_what_the_validator_accepts() -> None:
    users = [{"match": {"issuer": "corp", "email": "a@b.example"}, "roles": ["viewer"]}]
    document = {**BASE, "users": users, "server": {"check_deadline": "100ms", "socket_mode": "0660"}, "acknowledge": ["no_routes"]}
    assert list(VALIDATOR.iter_errors(document)) == []
    assert list(VALIDATOR.iter_errors({**document, "users": {"a": {"roles": ["viewer"]}}})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"servr": {}},
        {"server": {"check_deadline": 5}},
        {"server": {"check_deadline": "5 s"}},
        {"server": {"transport": "grpc"}},
        {"roles": {"a": {"permissions": []}}},
        {"routes": {"a": {"paths": ["/a"]}}},
        {"logins": {}},
        {"policies": {"a": {"effect": "allow", "conditions": {}}}},
        {"policies": {"a": {"conditions": {"user.id": {"exists": True}}}}},
        {"identity_headers": {"x-a": 5}},
        {"version": 2},
        {"routes": {"no name": {"paths": ["/a"], "authenticate": ["anonymous"]}}},
    ],
    ids=str,
)
def test_refuses(change: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors({**BASE, **change}))
