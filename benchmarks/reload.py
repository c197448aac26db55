"""A large configuration compiled beside a serving front: how long it takes, and what the checks meanwhile notice of it."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from campaigns.open_loop import Flow, Plan, run

from .configs import Shape
from .corpus import Signer, corpus
from .corpus_file import write_corpus
from .effort import Effort
from .servers import Running, address_of, start_sidecar
from .targets import Figure

LARGE = Shape(routes=10_000, roles=5_000, policies=1_000, rule="local")
RATE = 1_000.0
QUIET, BUSY = 8.0, 14.0
"""Seconds before the change, and around it."""
LEAD = 1.0
"""Seconds from the start of the generator's process to the change, on top of QUIET: it is in the second phase then."""


def measure_reload(folder: Path, effort: Effort) -> Iterable[Figure]:  # noqa: ARG001 - one run, whatever the effort
    """Seconds from the change of the file to the new revision; by how much p99 rises meanwhile at 1,000 checks a second."""
    folder.mkdir(parents=True)
    signer, messages = Signer(), folder / "corpus"
    write_corpus(messages, corpus(signer, LARGE.routes, "headers", department="eng", level=1))
    running = start_sidecar(folder / "large", signer.jwks(), "native", address_of("tcp", folder, "large"), like=LARGE)
    took: list[float] = []
    changing = threading.Thread(target=lambda: took.append(_change(folder / "large" / "config.yaml", running)))
    try:
        changing.start()
        quiet, busy = run(
            Plan(
                address=running.address,
                seconds=(QUIET, BUSY),
                flows=(Flow(name="good", corpus=str(messages), rates=(RATE, RATE)),),
                timeout_ms=1_000,
            )
        )
        changing.join()
    finally:
        running.process.kill()
    details: dict[str, object] = {
        "quiet_p99_ms": round(quiet.p99, 2),
        "reload_p99_ms": round(busy.p99, 2),
        "allowed": busy.allowed,
        "sent": busy.sent,
    }
    yield Figure(name="reload", value=took[0])
    yield Figure(name="reload-p99", value=busy.p99 - quiet.p99, details=details)


def _change(config: Path, running: Running) -> float:
    time.sleep(QUIET + LEAD)
    before = _revision(running)
    fresh = config.with_suffix(".new")
    fresh.write_text(config.read_text().replace('"things-1:*"', '"things-one:*"'))
    fresh.replace(config)
    began = time.monotonic()
    while _revision(running) == before:
        if time.monotonic() - began > BUSY:
            raise RuntimeError("the new configuration was not in use in time")
        time.sleep(0.05)
    return time.monotonic() - began


def _revision(running: Running) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.admin}/status", timeout=5) as reply:
        return str(json.load(reply)["revision"])
