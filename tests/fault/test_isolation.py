"""A share of the isolation campaign: no answer is somebody else's, whatever is reloaded, rotated, cancelled and restarted meanwhile."""

import pytest

from campaigns.isolation import measure


@pytest.mark.slow
def test_every_answer_is_its_own_requests(front: str) -> None:
    row, wrong = measure(front, 10_000, seed=5)
    _front, calls, allowed, denied, unavailable, cancelled, _lost, wrongs = row
    assert (wrong, wrongs) == ([], 0)
    assert isinstance(calls, int) and calls >= 10_000
    assert isinstance(allowed, int) and allowed > calls / 2
    assert isinstance(denied, int) and denied > calls / 5
    assert cancelled and isinstance(unavailable, int) and unavailable < calls / 20
