"""A child process: started, awaited until ready, stopped by its own id, its output kept in files."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

POLL = 0.02
_SETPRIV = shutil.which("setpriv")
TIED = (_SETPRIV, "--pdeathsig", "KILL", "--") if _SETPRIV else ()
"""Puts a process under its parent's life (Linux): a test run that is killed leaves nothing behind. It becomes the command: one pid."""
LOG_TAIL = 4000


class NotReady(Exception):
    """The process ended, or did not get ready in time. The text has the end of its output."""


class Proc:
    """One process. ``stdout`` and ``stderr`` are files in ``folder``, named after ``name``."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start ``command`` (the environment is this process's plus ``env``)."""
        self.name = name
        self.stdout = folder / f"{name}.out"
        self.stderr = folder / f"{name}.err"
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self.popen = subprocess.Popen(
                [*TIED, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.popen.pid

    def wait_ready(self, ready: Callable[[], bool], timeout: float = 20.0) -> float:
        """Poll ``ready`` until it is true; return the seconds since the start.

        Raises:
            NotReady: the process ended or ``timeout`` seconds have passed; the process is stopped then.
        """
        while not ready():
            if self.popen.poll() is not None:
                raise NotReady(f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")
            if time.monotonic() - self.started > timeout:
                self.stop()
                raise NotReady(f"{self.name} was not ready after {timeout} s:\n{self.tail()}")
            time.sleep(POLL)
        return time.monotonic() - self.started

    def tail(self) -> str:
        """Return the end of what the process printed."""
        return "\n".join(path.read_text(errors="replace")[-LOG_TAIL:] for path in (self.stderr, self.stdout))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process (and to nothing else)."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Wait until the process has ended; return its exit code (negative: the signal)."""
        return self.popen.wait(timeout)

    def stop(self, timeout: float = 10.0) -> int:
        """SIGTERM, then SIGKILL to its group after ``timeout`` seconds. Return the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode

    def kill(self) -> None:
        """SIGKILL to the process and the children of its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the process."""
        self.stop()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
