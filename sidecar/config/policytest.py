"""A policy test file: bytes to a model with the places of everything in it, or problems with file, line and key."""

from typing import Any, NamedTuple

from pydantic import ValidationError

from sidecar.model.errors import Problem

from .jsonschema import _schema
from .marks import Mark
from .schema.policytest import PolicyTests
from .words import problems_of
from .yaml_reader import read_yaml


class ReadTests(NamedTuple):
    """A file as read. ``tests`` is None where it has problems."""

    tests: PolicyTests | None
    mark: Mark
    problems: tuple[Problem, ...]


def read_tests(file: str, data: bytes) -> ReadTests:
    """Read a file of policy tests; ``file`` is its name in messages. Never raises."""
    document = read_yaml(file, data)
    try:
        model = PolicyTests.model_validate(document.value)
    except ValidationError as error:
        return ReadTests(None, document.mark, (*document.problems, *problems_of(error, PolicyTests, document.mark)))
    return ReadTests(None if document.problems else model, document.mark, tuple(document.problems))


def policy_tests_schema() -> dict[str, Any]:
    """Return the JSON Schema of policy test files."""
    return _schema(PolicyTests, "Policy tests of the ext_authz sidecar")
