"""An unexpected error is logged by type and place, never by its text."""

import logging

import pytest

from sidecar.model.reason import Reason
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.faults import report
from tests.support.world import World, allowed, payload


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    raise ValueError("Bearer canary")


def test_type_and_innermost_places(caplog: pytest.LogCaptureFixture) -> None:
    """Security rule 22."""
    with pytest.raises(ValueError, match="canary") as caught:
        fail(9)
    with caplog.at_level(logging.DEBUG):
        report("a check failed", caught.value)
    (message,) = caplog.messages
    assert message.startswith("a check failed: ValueError in fail (test_faults.py:")
    assert message.count("test_faults.py") == 4
    assert "canary" not in caplog.text


def test_an_error_that_was_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    report("a check failed", RuntimeError("canary"))
    assert caplog.messages == ["a check failed: RuntimeError in no frame"]


def test_a_log_that_breaks_does_not_keep_a_denial_from_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sidecar.wire.faults._log.error", fails)
    report("a check failed", RuntimeError())


def test_without_a_clock_there_is_a_denial() -> None:
    """Not a gRPC error, with which Envoy could be told to let through."""
    world = World()

    def broken() -> None:
        raise MemoryError

    world.service._now = broken
    for answer in (world.service.open(payload(path="/healthz"), None), world.service.refuse(Reason.OVERLOADED, "x")):
        assert isinstance(answer, bytes)
        response = CheckResponse.FromString(answer)
        assert not allowed(response)
        assert response.denied_response.status.code == 503
