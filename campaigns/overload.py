"""Overload: what is still allowed in time when far more is asked than can be answered, and how soon all is well again.

``python -m campaigns.overload [--front native|grpcio]``. First the rate is raised until no more comes of it: the peak. Then the sidecar
has light load, ``times`` its peak, and light load again. Callers give up after 250 ms, as Envoy does, and refuse what is above
``max_requests`` open calls, as the circuit breaker of envoy/envoy.yaml does; a second run at twice the peak is without it.
Writes ``campaigns/results/overload.json`` when both fronts are run. Returns 1 when an answer was late or wrong behind the circuit breaker.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.configs import Shape, write_config
from benchmarks.corpus_file import write_corpus
from tests.servers.ports import free_port
from tests.servers.sidecar import SidecarServer

from . import report
from .crowd import Issuer, fresh, known
from .open_loop import Flow, Outcome, Plan, run

COLUMNS = ("front", "tokens", "max_requests", "peak/s", "offered ÷ peak", "goodput ÷ peak", "late", "wrong", "unanswered/s", "overloaded/s",
           "p99 ms", "recovered after s")  # fmt: skip
MAX_REQUESTS = 128
"""As in envoy/envoy.yaml; a test compares."""
TIMEOUT_MS = 250
FIRST_RATE = {("native", "known"): 10_000, ("native", "new"): 2000, ("grpcio", "known"): 2500, ("grpcio", "new"): 1200}
STEPS, STEP_SECONDS, STEP = 8, 2.0, 1.2
LIGHT = 0.6
"""Of the peak, before and after."""
OVERLOAD_SECONDS = 8.0
LOOKS, LOOK_SECONDS = 20, 0.5
WELL = 0.99
"""Of what is sent, allowed in time."""
IN_A_ROW = 4
"""So many looks that are well: recovered, before the first of them. A stall of the machine later on is none of the overload's."""
FRESH = 60_000
"""Tokens never seen, made beforehand; they come round again long after memory, which holds 10,000, has dropped them."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is run: ``tokens`` known to memory or new; ``max_requests`` 0: no circuit breaker; ``times`` the peak."""

    front: str
    tokens: str
    max_requests: int
    times: float


@contextmanager
def sidecar(folder: Path, jwks: str, front: str) -> Iterator[tuple[SidecarServer, str]]:
    """Run one on the configuration of the benchmarks, with the usual ``check_deadline``; it and its address."""
    address = f"127.0.0.1:{free_port()}"
    telemetry, admin = free_port(), free_port()
    config = write_config(folder / "conf", jwks, Shape(listen=address, transport=front, telemetry=telemetry, admin=admin))
    text = config.read_text()
    config.write_text("".join(line for line in text.splitlines(keepends=True) if "check_deadline" not in line))
    running = SidecarServer(folder, config, telemetry=telemetry, admin=admin)
    try:
        yield running, address
    finally:
        running.proc.stop()


class Load:
    """Plans against one sidecar."""

    def __init__(self, case: Case, address: str, corpus: Path) -> None:
        self.case, self.address, self.corpus = case, address, corpus

    def run(self, phases: list[tuple[float, float]]) -> list[Outcome]:
        """Carry out phases of (seconds, calls a second)."""
        flow = Flow(name=self.case.tokens, corpus=str(self.corpus), rates=tuple(rate for _, rate in phases))
        seconds = tuple(seconds for seconds, _ in phases)
        bound = self.case.max_requests
        connections = 4 if bound else 16
        return run(
            Plan(address=self.address, seconds=seconds, flows=(flow,), timeout_ms=TIMEOUT_MS, connections=connections, max_requests=bound)
        )

    def peak(self) -> float:
        """The most that is allowed in a second, whatever is asked. Known tokens are known after the first phase."""
        first = FIRST_RATE[self.case.front, self.case.tokens]
        steps = [(STEP_SECONDS, first * STEP**number) for number in range(STEPS)]
        return max(one.allowed / STEP_SECONDS for one in self.run([(1.0, first / 4), *steps])[1:])


def measure(case: Case) -> list[object]:
    """One row."""
    with tempfile.TemporaryDirectory(prefix="sidecar-overload-") as name:
        folder, issuer = Path(name), Issuer()
        corpus = folder / "corpus"
        write_corpus(corpus, known(issuer) if case.tokens == "known" else list(fresh(issuer, FRESH)))
        with sidecar(folder, issuer.jwks(), case.front) as (_, address):
            load = Load(case, address, corpus)
            peak = load.peak()
            looks = [(LOOK_SECONDS, LIGHT * peak)] * LOOKS
            outcomes = load.run([(2.0, LIGHT * peak), (OVERLOAD_SECONDS, case.times * peak), *looks])
    return row(case, peak, outcomes[1], outcomes[2:], sum(one.wrong for one in outcomes))


def row(case: Case, peak: float, over: Outcome, after: list[Outcome], wrong: int) -> list[object]:
    """Figures of the phase of overload, and of what came after."""
    well = [one.allowed >= WELL * one.sent for one in after]
    first = next((number for number in range(len(well) - IN_A_ROW + 1) if all(well[number : number + IN_A_ROW])), None)
    recovered = f"{first * LOOK_SECONDS:g}" if first is not None else f"not within {LOOKS * LOOK_SECONDS:g}"
    asked, got = over.sent / OVERLOAD_SECONDS, over.allowed / OVERLOAD_SECONDS
    return [
        case.front, case.tokens, case.max_requests or "none", round(peak), round(asked / peak, 1), round(got / peak, 2),
        over.late + sum(one.late for one in after), wrong, round((over.unanswered + over.errors) / OVERLOAD_SECONDS),
        round(over.denied.get("overloaded", 0) / OVERLOAD_SECONDS), round(over.p99, 1), recovered,
    ]  # fmt: skip


def main() -> int:
    """Run; return 0 when nothing was late or wrong behind the circuit breaker."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.overload", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--front", choices=("native", "grpcio"), help="only this one")
    options = parser.parse_args()
    began = time.monotonic()
    fronts = (options.front,) if options.front else ("native", "grpcio")
    kinds = [(front, tokens) for front in fronts for tokens in ("known", "new")]
    cases = [Case(*kind, MAX_REQUESTS, 5.0) for kind in kinds] + [Case(*kind, 0, 2.0) for kind in kinds]
    rows = [measure(case) for case in cases]
    command, facts = "python -m campaigns.overload", report.facts(began)
    report.write("overload", "Overload", command, COLUMNS, rows, facts, keep=not options.front)
    return int(any(line[6] or line[7] for line in rows if line[2] != "none"))


if __name__ == "__main__":
    sys.exit(main())
