"""The sidecar as its operators start it: ``python -m sidecar serve --config FILE``."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from .client import send
from .proc import Proc

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 60.0


class SidecarServer:
    """One sidecar process with the configuration file ``config``, which has to name the two HTTP ports given."""

    def __init__(self, folder: Path, config: Path, *, telemetry: int, admin: int) -> None:
        """Start it and wait until it is ready."""
        self.config = config
        self.telemetry = telemetry
        self.admin = admin
        command = [sys.executable, "-m", "sidecar", "serve", "--config", str(config)]
        self.proc = Proc("sidecar", command, folder, cwd=ROOT)
        self.proc.wait_ready(self.ready, START_TIMEOUT)

    def ready(self) -> bool:
        """Whether /readyz says 200."""
        try:
            return send(self.telemetry, "/readyz", host=f"127.0.0.1:{self.telemetry}", timeout=1).status == 200
        except (OSError, ValueError):
            return False

    def status(self) -> dict[str, Any]:
        """The /status document."""
        return send(self.admin, "/status", host=f"127.0.0.1:{self.admin}").json

    def metrics(self) -> str:
        """The text of /metrics."""
        return send(self.telemetry, "/metrics", host=f"127.0.0.1:{self.telemetry}").body.decode()

    def rewrite(self, text: str) -> None:
        """Replace the configuration file in one step, as editors and ConfigMaps do."""
        fresh = self.config.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.config)

    def edit(self, old: str, new: str) -> None:
        """Replace one piece of text of the configuration file; an assertion error unless it is there exactly once."""
        text = self.config.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        self.rewrite(text.replace(old, new))

    def records(self) -> list[dict[str, Any]]:
        """All decision records written so far."""
        lines = self.proc.stdout.read_text(errors="replace").splitlines(keepends=True)
        parsed = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n"))
        return [record for record in parsed if "decision_id" in record]

    def record_of(self, decision_id: str, timeout: float = 5.0) -> dict[str, Any]:
        """The record of a decision.

        Raises:
            LookupError: none within ``timeout`` seconds.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            for record in self.records():
                if record["decision_id"] == decision_id:
                    return record
            time.sleep(0.02)
        raise LookupError(f"no record of decision {decision_id!r}")

    def pause(self) -> None:
        """Freeze the process: it keeps its connections and answers nothing."""
        self.proc.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        self.proc.signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to shut down, without waiting."""
        self.proc.signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop it; return its exit code. Quick: a second SIGTERM skips the drain."""
        self.proc.signal(signal.SIGCONT)
        self.proc.signal(signal.SIGTERM)
        time.sleep(0.1)
        return self.proc.stop()
