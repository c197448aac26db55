"""Security rules 9 and 10: when the next fetch is due."""

from random import Random

import pytest

from sidecar.authn.pacing import Bucket, hold, next_refresh, next_try

EVERY = 600.0


class Most(Random):
    """No jitter."""

    def uniform(self, _: float, b: float) -> float:
        return b


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 600),
        ({"cache-control": "max-age=120"}, 120),
        ({"cache-control": "public, Max-Age=120, must-revalidate"}, 120),
        ({"cache-control": 'max-age="120"'}, 120),
        ({"cache-control": "max-age=120", "age": "30"}, 90),
        ({"cache-control": "max-age=120", "age": "junk"}, 120),
        ({"cache-control": "max-age=120", "age": "500"}, 60),
        ({"cache-control": "max-age=5"}, 60),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "no-cache"}, 60),
        ({"cache-control": "no-store, max-age=500"}, 60),
        ({"cache-control": "max-age=86400"}, 600),
        ({"cache-control": "max-age=-1"}, 60),
        ({"cache-control": "max-age=junk"}, 60),
        ({"cache-control": "max-age=" + "9" * 400}, 60),
        ({"cache-control": "s-maxage=120"}, 600),
        ({"cache-control": ",,="}, 600),
        ({"expires": "Tue, 24 Nov 2026 08:05:00 GMT", "date": "Tue, 24 Nov 2026 08:00:00 GMT"}, 300),
        ({"expires": "Tue, 24 Nov 2026 07:00:00 GMT", "date": "Tue, 24 Nov 2026 08:00:00 GMT"}, 60),
        ({"expires": "0", "date": "Tue, 24 Nov 2026 08:00:00 GMT"}, 60),
        ({"expires": "Tue, 24 Nov 2026 08:05:00 GMT"}, 60),
        ({"cache-control": "max-age=120", "expires": "0"}, 120),
    ],
)
def test_cache_headers_count_within_bounds(headers: dict[str, str], seconds: float) -> None:
    assert next_refresh(headers, EVERY, Most()) == seconds


def test_every_is_the_longest_even_below_the_shortest() -> None:
    assert next_refresh({"cache-control": "max-age=500"}, 10.0, Most()) == 10.0
    assert next_refresh({}, 10.0, Most()) == 10.0


def test_jitter_only_shortens() -> None:
    random = Random(1)
    waits = [next_refresh({}, EVERY, random) for _ in range(200)]
    assert 540 <= min(waits) < 550
    assert 590 < max(waits) <= 600


def test_backoff_doubles_up_to_a_minute() -> None:
    assert [next_try(failures, None, Most()) for failures in range(1, 10)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert next_try(10**9, None, Most()) == 60
    random = Random(1)
    waits = [next_try(3, None, random) for _ in range(200)]
    assert 2 <= min(waits) < 2.2
    assert 3.8 < max(waits) <= 4


@pytest.mark.parametrize(("asked", "held"), [(None, 0), (0, 0), (-5, 0), (20, 20), (1e9, 3600)])
def test_retry_after(asked: float | None, held: float) -> None:
    assert hold(asked) == held
    assert next_try(1, asked, Most()) == max(1, held)


class TestBucket:
    def test_a_burst_of_three_then_one_in_thirty_seconds(self) -> None:
        bucket = Bucket()
        assert [bucket.take(0.0) for _ in range(5)] == [True, True, True, False, False]
        assert [bucket.take(at) for at in (29.0, 30.5, 31.0, 59.0, 61.0)] == [False, True, False, False, True]

    def test_it_fills_up_to_three(self) -> None:
        bucket = Bucket()
        bucket.take(0.0)
        assert [bucket.take(1e6) for _ in range(4)] == [True, True, True, False]

    def test_a_clock_that_steps_back_gives_nothing(self) -> None:
        bucket = Bucket()
        assert [bucket.take(100.0) for _ in range(3)] == [True] * 3
        assert not bucket.take(0.0)
