"""The fronts as Envoy meets them: the real sidecar and a no-op on the same front, loaded in turn."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .corpus import HeaderForm, Signer, corpus, needle
from .corpus_file import write_corpus
from .cpu import rss_bytes
from .effort import Effort
from .noops.answer import HEADERS
from .plan import Plan, Round, Target, rounds_from_json
from .servers import address_of, start_noop, start_sidecar
from .targets import Figure

ROUTES = 100
NOOP_EXPECTS = needle("x-user-id", HEADERS["x-user-id"]).hex()


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured under ``name``: a front on ``tcp`` or ``unix``, the form of the headers, the caller's deadline."""

    name: str
    front: str
    socket: str = "tcp"
    form: HeaderForm = "headers"
    grpc_timeout: str = ""


def measure_native(folder: Path, effort: Effort) -> Iterable[Figure]:
    """Ratios on TCP; on a Unix socket; as Envoy sends it (raw headers, a deadline); memory."""
    signer = Signer()
    yield from _measure(folder / "tcp", signer, effort, Case("native", "native"))
    if not effort.short:
        yield from _measure(folder / "unix", signer, effort, Case("native-unix", "native", socket="unix"))
        yield from _measure(folder / "envoy", signer, effort, Case("native-as-envoy", "native", form="header_map", grpc_timeout="250m"))


def measure_grpcio(folder: Path, effort: Effort) -> Iterable[Figure]:
    """Ratio on TCP; memory."""
    yield from _measure(folder / "grpcio", Signer(), effort, Case("grpcio", "grpcio"))


def _measure(folder: Path, signer: Signer, effort: Effort, case: Case) -> Iterable[Figure]:
    folder.mkdir(parents=True)
    messages = folder / "corpus"
    write_corpus(messages, corpus(signer, ROUTES, case.form))
    with ExitStack() as stack:
        noop = start_noop(case.front, address_of(case.socket, folder, "noop"))
        stack.callback(noop.stop)
        real = start_sidecar(folder / "real", signer.jwks(), case.front, address_of(case.socket, folder, "real"))
        stack.callback(real.process.kill)
        targets = (
            Target(name="noop", address=noop.address, pid=noop.pid, corpus=str(messages), expect=NOOP_EXPECTS),
            Target(name="real", address=real.address, pid=real.pid, corpus=str(messages)),
        )
        plan = Plan(targets=targets, rounds=effort.rounds, seconds=effort.seconds, warmup=effort.warmup, grpc_timeout=case.grpc_timeout)
        rounds = drive(plan)
        memory = rss_bytes(real.pid) / 1e6
        recorded = real.stop()
    yield from _figures(case.name, rounds, recorded)
    if case.name == case.front:
        yield Figure(name=f"{case.front}-memory", value=memory)


def drive(plan: Plan) -> list[Round]:
    """Run the load generator in a process of its own. Raises RuntimeError with its words when it fails."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.driver"], input=plan.to_json(), text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    return rounds_from_json(done.stdout)


def _figures(name: str, rounds: list[Round], recorded: int) -> Iterable[Figure]:
    noop = [one for one in rounds if one.target == "noop"]
    real = [one for one in rounds if one.target == "real"]
    answered = real[-1].total
    details: dict[str, object] = {
        "noop_us": round(median(one.cost for one in noop) * 1e6, 2),
        "real_us": round(median(one.cost for one in real) * 1e6, 2),
        "noop_per_second": round(median(one.rate for one in noop)),
        "real_per_second": round(median(one.rate for one in real)),
        "noop_p99_ms": round(median(one.p99 for one in noop) * 1e3, 2),
        "real_p99_ms": round(median(one.p99 for one in real) * 1e3, 2),
        "decisions": answered,
        "records_read": recorded,
        "ratios": [round(b.cost / a.cost, 3) for a, b in zip(noop, real, strict=True)],
    }
    yield Figure(name=name, value=median(b.cost / a.cost for a, b in zip(noop, real, strict=True)), details=details)
    if name in {"native", "grpcio"}:
        yield Figure(name=f"{name}-lost", value=100 * (1 - recorded / answered))
        yield Figure(name=f"{name}-rate", value=median(b.rate / a.rate for a, b in zip(noop, real, strict=True)))
