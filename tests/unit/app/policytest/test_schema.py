"""The schema of test files, for editors, and the reader are of one mind."""

from typing import Any

import jsonschema
import pytest
import yaml

from sidecar.config.policytest import policy_tests_schema, read_tests
from tests.project.tree import files, text

VALIDATOR = jsonschema.Draft202012Validator(policy_tests_schema())
BASE: dict[str, Any] = {"version": 1}
CASE: dict[str, Any] = {"request": "GET /", "expect": "deny"}


class Loader(yaml.SafeLoader):
    """Reads times as text, as the sidecar does."""


Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def test_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(policy_tests_schema())


def test_every_key_is_described() -> None:
    schema = policy_tests_schema()
    sections = [schema, *(one for one in schema["$defs"].values() if "properties" in one)]
    assert len(sections) > 5
    for section in sections:
        assert section["additionalProperties"] is False
        assert [name for name, one in section["properties"].items() if "description" not in one] == []


@pytest.mark.parametrize("name", [name for name in files() if name.startswith("examples/policy-tests/")])
def test_examples_fit(name: str) -> None:
    assert read_tests(name, text(name).encode()).problems == ()
    assert [error.message for error in VALIDATOR.iter_errors(yaml.load(text(name), Loader))] == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"version": 2},
        {**BASE, "cases": {"a": {"request": "GET /"}}},
        {**BASE, "cases": {"a": {**CASE, "expect": "allowed"}}},
        {**BASE, "cases": {"a": {**CASE, "expect": {"status": "403"}}}},
        {**BASE, "cases": {"a": {**CASE, "expect": {"reason": "none"}}}},
        {**BASE, "cases": {"a": {**CASE, "expect": {"policies": {"p": "perhaps"}}}}},
        {**BASE, "cases": {"a": {**CASE, "request": {"headers": {"a": {}}}}}},
        {**BASE, "attributes": {"a": "gone"}},
        {**BASE, "matrices": {"m": {"principals": ["a"], "rows": {"GET /": ["yes"]}}}},
        {**BASE, "matrices": {"m": {"principals": [], "rows": {"GET /": []}}}},
        {**BASE, "principals": {"a": {"role": "x"}}},
    ],
)
def test_what_does_not_fit_is_refused_by_both(data: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(data))
    assert read_tests("t", yaml.safe_dump(data).encode()).problems
