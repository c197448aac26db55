"""Rows 33 and 39: the process may have only so much memory, and only so many file descriptors."""

import resource
import select
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import pytest

from campaigns.caller import Caller
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from tests.serve.site import eventually
from tests.servers.issuer import SigningKey
from tests.servers.proc import cpu_seconds

from .generations import size_of
from .invariants import Watch, bearer, resident
from .scene import Scene

LIMIT = 256_000_000
"""Bytes: of data by the kernel (RLIMIT_DATA), resident by the invariants."""
ROUND = 12_000
GROWTH = 8e6
"""Bytes that may come with a second round of other names: allocators keep some, caches nothing."""
FILES = 64


def message(headers: dict[str, str], *, path: str = "/posts", host: str = "api.example.com", method: str = "GET") -> bytes:
    request = CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.host = method, path, host
    for name, value in headers.items():
        http.headers[name] = value
    return request.SerializeToString()


def distinct(scene: Scene, count: int, offset: int) -> Iterator[tuple[str, bytes]]:
    """``count`` checks of which no two have a name in common, by kind: half of them valid tokens of people never seen before."""
    stranger = SigningKey.new("stranger", "EdDSA")
    for number in range(offset, offset + count, 8):
        good = bearer(scene.other(f"user-{number}"))
        for more in range(4):
            yield "good", message(bearer(scene.other(f"user-{number}-{more}")))
        yield "bad-token", message(bearer(scene.other(f"user-{number}", key=stranger, header={"kid": f"kid-{number}"})))
        yield "bad-issuer", message(bearer(scene.other(f"user-{number}", iss=f"https://{number}.example.com")))
        yield "bad-key", message({"x-api-key": f"sk_{number:043}"})
        yield (
            "bad-names",
            message({**good, f"x-name-{number}": "1"}, path=f"/p{number}/x", host=f"h{number}.example.com", method=f"M{number}"),
        )


def flood(scene: Scene, checks: Iterable[tuple[str, bytes]]) -> Counter[tuple[str, bool]]:
    """Send them as fast as they are taken; count (kind, allowed). No answer counts as not allowed, under ``lost``."""
    answers: Counter[tuple[str, bool]] = Counter()
    rest = iter(checks)
    with closing(Caller(scene.address, 20_000)) as caller:
        more = True
        while more or caller.waiting:
            while more and caller.room(65_000) and len(caller.waiting) < 64:
                kind, body = next(rest, ("", b""))
                more = bool(kind)
                if more:
                    caller.call(body, kind)
            caller.flush()
            if not select.select([caller.sock], [], [], 20)[0]:
                break
            for reply in caller.read():
                if reply.tag is None:  # a stream that had ended before
                    continue
                allowed = reply.message is not None and CheckResponse.FromString(reply.message).status.code == 0
                answers[str(reply.tag) if reply.message is not None else "lost", allowed] += 1
    return answers


@pytest.mark.slow
def test_row_33_bounded_before_the_limit(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """Floods of names never seen before fill every cache, and a second flood adds nothing to it."""
    scene = scene_of(check_deadline="5s")
    with scene.start() as running:
        pid = running.proc.pid
        resource.prlimit(pid, resource.RLIMIT_DATA, (LIMIT, LIMIT))
        first = resident(pid)
        with watch(running, scene, asking=False, rss_limit=LIMIT, lag=False) as seen:
            sums = flood(scene, distinct(scene, ROUND, 0))
            filled = resident(pid)
            began = time.monotonic()
            sums += flood(scene, distinct(scene, ROUND, ROUND))
            rate = ROUND / (time.monotonic() - began)
            again = resident(pid)
            data = size_of(pid, "VmData") * 1024
        caches = running.status()["caches"]
    wrong = {key: count for key, count in sums.items() if key[1] and key[0] != "good"}
    assert not wrong
    assert sums["good", True] >= 0.99 * ROUND, sums
    assert again - filled <= GROWTH, f"{first / 1e6:.0f} → {filled / 1e6:.0f} → {again / 1e6:.0f} MB"
    assert data < LIMIT
    assert seen.statuses("good") == {200}
    words = (
        f"{2 * ROUND:,} checks with names never seen before ({rate:.0f}/s): {first / 1e6:.0f} MB, {filled / 1e6:.0f} MB after half, "
        f"{again / 1e6:.0f} MB after all; {caches['tokens']:,} tokens remembered"
    )
    figure(33, "memory limit 256 MB, flood of distinct tokens and names", "caches bounded before the limit, alive", words, seen)


@pytest.mark.slow
def test_row_33_large_requests_under_the_limit(
    scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]
) -> None:
    """As large as one flow-control window, 64 at once: none is kept."""
    scene = scene_of(check_deadline="5s")
    padding = {f"x-pad-{number}": "x" * 8000 for number in range(7)}
    checks = [("bad-large", message({"authorization": "Bearer x.y.z", **padding}))] * 600
    with scene.start() as running:
        pid = running.proc.pid
        resource.prlimit(pid, resource.RLIMIT_DATA, (LIMIT, LIMIT))
        with watch(running, scene, asking=False, rss_limit=LIMIT, lag=False) as seen:
            sums = sum((flood(scene, checks) for _ in range(3)), Counter())
    assert not any(allowed for _, allowed in sums)
    words = f"{sums.total():,} checks of {len(checks[0][1]) / 1024:.0f} KiB: all denied or shed ({sums['lost', False]} without an answer)"
    figure(33, "memory limit 256 MB, checks of a whole window", "bounded, alive", words, seen)


@pytest.mark.slow
def test_row_39_file_limit(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """64 descriptors and 400 connections: those that stand are served, nothing spins or dies, and afterwards all is as before."""
    scene = scene_of()
    prlimit = shutil.which("prlimit")
    assert prlimit, "prlimit (util-linux) is needed"
    plain = scene.command()
    scene.command = lambda: [prlimit, f"--nofile={FILES}:{FILES}", *plain]  # type: ignore[method-assign]
    with scene.start() as running:
        assert running.with_token(scene.good()) == 200
        host, _, port = scene.address.rpartition(":")
        with watch(running, scene, asking=False, lag=False) as seen:
            time.sleep(1)
            since = time.monotonic()
            held = [connect(host, int(port)) for _ in range(300)] + [connect(host, scene.telemetry) for _ in range(100)]
            before = cpu_seconds(running.proc.pid)
            time.sleep(3)
            busy = (cpu_seconds(running.proc.pid) - before) / 3
            until = time.monotonic()
            for one in held:
                one.close()
            back = eventually(lambda: running.ready() and fresh_answer(scene) == 200, 20)
            scene.edit("paths: [/healthz]", "paths: [/health]")
            reload = eventually(lambda: running.http_status("/health") == 200, 40)
        during = seen.of("good", since, until)
        crashes = running.status()["background_crashes"]
    assert {answer.status for answer in during} == {200}
    assert back < 10
    assert crashes == {}
    words = (
        f"{len(held)} connections to {FILES} descriptors: good requests on the open connection {len(during)} of {len(during)}, "
        f"CPU {busy:.2f} cores; afterwards new ones served after {back:.1f} s, a reload after {reload:.1f} s"
    )
    figure(39, "file limit 64, 400 connections", "no crash; recovers", words, seen)


def connect(host: str, port: int) -> socket.socket:
    """A connection that the kernel may hold in its queue for ever: nobody accepts it."""
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex((host, port))
    return one


def fresh_answer(scene: Scene) -> int:
    """The answer to a good request on a connection of its own; 0 without one."""
    try:
        sums = flood(scene, [("good", message(bearer(scene.good())))])
    except OSError:
        return 0
    return 200 if sums["good", True] else 0
