"""Row 57: hours in minutes. Half of what the sidecar can carry, while rows 2 (IdP gone), 8 (rotation) and 24 (config swap) take turns."""

import os
import select
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from campaigns.caller import Caller
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from tests.serve.site import Running

from .faulty_issuer import says
from .generations import Swaps, size_of
from .invariants import bearer
from .scene import Scene

PEOPLE = 200
NEW = 16
"""One request in so many has a token of its own, good or bad."""
CACHED = 14_000
"""Tokens, half of them good, after which the memory of tokens is full."""
STEP = 0.01
WARM_UP = 0.4
"""Of the time: caches fill and allocators settle; slopes are taken from what follows."""
OUTAGE = 0.25
"""Of a cycle: so long is the IdP gone in each."""


class Sample(NamedTuple):
    """``at``: seconds since the start; ``rss``: 10^6 bytes of the process itself; open descriptors; tasks of the loop; threads."""

    at: float
    rss: float
    fds: int
    tasks: int
    threads: int


class Slopes(NamedTuple):
    """Change a minute, and over the measured part in all."""

    minutes: float
    rss: float
    fds: float
    tasks: float
    threads: float

    def total(self, name: str) -> float:
        """By how much it has changed at that pace."""
        return float(getattr(self, name)) * self.minutes


def slopes(samples: Sequence[Sample]) -> Slopes:
    """Least squares over what follows the warm-up."""
    late = [one for one in samples if one.at >= samples[-1].at * WARM_UP]
    minutes = [one.at / 60 for one in late]

    def slope(values: list[float]) -> float:
        return statistics.linear_regression(minutes, values).slope

    columns = [[float(one[column]) for one in late] for column in range(1, 5)]
    return Slopes(minutes[-1] - minutes[0], *(slope(values) for values in columns))


def message(headers: dict[str, str]) -> bytes:
    request = CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.host = "GET", "/posts", "api.example.com"
    for name, value in headers.items():
        http.headers[name] = value
    return request.SerializeToString()


class Traffic:
    """A steady number of checks a second on one connection, from a thread. ``wrong``: bad requests that were allowed."""

    def __init__(self, scene: Scene, rate: float, *, new: int = NEW) -> None:
        """``rate``: checks a second; 0: as many as are answered. One in ``new`` has a token of its own."""
        self.answers: Counter[str] = Counter()
        self.wrong = 0
        self._scene = scene
        self._rate = rate
        self._new = new
        self._bodies = [message(bearer(scene.other(f"user-{number}", exp=int(time.time()) + 7000))) for number in range(PEOPLE)]
        self._sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")

    def _next(self) -> tuple[str, bytes]:
        self._sent += 1
        if self._sent % self._new:
            return "good", self._bodies[self._sent % PEOPLE]
        if self._sent % (2 * self._new):
            return "bad", message(bearer(self._scene.other(f"new-{self._sent}", roles=["nobody"])))
        return "good", message(bearer(self._scene.other(f"new-{self._sent}")))

    def _run(self) -> None:
        began = time.monotonic()
        with closing(Caller(self._scene.address, 5000)) as caller:
            while not self._stop.is_set():
                due = self._sent + 64 if not self._rate else int((time.monotonic() - began) * self._rate)
                while self._sent < due and caller.room(2048) and len(caller.waiting) < 64:
                    kind, body = self._next()
                    caller.call(body, kind)
                caller.flush()
                if select.select([caller.sock], [], [], STEP)[0]:
                    for reply in caller.read():
                        self._count(str(reply.tag), reply.message)

    def _count(self, kind: str, answer: bytes | None) -> None:
        allowed = answer is not None and CheckResponse.FromString(answer).status.code == 0
        self.answers[f"{kind} {'allowed' if allowed else 'denied' if answer is not None else 'lost'}"] += 1
        self.wrong += allowed and kind == "bad"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Soak:
    """One soak: ``run`` it on a started sidecar; ``command`` has to be set on the scene before its start."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.swaps = Swaps(scene)
        self.samples: list[Sample] = []
        self.cycles = 0
        self.traffic: Traffic | None = None
        self.rate = 0.0
        self._tasks = scene.folder / "tasks"
        scene.command = lambda: [  # type: ignore[method-assign]
            sys.executable, "-m", "tests.fault.broken", f"tasks={self._tasks}", "serve", "--config", str(scene.conf),
        ]  # fmt: skip

    def run(self, running: Running, seconds: float, *, cycle: float) -> None:
        """Load and break it for so long; a ``cycle`` (seconds) has each of the three rows once."""
        with Traffic(self.scene, 0, new=1) as full:  # or the filling of the caches would be what is seen
            while full.answers.total() < CACHED:
                time.sleep(0.1)
        with Traffic(self.scene, 0) as burst:
            time.sleep(3)
        self.rate = sum(burst.answers.values()) / 3 / 2
        began = time.monotonic()
        with Traffic(self.scene, self.rate) as self.traffic:
            while (now := time.monotonic() - began) < seconds:
                self._turn(now / cycle)
                self._sample(running.proc.pid, now)
                time.sleep(0.25)
        self.scene.corp.fail(None)

    def _turn(self, at: float) -> None:
        """What is to happen at this point, in cycles since the start."""
        phase = at - int(at)
        self.scene.corp.fail(says("down", 503) if phase < OUTAGE else None)
        if int(at) >= self.cycles and phase >= 2 * OUTAGE:
            self.cycles += 1
            self.scene.corp.rotate(f"key-{self.cycles + 1}", "ES256", publish=False, keep=True)
            self.scene.corp.published = self.scene.corp.published[-3:]
            threading.Timer(0.5, self.scene.corp.publish).start()
            self.swaps.next()

    def _sample(self, pid: int, at: float) -> None:
        fds = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names are enough
        tasks = int(self._tasks.read_text() or 0) if self._tasks.exists() else 0
        self.samples.append(Sample(at, size_of(pid, "VmRSS") * 1024 / 1e6, fds, tasks, size_of(pid, "Threads")))


def trim(file: Path, most: int = 50_000_000) -> None:
    """Empty a file of records that has grown beyond ``most`` bytes (it is written in append mode)."""
    if file.stat().st_size > most:
        os.truncate(file, 0)
