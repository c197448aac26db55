"""Noticing that files changed: inotify to be quick, a look every 5 seconds to be sure.

An event is only a reason to look. What counts is the *signature* of a watched path: which file it leads to
through its symbolic links, its size and times. So the swap of a ConfigMap's ``..data`` link is one change however
many events it makes, and a watcher that died (inotify limit, directory replaced) costs at most one interval.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import TypeAlias

import watchfiles

log = logging.getLogger(__name__)

RESTAT_EVERY = 5.0
"""Seconds between two looks when no event came: a lost event must not keep a revoked key alive for longer."""
RETRY_EVERY = 30.0
"""Seconds until file events are asked for again after the kernel gave none."""
STEP_MS = 100
"""Events are gathered until none came for this long …"""
DEBOUNCE_MS = 1000
"""… or for this long in all."""
MAX_ENTRIES = 1000
"""Entries of a directory that count for its signature."""

_Mark: TypeAlias = tuple[object, ...]


class FileWatcher:
    """Watches groups of files and directories; used on one event loop.

    A directory is watched for its direct entries (not for what lies deeper). Paths need not exist.
    """

    def __init__(self, *, restat_every: float = RESTAT_EVERY, retry_every: float = RETRY_EVERY) -> None:
        """Start with nothing to watch; both in seconds."""
        self._restat_every = restat_every
        self._retry_every = retry_every
        self._groups: dict[str, dict[str, _Mark]] = {}
        self._wake = asyncio.Event()
        self._watched: frozenset[tuple[str, int]] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def watch(self, group: str, paths: Iterable[str]) -> None:
        """Watch ``paths`` under the name ``group``, in place of what it had.

        Call it *before* reading the files: what changes after this call is reported. Paths that the group had
        already keep their signature, so a change that is not yet reported isn't lost.
        """
        known = self._groups.get(group, {})
        self._groups[group] = {path: known[path] if path in known else signature(path) for path in paths}
        self._wake.set()

    def forget(self, group: str) -> None:
        """Stop watching a group; nothing happens when there is none."""
        self._groups.pop(group, None)
        self._wake.set()

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Yield the names of the groups that changed, as often as some did; never ends by itself."""
        try:
            while True:
                self._rewatch()
                changed = self._look()
                if changed:
                    yield changed
                    continue
                await self._wait()
        finally:
            self._stop()

    async def _wait(self) -> None:
        """Wait for an event, a new group, or the next look."""
        try:
            async with asyncio.timeout(self._restat_every):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _look(self) -> frozenset[str]:
        """Take all signatures anew; return the groups where one differs."""
        changed = set()
        for group, marks in self._groups.items():
            for path, mark in marks.items():
                seen = signature(path)
                if seen != mark:
                    marks[path] = seen
                    changed.add(group)
        return frozenset(changed)

    def _rewatch(self) -> None:
        """Let inotify watch the directories that matter now, if they aren't those it watches."""
        wanted = _directories(path for marks in self._groups.values() for path in marks)
        if wanted == self._watched and self._task is not None and not self._task.done():
            return
        self._stop()
        self._watched = wanted
        if wanted:
            events = self._notify([path for path, _ in sorted(wanted)])
            self._task = asyncio.get_running_loop().create_task(events, name="file events")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _notify(self, directories: Sequence[str]) -> None:
        """Set the wake-up at each burst of events; a failure is logged and left to the regular look."""
        events = watchfiles.awatch(
            *directories, watch_filter=None, debounce=DEBOUNCE_MS, step=STEP_MS, recursive=False, ignore_permission_denied=True
        )
        # Once inotify stands (set up in the first step of ``events``): what changed just before it did made no event.
        asyncio.get_running_loop().call_soon(self._wake.set)
        try:
            async with aclosing(events):
                async for _ in events:
                    self._wake.set()
        except (OSError, RuntimeError) as error:  # watchfiles' own error is a RuntimeError
            log.warning(
                "file events are not available; changes are noticed by looking at the files",
                extra={"error": str(error), "every_seconds": self._restat_every},
            )
            # The task stays alive until then, and the next look starts it again: no storm of attempts.
            await asyncio.sleep(self._retry_every)


def signature(path: str) -> _Mark:
    """Return what tells two states of ``path`` apart. Cheap: stats and one directory listing, no content."""
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - text paths throughout: made for each look
            return _mark(path)
        entries = sorted(entry.name for entry in os.scandir(path))[:MAX_ENTRIES]
        return (os.path.realpath(path), *((name, _mark(os.path.join(path, name))) for name in entries))  # noqa: PTH118
    except OSError as error:
        return ("unreadable", error.errno)


def _mark(path: str) -> _Mark:
    """Signature of one file, links followed."""
    try:
        seen = os.stat(path)  # noqa: PTH116
    except OSError as error:
        return ("unreadable", error.errno)
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _directories(paths: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Return the directories in which an event can change one of ``paths``, each with its inode.

    That is where the path stands, where it leads to, and each link in between (``keys.yaml`` → ``..data/keys.yaml``,
    ``..data`` → ``..2026_01``). The inode tells a directory from its replacement of the same name.
    """
    found = set()
    for path in paths:
        for step in _links(path):
            try:
                seen = os.stat(step)  # noqa: PTH116
            except OSError:
                continue
            found.add((step, seen.st_ino))
    return frozenset(found)


def _links(path: str) -> set[str]:
    """Return the directories that hold ``path``, what it links to, and so on; at most 8 links deep."""
    found = {os.path.realpath(path)} if os.path.isdir(path) else set()  # noqa: PTH112
    for _ in range(8):
        found.add(os.path.dirname(path))  # noqa: PTH120
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
        except OSError:
            break
    found.add(os.path.dirname(os.path.realpath(path)))  # noqa: PTH120
    return found
