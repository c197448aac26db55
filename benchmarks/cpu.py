"""CPU time and memory of another process. Linux only: the benchmarks read ``/proc`` and per-process CPU clocks."""

import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """CPU time (user and system, all threads, also ended ones) of a process, in seconds with nanosecond resolution.

    The clock id of another process is ``(~pid << 3) | 2`` (Linux ``include/linux/posix-timers_types.h``, CPUCLOCK_SCHED);
    ``/proc/PID/stat`` says the same in steps of 10 ms, too coarse for rounds of 2 s. Raises OSError when the process is gone.
    """
    return time.clock_gettime((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process in bytes (``VmRSS``: shared libraries count in full)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)
