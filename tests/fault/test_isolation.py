"""A share of the isolation campaign: no answer is somebody else's, whatever is reloaded, rotated, cancelled and restarted meanwhile."""

from typing import Any

import pytest

from campaigns.isolation import measure


@pytest.mark.slow
def test_every_answer_is_its_own_requests(front: str) -> None:
    row: list[Any]
    row, wrong = measure(front, 10_000, seed=5)
    _front, calls, allowed, denied, unavailable, cancelled, _lost, wrongs = row
    assert (wrong, wrongs) == ([], 0)
    assert calls >= 10_000
    assert allowed > calls / 2
    assert denied > calls / 5
    assert unavailable < calls / 20
    assert cancelled > 0
