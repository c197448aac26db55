"""Rows 34, 35 and 36: the sidecar or its Envoy is told to end, under load, twice, at a bad moment."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from tests.envoy.stack import Shared, Stack, running, shared_parts
from tests.serve.site import Load, eventually
from tests.servers.client import Connection
from tests.servers.envoy import OPTIONS, START_TIMEOUT, binary
from tests.servers.proc import Proc

from .invariants import Watch, resident
from .scene import Scene

POSTS = "/api/v1/posts"
CALLERS = 8
GOOD = 0.005
"""Seconds between two requests of one caller: 1,000 a second together at most."""


@pytest.fixture
def parts() -> Iterator[Shared]:
    with shared_parts() as made:
        yield made


class Caller(threading.Thread):
    """One kept-alive caller through Envoy: a good and a bad request in turn; counts what each got."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.good: Counter[int | str] = Counter()
        self.bad: Counter[int | str] = Counter()
        self.latest = 0.0
        self._port = stack.envoy.port
        corp = stack.shared.corp
        self._kinds = ((corp.token("sam", roles=["viewer"]), self.good), (corp.token("sam", roles=["nobody"]), self.bad))
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        connection: Connection | None = None
        while not self._stopped.wait(GOOD):
            for token, counts in self._kinds:
                try:
                    connection = connection or Connection(self._port)
                    headers = [("host", "api.example.com"), ("authorization", f"Bearer {token}")]
                    counts[connection.send("GET", POSTS, headers).status] += 1
                except (OSError, ValueError):
                    counts["broken"] += 1
                    if connection is not None:
                        connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        self._stopped.set()
        self.join(15)


class Callers:
    """Load through Envoy while the block runs, and its sums after it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._all = [Caller(self._stack) for _ in range(CALLERS)]
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.stop()
        self.seconds = time.monotonic() - self._began

    @property
    def good(self) -> Counter[int | str]:
        return sum((one.good for one in self._all), Counter())

    @property
    def bad(self) -> Counter[int | str]:
        return sum((one.bad for one in self._all), Counter())

    def rate(self) -> float:
        return (self.good.total() + self.bad.total()) / self.seconds


@pytest.mark.slow
def test_row_34_sigterm_of_one_of_two(front: str, parts: Shared, figure: Callable[..., None]) -> None:
    """Behind one health-checking Envoy, under load: not one request fails; exit 0 within the grace of Kubernetes (30 s)."""
    with running(f"{front}-tcp", parts, sidecars=2) as stack:
        eventually(lambda: stack.envoy.healthy_sidecars() == 2)
        leaving = stack.sidecars[0][0]
        with Callers(stack) as load:
            time.sleep(2)
            began = time.monotonic()
            leaving.terminate()
            code = leaving.proc.wait(30)
            took = time.monotonic() - began
            rss = max(resident(server.proc.pid) for server, _ in stack.sidecars)
            time.sleep(2)
        shares = [len([one for one in server.records() if one["decision"] == "allow"]) for server, _ in stack.sidecars]
    assert code == 0
    assert load.good.keys() == {200}, load.good
    assert load.bad.keys() == {403}, load.bad
    assert min(shares) > 50, "both answered"
    assert load.good[200] > 500
    words = (
        f"{load.rate():.0f} requests/s through Envoy: failed 0 of {load.good.total() + load.bad.total()}; "
        f"exit 0 after {took:.1f} s (delay 4 s); answered {shares[0]} and {shares[1]}"
    )
    figure(34, "SIGTERM of one of two behind Envoy, under load", "failed requests 0", words, wrongly_allowed=0, rss_mb=round(rss / 1e6, 1))


def test_row_34_sigterm_under_load(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """Alone: still answered for shutdown_delay; whoever left when told so has lost nothing."""
    scene = scene_of(shutdown_delay="1s")
    with scene.start() as running_:
        loads = [Load(running_, scene.good()) for _ in range(4)]
        with watch(running_, scene, asking=False, alive=False, lag=False, unaffected=False) as seen:
            for one in loads:
                one.__enter__()
            time.sleep(0.5)
            began = time.monotonic()
            running_.terminate()
            eventually(lambda: not running_.ready())
            time.sleep(0.5)
            for one in loads:
                one.stop()
        code = running_.proc.wait(10)
        took = time.monotonic() - began
    answers = Counter(answer for one in loads for answer in one.answers)
    assert code == 0
    assert [error for one in loads for error in one.errors] == []
    assert set(answers) == {200}
    words = f"client errors 0 of {answers.total()}, exit 0 after {took:.1f} s (delay 1 s)"
    figure(34, "SIGTERM under load, alone", "answered until its delay is over; exit 0; client errors 0", words, seen)


def test_row_35_sigterm_twice(scene_of: Callable[..., Scene], figure: Callable[..., None]) -> None:
    scene = scene_of(shutdown_delay="20s", shutdown_timeout="30s")
    with scene.start() as running_:
        running_.terminate()
        eventually(lambda: not running_.ready())
        assert running_.with_token(scene.good()) == 200
        began = time.monotonic()
        running_.terminate()
        assert running_.proc.wait(5) == 1
        took = time.monotonic() - began
    assert took < 2
    figure(35, "SIGTERM twice", "exits", f"exit 1 after {took:.2f} s (delay 20 s)")


@pytest.mark.slow
def test_row_35_sigterm_during_start(scene_of: Callable[..., Scene], figure: Callable[..., None]) -> None:
    """At 20 different moments of a start: gone within a second or two, with 0, and nothing left behind."""
    scene = scene_of()
    took = []
    for moment in range(20):
        with scene.start(ready=False) as running_:
            time.sleep(0.05 * moment)
            began = time.monotonic()
            running_.terminate()
            # Before Python runs at all, the signal's own default ends the process: as good.
            assert running_.proc.wait(10) in {0, -15}, running_.log()
            took.append(time.monotonic() - began)
            assert "Traceback" not in running_.log()
    assert max(took) < 5
    figure(35, "SIGTERM during start", "exits", f"20 moments: exit after {max(took):.2f} s at most, no traceback")


@pytest.mark.slow
def test_row_35_sigterm_during_reload(scene_of: Callable[..., Scene], figure: Callable[..., None]) -> None:
    """While the validator child works: drained as ever, no child left, and not an error meanwhile."""
    scene = scene_of()
    took = []
    for moment in range(5):
        scene.write(scene.config())
        with scene.start() as running_, Load(running_, scene.good()) as load:
            scene.edit("paths: [/healthz]", f"paths: [/health{moment}]")
            eventually(lambda running_=running_: running_.status()["reload_stage"] != "idle")
            time.sleep(0.1 * moment)
            began = time.monotonic()
            running_.terminate()
            time.sleep(0.05)
            load.stop()
            assert running_.proc.wait(10) == 0
            took.append(time.monotonic() - began)
            assert load.errors == []
            assert set(load.answers) == {200}
    figure(35, "SIGTERM during a reload", "exits", f"5 moments: exit 0 after {max(took):.2f} s at most, client errors 0")


@pytest.mark.slow
def test_row_36_envoy_restarts(front: str, parts: Shared, figure: Callable[..., None]) -> None:
    """Killed under load and started anew: new connections only, no errors after. (Hot restart: see below.)

    A hot restart hands the listeners' sockets to a new Envoy, which opens its own connections to the sidecar and closes the old
    ones when it has drained: to the sidecar that is this row with a new connection before the old one ends.
    """
    with running(f"{front}-tcp", parts) as stack:
        with Callers(stack) as load:
            time.sleep(1)
            for end in (Proc.kill, Proc.stop):
                end(stack.envoy.proc)
                command = [binary(), "-c", str(stack.folder / "envoy.yaml"), *OPTIONS]
                stack.envoy.proc = Proc("envoy", command, stack.folder)
                stack.envoy.proc.wait_ready(stack.envoy.ready, START_TIMEOUT)
                time.sleep(0.5)
        with Callers(stack) as after:
            time.sleep(2)
        rss = resident(stack.sidecar.proc.pid)
        assert stack.sidecar.proc.popen.poll() is None
        assert stack.sidecar.status()["in_flight"] == 0
    assert 200 not in load.bad
    assert after.good.keys() == {200}, after.good
    assert after.bad.keys() == {403}, after.bad
    words = f"killed and stopped once each under load: errors 0 of {after.good.total() + after.bad.total()} after it was ready again"
    figure(36, "Envoy restart under load", "new connections only; errors 0 after", words, wrongly_allowed=0, rss_mb=round(rss / 1e6, 1))
