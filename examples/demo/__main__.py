"""``python -m examples.demo``. Exit 0 when every row is as expected, 1 when one is not. KEEP=1 leaves everything running."""

import os
import signal
import sys
import time
from types import FrameType

from . import show
from .parts import Parts
from .rows import ROWS
from .run import run


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, _end)
    started = time.monotonic()
    with Parts() as parts:
        print(f"Envoy on 127.0.0.1:{parts.envoy.port} asks the sidecar at {parts.folder}/check.sock.")
        print(f"Everything started in {time.monotonic() - started:.1f} s.\n")
        print(show.heading())
        failed = 0
        for row in ROWS:
            if row.heading:
                print(f"\n{row.heading}")
            outcome = run(parts, row)
            failed += bool(outcome.wrong)
            print(show.line(outcome), flush=True)
        print(f"\n{len(ROWS) - failed} of {len(ROWS)} requests were decided as expected.")
        if os.environ.get("KEEP") == "1":
            _keep(parts)
    return 1 if failed else 0


def _keep(parts: Parts) -> None:
    print(f"\nEverything goes on running until Ctrl-C. To try:\n\n{show.commands(parts)}", flush=True)
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print("\nStopping.")


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
