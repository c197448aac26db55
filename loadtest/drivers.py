"""h2load and ghz: run, and read what they measured."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
ROOT = HERE.parent
INSTALL = {
    "h2load": "apt-get install nghttp2-client (Debian, Ubuntu), brew install nghttp2 (macOS)",
    "ghz": "go install github.com/bojand/ghz/cmd/ghz@v0.121.0",
}
TIMEOUT = 180.0


class Failed(Exception):
    """The driver could not run, or says that replies were not right."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Calls per second; latencies at full load in milliseconds."""

    calls: int
    rate: float
    p50: float
    p99: float


def find(name: str) -> str | None:
    """Path of a driver, or None where it is not installed."""
    beside_go = Path(os.environ.get("GOBIN") or Path.home() / "go" / "bin") / name
    return shutil.which(name) or (str(beside_go) if beside_go.exists() else None)


def h2load(address: str, request: Path, reply_bytes: int, calls: int, folder: Path) -> Measured:
    """Send the same request ``calls`` times.

    Raises:
        Failed: not every call succeeded with a reply of ``reply_bytes``.
    """
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    output = _run([str(HERE / "h2load.sh"), address, str(request), str(reply_bytes), str(calls), str(log)])
    rate = next(line for line in output.splitlines() if line.startswith("finished in")).split(", ")[1].split()[0]
    took = sorted(int(line.split()[2]) / 1000 for line in log.read_text().splitlines())
    return Measured(calls, float(rate), _at(took, 0.5), _at(took, 0.99))


def ghz(program: str, address: str, token: str, folder: Path) -> Measured:
    """Play the scenario of ``ghz.json``: each request has its own path, id and user agent.

    Raises:
        Failed: a call ended with a gRPC error.
    """
    scenario = folder / "ghz.json"
    scenario.write_text(Template((HERE / "ghz.json").read_text()).substitute(HOST=address, TOKEN=token))
    report = json.loads(_run([program, "--config", str(scenario), "--format", "json"]))
    statuses = report["statusCodeDistribution"]
    if set(statuses) != {"OK"}:
        raise Failed(f"ghz: {statuses}")
    by_percent = {entry["percentage"]: entry["latency"] / 1e6 for entry in report["latencyDistribution"]}
    return Measured(report["count"], report["rps"], by_percent[50], by_percent[99])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=ROOT)
    if done.returncode:
        raise Failed(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
