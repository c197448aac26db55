"""Does every answer belong to its own request? Mixed principals on both fronts, with cancellations, reloads, rotations, restarts."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.corpus import needle
from sidecar.authn.mint import new_private_jwk
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from tests.serve.site import Running, Site
from tests.servers.checks import get_check

from . import report
from .caller import Caller, Closed

TOKENS, KEYS, BAD = 200, 20, 40
CALLS = 1_000_000
CONNECTIONS, WINDOW = 4, 24
CANCELLED = 0.02
COLUMNS = ("front", "calls", "allowed, own subject", "denied, as its request explains", "503", "cancelled", "lost at restarts", "wrong")


class Request(NamedTuple):
    """A check; ``needle`` is the subject of its allow, or empty: then ``status`` is its denial's."""

    body: bytes
    needle: bytes
    status: bytes


def request(path: str = "/posts", **headers: str) -> bytes:
    """Serialise one check."""
    return get_check(path, **headers).SerializeToString()


def requests_of(site: Site, running: Running, keys: list[str]) -> list[Request]:
    """All principals, allowed and not, with tokens signed by the key of now."""
    people = [f"user_{number:04}" for number in range(TOKENS)]
    good = [Request(request(authorization=f"Bearer {site.token(sub=one)}"), needle("x-user-id", one), b"") for one in people]
    names = [subject_of(running.check(x_api_key=key)) for key in keys]
    assert len(set(names)) == len(keys), "each key has its own subject"
    good += [Request(request(x_api_key=key), needle("x-user-id", name), b"") for key, name in zip(keys, names, strict=True)]
    stranger = new_private_jwk("ES256", "k1")
    bad = [Request(request(authorization=f"Bearer {site.token(sub=one, roles=['none'])}"), b"", b"403") for one in people[:BAD]]
    bad += [Request(request(authorization=f"Bearer {site.token(sub=one, key=stranger)}"), b"", b"401") for one in people[:BAD]]
    bad += [Request(request(f"/nowhere/{number}", x_api_key=keys[number]), b"", b"403") for number in range(KEYS)]
    return good + bad


def subject_of(answer: CheckResponse) -> str:
    """The x-user-id of an allow."""
    return next(option.header.value for option in answer.ok_response.headers if option.header.key == "x-user-id")


class Front:
    """One front under load."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.random = site, random.Random(seed)
        self.keys = [site.new_key(f"key{number}") for number in range(KEYS)]
        self.running = site.start()
        self.signers = [site.private]
        self.requests = requests_of(site, self.running, self.keys)
        self.callers: list[Caller] = []
        self.counts = Counter[str]()
        self.wrong: list[str] = []

    def go(self, calls: int, share: int) -> None:
        """Send ``calls``; disturb every ``share`` of them."""
        disturbances = (self.reload, self.rotate, self.restart)
        for turn in range(-(-calls // share)):
            self.some(min(share, calls - turn * share))
            disturbances[turn % len(disturbances)]()

    def some(self, calls: int) -> None:
        """Send so many, a window of them open at a time on each connection, and take every answer to its own request."""
        before = self.sent
        while self.sent - before < calls or any(caller.waiting for caller in self.callers):
            while len(self.callers) < CONNECTIONS:
                self.callers.append(Caller(self.site.address, 1000))
            for caller in tuple(self.callers):
                try:
                    while len(caller.waiting) < WINDOW and self.sent - before < calls and caller.room(4096):
                        one = self.random.choice(self.requests)
                        stream = caller.call(one.body, one)
                        self.counts["calls"] += 1
                        if self.random.random() < CANCELLED:
                            caller.cancel(stream)
                            self.counts["cancelled"] += 1
                    caller.flush()
                    for _stream, tag, message in caller.read():
                        if isinstance(tag, Request):
                            self.judge(tag, message)
                except Closed:
                    self.counts["lost"] += len(caller.waiting)
                    self.callers.remove(caller)

    @property
    def sent(self) -> int:
        """Calls so far."""
        return self.counts["calls"]

    def judge(self, asked: Request, message: bytes | None) -> None:
        """One answer. Whatever is no denial is an allow."""
        if message is None:
            self.counts["lost"] += 1
        elif b'"status":' not in message:
            own = bool(asked.needle) and asked.needle in message and message.count(b"x-user-id") == 1
            self.counts["allowed" if own else "wrong"] += 1
        elif b'"status":503' in message:
            self.counts["503"] += 1
        else:
            explained = bool(asked.status) and b'"status":' + asked.status in message
            self.counts["denied" if explained else "wrong"] += 1
        if self.counts["wrong"] > len(self.wrong):
            self.wrong.append(f"{asked.needle or asked.status!r}: {message!r}")

    def reload(self) -> None:
        """A new configuration, of which these requests see nothing."""
        self.site.edit("paths: [/healthz]", f"paths: [/healthz, /r{self.sent}]") if self.sent % 2 else self.site.write(self.site.config())

    def rotate(self) -> None:
        """A further signing key; all tokens anew. The one before stays published."""
        self.site.private = new_private_jwk("ES256", f"k{self.sent}")
        self.signers = [*self.signers[-1:], self.site.private]
        self.site.publish(*self.signers)
        until = time.monotonic() + 10
        while self.running.with_token(self.site.token()) != 200 and time.monotonic() < until:
            time.sleep(0.05)
        self.requests = requests_of(self.site, self.running, self.keys)

    def restart(self) -> None:
        """Drain in the middle of calls, then start again."""
        self.running.terminate()
        self.some(200 if self.running.proc.popen.poll() is None else 0)
        self.running.proc.wait(15)
        self.running.channel.close()
        for caller in self.callers:
            caller.close()
        self.callers = []
        self.running = self.site.start()

    def close(self) -> None:
        """End it."""
        self.running.__exit__()


def measure(front: str, calls: int, seed: int) -> tuple[list[object], list[str]]:
    """Run one front; its row of the table and what was wrong."""
    with tempfile.TemporaryDirectory() as folder:
        under_load = Front(Site(Path(folder), transport=front, shutdown_delay="1s"), seed)
        try:
            under_load.go(calls, max(1000, calls // 12))
        finally:
            under_load.close()
    counts = under_load.counts
    row: list[object] = [front, *(counts[name] for name in ("calls", "allowed", "denied", "503", "cancelled", "lost", "wrong"))]
    return row, under_load.wrong


def main() -> int:
    """Both fronts; exit code 1 when an answer was not its request's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help="in total, half of them on each front; fewer leave no results")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()
    results = [measure(front, options.calls // 2, options.seed) for front in ("native", "grpcio")]
    command, facts = f"python -m campaigns.isolation --calls {options.calls}", report.facts(began, seed=options.seed)
    report.write("isolation", "Isolation", command, COLUMNS, [row for row, _ in results], facts, keep=options.calls >= CALLS)
    wrong = [text for _, texts in results for text in texts]
    for text in wrong[:10]:
        sys.stdout.write(text + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
