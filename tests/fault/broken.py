"""``python -m tests.fault.broken FAULT serve …``: the sidecar in an environment that this machine cannot be put into.

FAULT is ``inotify``: the kernel gives no inotify instance, as when ``fs.inotify.max_user_instances`` is used up (using it up for real
would take it from every process of this user); or ``mountinfo=FILE``: FILE is the mount table. ``tasks=FILE`` breaks nothing: FILE has
the number of the event loop's tasks, renewed twice a second.
"""

import asyncio
import errno
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any


def no_inotify() -> None:
    """What watchfiles raises then."""
    import watchfiles  # noqa: PLC0415 - after the arguments were looked at

    async def awatch(*_: Any, **__: Any) -> AsyncIterator[Any]:
        raise OSError(errno.EMFILE, "Too many open files (os error 24)")
        yield

    watchfiles.awatch = awatch  # type: ignore[assignment]


def mount_table(file: str) -> None:
    """Let this be /proc/self/mountinfo."""
    from sidecar.adapters import files  # noqa: PLC0415

    files.never_updated.__defaults__ = (file,)


def count_tasks(file: str) -> None:
    """Write how many tasks the loop has, from a thread."""
    import uvloop  # noqa: PLC0415

    real = uvloop.new_event_loop

    def follow(loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                Path(file).write_text(str(len(asyncio.all_tasks(loop))))
            except RuntimeError:  # tasks came and went while they were counted
                continue
            time.sleep(0.5)

    def new_event_loop() -> Any:
        loop = real()
        threading.Thread(target=follow, args=(loop,), daemon=True).start()
        return loop

    uvloop.new_event_loop = new_event_loop


def main() -> None:
    """Break it, then be the sidecar."""
    fault, _, value = sys.argv.pop(1).partition("=")
    if fault == "inotify":
        no_inotify()
    elif fault == "tasks":
        count_tasks(value)
    else:
        mount_table(value)
    from sidecar.cli.main import main as sidecar  # noqa: PLC0415

    sidecar()


if __name__ == "__main__":
    main()
