"""Stacks for the end-to-end tests: one for each transport that all reading tests share, fresh ones for those that break things."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .stack import TRANSPORTS, Shared, Stack, running, shared_parts

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.envoy)


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """Issuers and upstream."""
    with shared_parts() as parts:
        yield parts


class _Lazy(dict[str, Stack]):
    """Stacks by transport, started when first asked for."""

    def __init__(self, shared: Shared, opened: ExitStack) -> None:
        super().__init__()
        self._shared = shared
        self._opened = opened

    def __missing__(self, transport: str) -> Stack:
        self[transport] = self._opened.enter_context(running(transport, self._shared))
        return self[transport]


@pytest.fixture(scope="session")
def _stacks(shared: Shared) -> Iterator[dict[str, Stack]]:
    with ExitStack() as opened:
        yield _Lazy(shared, opened)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each front on each kind of socket. ``tests/conftest.py`` keeps the tests of one on one worker."""
    return request.param


@pytest.fixture
def stack(transport: str, _stacks: dict[str, Stack]) -> Stack:
    """The shared stack of this transport: tests leave it as they found it."""
    return _stacks[transport]


@pytest.fixture(params=["hardened", "plain"])
def send(request: pytest.FixtureRequest, stack: Stack):
    """Send through the shipped listener (raw headers), and through one with Envoy's defaults (merged headers)."""
    return stack.send if request.param == "hardened" else stack.send_plain
