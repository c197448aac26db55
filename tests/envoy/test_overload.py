"""What is above the circuit breaker of the shipped configuration is refused by Envoy itself, at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from campaigns.overload import MAX_REQUESTS

from .stack import Shared, Stack, running

ABOVE = 40
AT_ONCE = 1.0
"""Seconds; a check that nobody answers takes 2 s here."""


@pytest.fixture
def fresh(transport: str, shared: Shared) -> Iterator[Stack]:
    """A stack of its own."""
    with running(transport, shared) as started:
        yield started


def test_what_is_above_the_circuit_breaker_is_refused_at_once(fresh: Stack) -> None:
    assert fresh.send("/public/page").status == 200
    before = fresh.shared.upstream.served.total()
    fresh.sidecar.pause()

    def ask(_number: int) -> tuple[int, float]:
        began = time.monotonic()
        return fresh.send("/public/page").status, time.monotonic() - began

    with ThreadPoolExecutor(MAX_REQUESTS + ABOVE) as callers:
        answers = list(callers.map(ask, range(MAX_REQUESTS + ABOVE)))
    assert {status for status, _ in answers} == {503}
    # The health check shares the connection, and has a place or not.
    assert ABOVE <= sum(took < AT_ONCE for _, took in answers) <= ABOVE + 2
    assert fresh.shared.upstream.served.total() == before
    fresh.sidecar.resume()
    until = time.monotonic() + 15
    while fresh.send("/public/page").status != 200:
        assert time.monotonic() < until, "it did not recover"
        time.sleep(0.05)
