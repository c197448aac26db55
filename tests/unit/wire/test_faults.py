"""An unexpected error is logged by type and place, never by its text."""

import logging

import pytest

from sidecar.wire.faults import report


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
