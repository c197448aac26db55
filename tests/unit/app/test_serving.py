"""What the probes are told of the check listener."""

from types import SimpleNamespace

from sidecar.app.process import Process
from sidecar.app.readiness import Readiness
from sidecar.app.serving import alive, ready
from tests.support.app_fakes import HandClock


class StubFront:
    """A front as far as the probes look at it."""

    def __init__(self) -> None:
        self.deciding = True

    def alive(self) -> bool:
        return self.deciding


def process() -> Process:
    readiness = Readiness(HandClock(), tuple)
    readiness.serving()
    return SimpleNamespace(front=StubFront(), readiness=readiness)  # type: ignore[return-value]


def test_alive_and_ready_while_checks_are_decided() -> None:
    made = process()
    assert (alive(made), ready(made)) == ((True, "ok"), (True, "ready"))


def test_a_deciding_thread_that_died_ends_both() -> None:
    """Envoy denies everything then: only a restart helps, so the kubelet has to hear of it."""
    made = process()
    made.front.deciding = False  # type: ignore[attr-defined]
    assert alive(made) == (False, "the check listener has stopped")
    assert ready(made) == (False, "the check listener has stopped")


def test_a_listener_closed_at_shutdown_is_no_reason_to_kill() -> None:
    made = process()
    made.readiness.draining = True
    made.front.deciding = False  # type: ignore[attr-defined]
    assert alive(made) == (True, "ok")
    assert not ready(made)[0]
