"""Changes of files are noticed: by events, by looking, and through the symbolic links of a ConfigMap."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from sidecar.adapters import watch
from sidecar.adapters.watch import FileWatcher, signature

NEVER = 1000.0
"""Seconds between looks where events must do."""
Next = Callable[[float], Awaitable[frozenset[str]]]


def with_changes(watcher: FileWatcher, body: Callable[[Next], Awaitable[None]]) -> None:
    """Run ``body`` with a function that waits for the next change (empty when none comes in time)."""

    async def run() -> None:
        changes: AsyncGenerator[frozenset[str], None] = watcher.changes()
        found: asyncio.Queue[frozenset[str]] = asyncio.Queue()

        async def collect() -> None:
            async with aclosing(changes):
                async for groups in changes:
                    found.put_nowait(groups)

        task = asyncio.create_task(collect())

        async def following(seconds: float) -> frozenset[str]:
            try:
                return await asyncio.wait_for(found.get(), seconds)
            except TimeoutError:
                return frozenset()

        try:
            await body(following)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(run())


class ConfigMap:
    """A mounted ConfigMap as the kubelet makes it: ``name`` → ``..data/name``, ``..data`` → a dated directory."""

    def __init__(self, root: Path, content: str) -> None:
        self.root = root
        self.generation = 0
        self.swap(content)
        for name in ("a.yaml", "b.yaml"):
            (root / name).symlink_to(f"..data/{name}")

    def swap(self, content: str) -> None:
        self.generation += 1
        fresh = self.root / f"..2026_{self.generation}"
        fresh.mkdir()
        for name in ("a.yaml", "b.yaml"):
            (fresh / name).write_text(content)
        (self.root / "..data_tmp").symlink_to(fresh.name)
        (self.root / "..data_tmp").rename(self.root / "..data")


def test_a_configmap_swap_is_one_change_within_two_seconds(tmp_path: Path) -> None:
    """Fault row 24. The same length of content: only the links tell."""
    mounted = ConfigMap(tmp_path, "one")
    watcher = FileWatcher(restat_every=NEVER)
    watcher.watch("config", [str(tmp_path)])
    watcher.watch("key", [str(tmp_path / "a.yaml")])
    watcher.watch("other", [str(tmp_path / "none")])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.3)
        for content in ("two", "six"):
            began = time.monotonic()
            mounted.swap(content)
            assert await following(2) == {"config", "key"}
            assert time.monotonic() - began < 2
            assert await following(0.4) == frozenset()

    with_changes(watcher, body)


def test_a_hundred_swaps_in_a_row_are_few_changes_and_the_last_is_seen(tmp_path: Path) -> None:
    """Fault row 27."""
    mounted = ConfigMap(tmp_path, "0")
    watcher = FileWatcher(restat_every=NEVER)
    watcher.watch("config", [str(tmp_path)])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.3)
        for number in range(100):
            mounted.swap(str(number))
            await asyncio.sleep(0.005)
        last, seen = time.monotonic(), 0
        while await following(1.0):
            seen += 1
        assert 1 <= seen <= 4
        assert time.monotonic() - last < 4

    with_changes(watcher, body)


@pytest.mark.parametrize("how", ["written", "renamed over", "removed", "made"])
def test_what_happens_to_a_file(tmp_path: Path, how: str) -> None:
    file = tmp_path / "file"
    if how != "made":
        file.write_text("one")
    watcher = FileWatcher(restat_every=NEVER)
    watcher.watch("group", [str(file)])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.3)
        match how:
            case "removed":
                file.unlink()
            case "renamed over":
                (tmp_path / "fresh").write_text("two")
                (tmp_path / "fresh").rename(file)
            case _:
                file.write_text("two")
        assert await following(2) == {"group"}

    with_changes(watcher, body)


def test_other_files_beside_it_are_no_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    watcher = FileWatcher(restat_every=NEVER)
    watcher.watch("group", [str(tmp_path / "file")])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.3)
        (tmp_path / "other").write_text("two")
        assert await following(0.5) == frozenset()

    with_changes(watcher, body)


def test_a_change_between_reading_and_watching_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    watcher = FileWatcher(restat_every=NEVER)
    watcher.watch("group", [str(file)])
    file.write_text("three")
    watcher.watch("group", [str(file), str(tmp_path / "more")])

    async def body(following: Next) -> None:
        assert await following(2) == {"group"}

    with_changes(watcher, body)


def test_groups_come_and_go(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    watcher = FileWatcher(restat_every=NEVER)
    watcher.watch("a", [str(tmp_path / "a")])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.3)
        watcher.watch("b", [str(tmp_path / "b")])
        watcher.forget("a")
        await asyncio.sleep(0.3)
        (tmp_path / "a" / "file").touch()
        (tmp_path / "b" / "file").touch()
        assert await following(2) == {"b"}

    with_changes(watcher, body)


def test_without_events_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Fault row 30: the inotify limit is reached, then it isn't any more."""
    attempts = 0

    def no_more_watches(*_paths: str, **_options: object) -> object:
        nonlocal attempts
        attempts += 1
        raise OSError(28, "OS file watch limit reached")

    async def failing(*paths: str, **options: object) -> AsyncGenerator[None, None]:
        no_more_watches(*paths, **options)
        yield

    monkeypatch.setattr(watch.watchfiles, "awatch", failing)
    file = tmp_path / "file"
    watcher = FileWatcher(restat_every=0.2, retry_every=0.3)
    watcher.watch("group", [str(file)])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.1)
        with caplog.at_level(logging.WARNING):
            file.write_text("one")
            assert await following(2) == {"group"}
            file.write_text("three")
            assert await following(2) == {"group"}

    with_changes(watcher, body)
    assert 1 <= attempts <= 5
    assert "file events are not available" in caplog.text


def test_a_directory_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    """Fault row 30: IN_DELETE_SELF. The look notices the new directory, events work again after it."""
    root = tmp_path / "config"
    root.mkdir()
    watcher = FileWatcher(restat_every=0.5)
    watcher.watch("config", [str(root)])

    async def body(following: Next) -> None:
        await asyncio.sleep(0.3)
        root.rename(tmp_path / "old")
        root.mkdir()
        (root / "a.yaml").write_text("one")
        assert await following(2) == {"config"}
        while await following(0.3):
            pass
        (root / "a.yaml").write_text("three")
        assert await following(2) == {"config"}

    with_changes(watcher, body)


def test_signatures_follow_links_to_the_end(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("same")
        os.utime(tmp_path / name, ns=(1, 1))
    link = tmp_path / "link"
    link.symlink_to("one")
    before = signature(str(link))
    assert signature(str(link)) == before
    link.unlink()
    link.symlink_to("two")
    assert signature(str(link)) != before


def test_a_link_that_leads_nowhere_or_round_has_a_signature(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("none")
    for name in ("loop", "gone", "none"):
        assert signature(str(tmp_path / name))[0] == "unreadable"
    watcher = FileWatcher()
    watcher.watch("group", [str(tmp_path / name) for name in ("loop", "gone", "none")])
