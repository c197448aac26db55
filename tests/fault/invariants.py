"""What must hold on every row, whatever the fault: watched from outside while the row runs, asserted when it ends."""

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import grpc

from tests.serve.site import PEPPER, Running
from tests.servers.issuer import SigningKey, compact, tampered
from tests.servers.proc import TIED

from .figures import measuring
from .scene import CANARY, Scene

PAUSE = 0.02
"""Seconds between probes: about 40 checks a second beside the row's own."""
RSS_LIMIT = 256e6
"""Bytes that the sidecar and its children may take together at any time."""
LAG_LIMIT = 0.05
LAG_LIMIT_SHARED = 0.5
"""For runs beside other tests on the same cores, where the scheduler is what is measured."""
ALLOWED = 200

Probe = Callable[[], Mapping[str, str]]


class Answer(NamedTuple):
    """One probe: monotonic seconds of the request, what it was, HTTP status (200: allowed; 0: no answer), seconds it took."""

    at: float
    kind: str
    status: int
    took: float


def probes(scene: Scene, *, asking: bool = True) -> dict[str, Probe]:
    """Headers by kind. ``good``, ``other…``: to be allowed; ``bad…``: never. ``asking``: also those that make the sidecar fetch keys."""
    stranger = SigningKey.new(scene.corp.signing.kid, "ES256")
    bad: dict[str, Probe] = {
        "bad-expired": lambda: bearer(scene.good(exp=int(time.time()) - 3600, iat=int(time.time()) - 4000)),
        "bad-audience": lambda: bearer(scene.good(aud="https://elsewhere.example.com")),
        "bad-unsigned": lambda: bearer(compact({"alg": "none", "typ": "at+jwt"}, scene.corp.claims(roles=["viewer"]), None)),
        "bad-role": lambda: bearer(scene.good(roles=["nobody"])),
        "bad-api-key": lambda: {"x-api-key": scene.api_key[:-6] + "aaaaaa"},
        "bad-nothing": dict,
    }
    if asking:
        bad |= {
            "bad-signature": lambda: bearer(tampered(scene.good(), sub="mallory")),
            "bad-stranger": lambda: bearer(scene.good(key=stranger)),
            "bad-unknown-kid": lambda: bearer(scene.good(header={"kid": "nowhere"})),
            "bad-other-issuer": lambda: bearer(scene.partner.token("bob", iss=scene.corp.url, roles=["viewer"])),
        }
    return {
        "good": lambda: bearer(scene.good()),
        "other-issuer": lambda: bearer(scene.other()),
        "other-key": lambda: {"x-api-key": scene.api_key},
        **bad,
    }


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}


class Watch:
    """Probes, samples and, at its end, asserts. Use as a context manager; see ``tests/fault/conftest.py`` for the contract."""

    def __init__(
        self,
        running: Running,
        kinds: Mapping[str, Probe],
        folder: Path,
        *,
        rss_limit: float = RSS_LIMIT,
        unaffected: bool = True,
        alive: bool = True,
        lag: bool = True,
    ) -> None:
        self.running = running
        self.answers: list[Answer] = []
        self.wrongly_allowed: list[Answer] = []
        self.rss = 0.0
        self.lag_p99 = math.nan
        self.machine_p99 = math.nan
        self.secrets = [PEPPER, CANARY]
        self._kinds = dict(kinds)
        self._rss_limit, self._unaffected, self._alive, self._lag_wanted = rss_limit, unaffected, alive, lag
        self._lag_file = folder / "lag"
        self._lag: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._probe, name="prober"), threading.Thread(target=self._sample, name="sampler")]

    def __enter__(self) -> Self:
        if self._lag_wanted:
            script = str(Path(__file__).with_name("lag.py"))
            command = [*TIED, sys.executable, "-S", "-E", script, str(self.running.site.telemetry), str(self._lag_file)]
            self._lag = subprocess.Popen(command)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        until = time.monotonic() + 10
        while kind is None and not self._seen_enough() and time.monotonic() < until:
            time.sleep(PAUSE)
        self._end()
        if kind is None:
            self.check()

    def _seen_enough(self) -> bool:
        """Every kind was asked once, and the loop ten times, however short the row."""
        return len(self.answers) >= len(self._kinds) and (self._lag is None or len(self._samples()) >= 10)

    def _samples(self) -> list[list[float]]:
        """Whole lines of the lag's file: start, answer, overslept, in seconds."""
        text = self._lag_file.read_text() if self._lag_file.exists() else ""
        return [[float(word) for word in line.split()] for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def _end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._lag is not None:
            self._lag.kill()
            self._lag.wait()
            self.lag_p99 = p99([answer for _, answer, _ in self._samples()])
            self.machine_p99 = p99([overslept for _, _, overslept in self._samples()])

    def check(self) -> None:
        """Assert every invariant that can be seen from outside."""
        assert not self.wrongly_allowed, f"wrongly allowed: {self.wrongly_allowed[:5]}"
        assert self.of("bad"), "no bad request was sent: nothing was proved"
        if self._alive:
            assert self.running.proc.popen.poll() is None, f"the sidecar ended:\n{self.running.proc.tail()}"
            assert self.leaks() == []
        if self._unaffected:
            hit = [answer for answer in self.of("other") if answer.status != ALLOWED]
            assert not hit, f"unrelated credentials were hit: {hit[:5]} of {len(self.of('other'))}"
        assert self.rss <= self._rss_limit, f"{self.rss / 1e6:.0f} MB resident"
        if self._lag_wanted:
            # An answer takes two turns on a core: the sidecar's and the asker's.
            limit = (LAG_LIMIT if measuring() else LAG_LIMIT_SHARED) + 2 * self.machine_p99
            words = f"event loop late by {self.lag_p99 * 1000:.1f} ms (p99), the machine by {self.machine_p99 * 1000:.1f} ms"
            assert self.lag_p99 < limit, words

    def of(self, kind: str, since: float = 0.0, until: float = math.inf) -> list[Answer]:
        """Answers of the kinds that begin so, by the monotonic time of their request."""
        return [answer for answer in list(self.answers) if answer.kind.startswith(kind) and since <= answer.at < until]

    def statuses(self, kind: str, since: float = 0.0, until: float = math.inf) -> set[int]:
        """The different statuses among them."""
        return {answer.status for answer in self.of(kind, since, until)}

    def leaks(self) -> list[str]:
        """Where a secret shows: records, log, /status, /metrics."""
        running = self.running
        sinks = {"records": running.proc.stdout.read_text(errors="replace"), "log": running.log()}
        sinks |= {"/status": str(running.status()), "/metrics": running.page("metrics")[1]}
        return [f"{name} shows {secret[:12]}…" for name, text in sinks.items() for secret in self.secrets if secret in text]

    def _probe(self) -> None:
        while not self._stop.is_set():
            for kind, make in list(self._kinds.items()):
                if self._stop.is_set():
                    return
                headers = dict(make())
                self._remember(headers)
                began = time.monotonic()
                answer = Answer(began, kind, self._ask(headers), time.monotonic() - began)
                self.answers.append(answer)
                if kind.startswith("bad") and answer.status == ALLOWED:
                    self.wrongly_allowed.append(answer)
                self._stop.wait(PAUSE)

    def _ask(self, headers: Mapping[str, str]) -> int:
        try:
            return self.running.http_status("/posts", cookie=f"session={CANARY}", **headers)
        except (grpc.RpcError, ValueError):  # ValueError: the row closed the channel
            return 0

    def _remember(self, headers: Mapping[str, str]) -> None:
        """Keep a part of the credential that must not show up anywhere; a few are enough."""
        if len(self.secrets) < 200:
            self.secrets += [value[-20:] for value in headers.values() if len(value) >= 40]

    def _sample(self) -> None:
        while not self._stop.is_set():
            self.rss = max(self.rss, resident(self.running.proc.pid))
            self._stop.wait(0.05)


def p99(values: list[float]) -> float:
    """The 99th percentile; not a number without values."""
    return sorted(values)[max(0, math.ceil(len(values) * 0.99) - 1)] if values else math.nan


def resident(pid: int) -> float:
    """Bytes of memory that a process and its children hold now; 0 when there is none (Linux)."""
    return sum(_resident(one) for one in (pid, *_children(pid)))


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0.0


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
