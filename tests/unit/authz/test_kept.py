"""What explanations of a check that is over may still see."""

import pytest

from sidecar.authz.conditions import compile_condition, explain
from sidecar.authz.facts import NOT_HAD, Kept
from sidecar.authz.ternary import OPEN, TRUE
from sidecar.model.condition import Comparison
from tests.support.inputs import make_input

from .facts import CATALOGUE, facts

REQUEST = make_input(path="/posts/7?key=canary", headers={"x-a": "canary", "user-agent": "canary"}, body="canary")


@pytest.mark.parametrize("name", ["request.query.key", "request.headers.x-a", "request.body.a", "environment.device_type"])
def test_nothing_of_headers_query_and_body(name: str) -> None:
    """Security rule 22."""
    kept = Kept(facts(REQUEST))
    assert CATALOGUE.find(name).read(kept) is NOT_HAD
    node = explain(Comparison("k", name, "equals", "canary"), CATALOGUE, kept)
    assert node.outcome == OPEN
    assert "canary" not in str(node.values)


def test_the_rest_is_as_it_was() -> None:
    kept = Kept(facts(REQUEST, attributes={"department": "eng"}))
    assert CATALOGUE.find("resource.id").read(kept) == "7"
    assert compile_condition(Comparison("k", "user.department", "equals", "eng"), CATALOGUE)(kept) == TRUE
