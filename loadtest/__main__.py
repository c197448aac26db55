"""``python -m loadtest [--calls N]``: a table of both fronts under full load. Exit 1 when a reply is not what it has to be.

h2load counts every HTTP 200 as a success, and a denial is one. So each line is checked three times: one reply is decoded before the
run and one after it, all replies together have to have the right number of bytes, and the sidecar's own metrics have to have
counted exactly these decisions.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.proc import cpu_seconds

from . import checks, drivers
from .checks import Expected
from .drivers import Failed, Measured
from .target import SUBJECT, Target

PATH = "/api/v1/posts/42"
HEAD = ("front", "driver", "scenario", "calls", "calls/s", "p50 ms", "p99 ms", "us CPU/call", "replies")
WIDTHS = (7, 7, 28, 7, 9, 7, 7, 12, 8)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request and what has to come of it."""

    name: str
    credential: Callable[[Target], dict[str, str]]
    expected: Expected


SCENARIOS = (
    Scenario("allow, warm token", lambda target: {"authorization": f"Bearer {target.token}"}, Expected(200, SUBJECT)),
    Scenario("allow, API key", lambda target: {"x-api-key": target.api_key}, Expected(200, "billing")),
    Scenario("deny, no credential", lambda _: {}, Expected(401, None)),
    Scenario("deny, bad token", lambda target: {"authorization": f"Bearer {target.token[:-8]}AAAAAAAA"}, Expected(401, None)),
)


def main() -> int:
    """Measure and print; return the exit code."""
    options = _options()
    if drivers.find("h2load") is None:
        print(f"loadtest: h2load is missing; install it: {drivers.INSTALL['h2load']}", file=sys.stderr)
        return 3
    print(_line(HEAD))
    try:
        for front in options.front or ("native", "grpcio"):
            for cells in _front(front, options.calls):
                print(_line(cells), flush=True)
    except Failed as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 1
    if drivers.find("ghz") is None:
        print(f"\nghz is not installed, so its scenario (loadtest/ghz.json) was left out: {drivers.INSTALL['ghz']}")
    print(f"\n{os.cpu_count()} cores, shared by driver and sidecar. Latencies are those of full load: 32 calls are always under way.")
    return 0


def _front(front: str, calls: int) -> Iterator[tuple[str, ...]]:
    with tempfile.TemporaryDirectory(prefix="sidecar-load-") as name:
        folder = Path(name)
        target = Target(folder, front, int(time.time()))
        try:
            for scenario in SCENARIOS:
                yield (front, "h2load", scenario.name, *_h2load(target, scenario, calls, folder))
            if program := drivers.find("ghz"):
                yield (
                    front,
                    "ghz",
                    "allow, each path its own",
                    *_counted(target, "allow", lambda: drivers.ghz(program, target.address, target.token, folder)),
                )
        finally:
            target.stop()


def _h2load(target: Target, scenario: Scenario, calls: int, folder: Path) -> tuple[str, ...]:
    message = checks.request(PATH, scenario.credential(target))
    body = folder / "request.bin"
    body.write_bytes(checks.framed(message))
    size = len(_checked(target, message, scenario))
    cells = _counted(target, scenario.expected.decision, lambda: drivers.h2load(target.address, body, size, calls, folder))
    _checked(target, message, scenario)
    return cells


def _checked(target: Target, message: bytes, scenario: Scenario) -> bytes:
    reply = checks.ask(target.address, message)
    if fault := checks.wrong(reply, scenario.expected):
        raise Failed(f"{scenario.name}: {fault}")
    return reply


def _counted(target: Target, decision: str, drive: Callable[[], Measured]) -> tuple[str, ...]:
    before, busy = target.decisions(), cpu_seconds(target.pid)
    measured = drive()
    spent, counted = cpu_seconds(target.pid) - busy, target.decisions() - before
    expected = {decision: measured.calls}
    if counted != expected:
        raise Failed(f"the sidecar counted {dict(counted)}, and {expected} were asked for")
    return (
        str(measured.calls), f"{measured.rate:,.0f}", f"{measured.p50:.2f}", f"{measured.p99:.2f}",
        f"{spent / measured.calls * 1e6:.1f}", "checked",
    )  # fmt: skip


def _line(cells: tuple[str, ...]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:3], WIDTHS[:3], strict=True)]
    return "  ".join([*left, *(cell.rjust(width) for cell, width in zip(cells[3:], WIDTHS[3:], strict=True))])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=40_000, help="calls per line (default: 40000)")
    parser.add_argument("--front", action="append", choices=("native", "grpcio"), help="only this front; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
