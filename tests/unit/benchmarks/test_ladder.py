"""The rungs of the ladder do what the short way does, by its own names: they must still run."""

from hashlib import sha256
from typing import Any

import pytest

from benchmarks.corpus import HeaderForm
from benchmarks.ladder import rungs
from tests.support.world import World, allowed, bearer, payload, token


@pytest.mark.parametrize("form", ["headers", "header_map"])
def test_each_rung_runs(form: HeaderForm) -> None:
    world, value = World(), token(roles=["viewer"])
    check = payload(raw=form == "header_map", headers=bearer(value))
    assert allowed(world.answer(check))  # from now on its names are known to be harmless
    snapshot = world.current.snapshot
    assert snapshot is not None
    found: list[Any] = [rung(check) for _, rung in rungs(snapshot, form)]
    parsed, routed, read, plain, hashed = found
    assert parsed.request.http.path == "/posts"
    assert routed[1] is snapshot.routes.usual("GET", "api.example.com", "/posts") is not None
    assert plain.removeprefix(b"Bearer ") == read[1].removeprefix(b"Bearer ") == value.encode()
    assert hashed == sha256(value.encode()).digest()
