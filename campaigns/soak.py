"""Row 57 of the fault matrix for as long as wanted: half load, while the IdP goes down, keys rotate and configurations are swapped.

``python -m campaigns.soak --minutes N [--front native|grpcio]``. Writes ``campaigns/results/soak.json``, one line a front, if N is at least
20; prints the table in any case. Returns 1 when something was wrongly allowed or grew.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.fault.faulty_issuer import FaultyIssuer
from tests.fault.generations import kinds
from tests.fault.invariants import Watch
from tests.fault.scene import Scene
from tests.fault.soak import Soak, slopes, trim

from . import report

COLUMNS = ("front", "minutes", "checks", "per second", "cycles", "wrongly allowed", "good without an allow", "RSS MB", "RSS MB/h",
           "descriptors/h", "tasks/h", "threads/h")  # fmt: skip
LEAST_FOR_A_REPORT = 20.0
"""Minutes."""
CYCLE = 60.0
MOST_GROWTH = 6.0
"""10^6 bytes of resident memory over the measured part; the same number of descriptors or tasks would be as much of a leak."""


class Trimmer(threading.Thread):
    """Keeps the decision records of hours from filling the disk."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self._file = file
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(10):
            trim(self._file)


def soak(front: str, minutes: float) -> tuple[list[object], bool]:
    """One front; its line, and whether nothing grew."""
    with tempfile.TemporaryDirectory(prefix="sidecar-soak-") as folder, FaultyIssuer() as corp, FaultyIssuer("EdDSA") as partner:
        scene = Scene(Path(folder), front, corp, partner)
        run = Soak(scene)
        with scene.start() as running:
            trimmer = Trimmer(running.proc.stdout)
            trimmer.start()
            with Watch(running, kinds(scene), Path(folder), rss_limit=float("inf"), lag=False) as seen:
                run.run(running, minutes * 60, cycle=min(CYCLE, minutes * 10))
            trimmer.stop.set()
        traffic = run.traffic
        assert traffic is not None
        found = slopes(run.samples)
        denied = traffic.answers["good denied"] + traffic.answers["good lost"]
        hourly = [round(getattr(found, name) * 60, 2) for name in ("rss", "fds", "tasks", "threads")]
        wrong = traffic.wrong + len(seen.wrongly_allowed)
        line = [front, minutes, traffic.answers.total(), round(run.rate), run.cycles, wrong, denied, round(seen.rss / 1e6, 1), *hourly]
        return line, not wrong and all(found.total(name) <= MOST_GROWTH for name in ("rss", "fds", "tasks", "threads"))


def main() -> int:
    """Run; return 0 when nothing grew."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.soak", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=LEAST_FOR_A_REPORT, help="of each front (default %(default)s)")
    parser.add_argument("--front", choices=("native", "grpcio"), help="only this one")
    options = parser.parse_args()
    if options.minutes < 1:
        parser.error("--minutes: at least 1")
    began = time.monotonic()
    lines, good = [], True
    for front in (options.front,) if options.front else ("native", "grpcio"):
        line, flat = soak(front, options.minutes)
        lines.append(line)
        good = good and flat
    command, keep = f"python -m campaigns.soak --minutes {options.minutes:g}", options.minutes >= LEAST_FOR_A_REPORT and not options.front
    report.write("soak", "Soak", command, COLUMNS, lines, report.facts(began, flat=good), keep=keep)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
