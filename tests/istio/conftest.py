"""One Envoy with every pair; each pair compared once, for all tests that look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .compare import Comparison, Outcome, comparing
from .odd import odd_pairs
from .pairs import all_pairs

HERE = Path(__file__).parent
NEED_ENVOY = {HERE / "test_differential.py", HERE / "test_stack.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need Envoy."""
    for item in items:
        if item.path in NEED_ENVOY:
            item.add_marker(pytest.mark.envoy)


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """Envoy with Istio's filters."""
    with comparing([*all_pairs(), *odd_pairs()], tmp_path_factory.mktemp("istio")) as one:
        yield one


@pytest.fixture(scope="session")
def outcomes(comparison: Comparison) -> dict[str, Outcome]:
    """By the name of each pair (but the odd ones)."""
    found = [comparison.run(case) for case, pair in comparison.pairs.items() if pair.level != "odd"]
    return {one.pair.name: one for one in found}
