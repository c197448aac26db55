"""What is garbage when a reload tells the collector what stays must not stay with it on the grpcio front, which leaves a cycle at each call."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from sidecar.app.collector import settle


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_cycles_left_by_grpc_are_not_kept_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc.aio", sys)
    gone = weakref.ref(Cycle())
    settle()
    assert gone() is None


def test_without_grpc_there_is_no_pause_for_a_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "grpc.aio", raising=False)
    collections: list[str] = []

    def note(phase: str, _: object) -> None:
        collections.append(phase)

    gc.callbacks.append(note)
    try:
        settle()
    finally:
        gc.callbacks.remove(note)
    assert collections == []
