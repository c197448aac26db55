"""Rows 25, 26, 28, 29 and 30: configurations that must not be taken, at start and later, and changes that nobody announces."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serve.site import Running, eventually

from .invariants import Watch
from .kubelet import SubPath
from .scene import Scene

PATIENCE = 15.0
RESTAT = 5.0
"""Seconds between two looks at the files, whatever events say."""


def last_reload(running: Running) -> Any:
    return running.status()["last_reload"]


def spoil(scene: Scene, old: str, new: str) -> str:
    text = scene.config()
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def text_faults(scene: Scene) -> dict[str, tuple[str, str]]:
    """What is written, and what the message has to name."""
    return {
        "invalid YAML": (spoil(scene, "roles:\n", "roles: [\n"), "config.yaml"),
        "unknown key": (spoil(scene, "paths: [/posts]", "pahts: [/posts]"), "routes.posts.pahts"),
        "duplicate key": (spoil(scene, "roles:\n", "roles:\n  viewer: {permissions: [x]}\n"), "viewer"),
        "unknown reference": (spoil(scene, "authenticate: [anonymous]", "authenticate: [nobody]"), "nobody"),
        "bad pattern": (spoil(scene, "paths: [/healthz]", 'paths: ["/health/{rest=***}"]'), "routes.health"),
        "bad duration": (spoil(scene, "max_lifetime: 2h", "max_lifetime: two hours"), "max_lifetime"),
        "not UTF-8": (spoil(scene, "roles:\n", "# \udcff\nroles:\n"), "config.yaml"),
        "a NUL byte": (spoil(scene, "roles:\n", "# \0\nroles:\n"), "config.yaml"),
        "an alias": (spoil(scene, "roles:\n  viewer:", "roles:\n  other: *viewer\n  viewer:"), "config.yaml"),
        "empty file": ("", "config.yaml"),
        "only version": ("version: 1\n", "routes"),
        "a list": ("- version: 1\n", "config.yaml"),
    }


def put(path: Path, text: str) -> None:
    """Replace a file in one step, with bytes that no text has."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(text.encode("utf-8", "surrogateescape"))
    fresh.replace(path)


def deleted(path: Path) -> None:
    path.unlink()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.yaml")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def too_large(path: Path) -> None:
    with path.open("a") as file:
        file.truncate(9 * 1024 * 1024)


def unreadable(path: Path) -> None:
    """As one without permission is for a process that is not root; for root there is no such file."""
    path.chmod(0)


FILE_FAULTS = {
    "deleted": deleted,
    "dangling link": dangling,
    "a pipe in its place": pipe,
    "a device in its place": device,
    "a link to itself": loop,
    "9 MB": too_large,
    **({} if os.geteuid() == 0 else {"unreadable": unreadable}),
}


def refused(running: Running, names: str, revision: str) -> None:
    """The last good one stays, and it is loud."""
    eventually(lambda: last_reload(running)["ok"] is False and names in str(last_reload(running)["errors"]), PATIENCE)
    assert running.ready()
    assert running.metric("config_last_reload_success") == 0
    assert running.metric(f'config_info{{revision="{revision}"}}') == 1
    assert running.status()["revision"] == revision


def mended(running: Running) -> None:
    eventually(lambda: last_reload(running)["ok"] is True, PATIENCE)
    assert running.metric("config_last_reload_success") == 1


@pytest.mark.slow
def test_row_25_bad_config_while_serving(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    path = scene.conf / "config.yaml"
    good = path.read_text()
    tried = []
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        revision = running.status()["revision"]
        for name, (text, names) in text_faults(scene).items():
            put(path, text)
            refused(running, names, revision)
            tried.append(name)
            put(path, good)
            mended(running)
        for name, spoil_file in FILE_FAULTS.items():
            spoil_file(path)
            refused(running, str(scene.conf), revision)
            tried.append(name)
            put(path, good)
            mended(running)
        assert running.status()["background_crashes"] == {}
    assert seen.statuses("good") == {200}
    words = (
        f"{len(tried)} kinds: last good kept each time, good requests {len(seen.of('good'))} of {len(seen.of('good'))}, ready throughout"
    )
    figure(25, "broken configuration while serving", "last good kept, metric and /status say so, readiness unchanged", words, seen)


@pytest.mark.slow
def test_row_26_bad_config_at_start(scene_of: Callable[..., Scene], figure: Callable[..., None]) -> None:
    """Exit code 1, the file, and the line where there is one; no traceback; nothing listens."""
    scene = scene_of()
    path = scene.conf / "config.yaml"
    good = path.read_text()
    with_line, tried = 0, 0
    for name, (text, names) in text_faults(scene).items():
        put(path, text)
        with_line += ended(scene, names, name)
        tried += 1
    for name, spoil_file in FILE_FAULTS.items():
        put(path, good)
        spoil_file(path)
        ended(scene, str(scene.conf), name)
        tried += 1
    assert with_line >= 9
    words = f"{tried} kinds: exit 1 and the file named each time, the line in the {with_line} where there is one"
    figure(26, "broken configuration at start", "exit non-zero with line number", words)


def ended(scene: Scene, names: str, fault: str) -> bool:
    """Start it on this configuration; return whether a line was named."""
    (scene.folder / "sidecar.err").unlink(missing_ok=True)
    with scene.start(ready=False) as running:
        assert running.proc.wait(20) == 1, fault
        said = running.log()
    assert names in said, (fault, said)
    assert "Traceback" not in said, (fault, said)
    errors = [line for line in said.splitlines() if ": error: " in line]
    assert errors, (fault, said)
    return any(part.isdigit() for part in errors[0].split(":")[1:3])


def test_row_28_sub_path(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """kubelet never updates it: said at start; what is swapped underneath does nothing."""
    scene = scene_of()
    mount = SubPath(scene.folder, scene.conf / "config.yaml")
    scene.command = lambda: mount.command(  # type: ignore[method-assign]
        [sys.executable, "-m", "sidecar", "serve", "--config", str(scene.conf / "config.yaml")]
    )
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        assert running.logged("is a mount of its own (subPath, or one file bind-mounted): changes to it need a restart")
        shutil.move(mount.source, mount.source.with_name("old"))  # kubelet would write a new file; the mount keeps the old one
        mount.source.write_text(scene.config().replace("/healthz", "/health"))
        time.sleep(0.5)
        assert running.http_status("/healthz") == 200
    figure(28, "subPath mount", "start-up warning", "warned at start, by path; what changes underneath does nothing", seen)


OPEN = '  open: {paths: ["/", "/{rest=**}"], authenticate: [anonymous]}\n'


def dangers(scene: Scene) -> dict[str, tuple[str, str]]:
    """A configuration that is valid and dangerous, and the name of the change that it has to acknowledge."""
    text = scene.config()
    routes = text[text.index("routes:") : text.index("identity_headers:")]
    dropped = spoil(scene, f"issuer: {scene.partner.url}\n", "issuer: https://elsewhere.example.com\n")
    no_one = text[: text.index("issuers:")] + "routes:\n  health: {methods: [GET], paths: [/healthz], authenticate: [anonymous]}\n"
    return {
        "allows everyone everything": (text.replace("routes:\n", "routes:\n" + OPEN), "open_to_anonymous:open"),
        "zero routes": (text.replace(routes, "routes: {}\n"), "no_routes"),
        "drops an issuer": (dropped, "issuer_dropped:partner"),
        "nobody can authenticate": (no_one, "no_authenticators"),
    }


@pytest.mark.slow
def test_row_29_dangerous_config(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    good = scene.config()
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        revision = running.status()["revision"]
        cases = dangers(scene)
        for name, (text, change) in cases.items():
            scene.write(text)
            refused(running, change, revision)
            assert running.http_status("/anything") == 403, name
            scene.write(good)
            mended(running)
    assert seen.statuses("good") == {200}
    text, change = cases["allows everyone everything"]
    scene.write(good)
    with scene.start() as running:  # meant: the same change with its name
        scene.write(text.replace("version: 1\n", f"version: 1\nacknowledge: ['{change}']\n", 1))
        eventually(lambda: running.http_status("/anything") == 200, PATIENCE)
    words = f"{len(cases)} kinds refused, each by name in /status; taken once acknowledged by that name"
    figure(29, "valid and dangerous configuration", "refused unless acknowledged by name; /status says so", words, seen)


def changed(scene: Scene) -> str:
    return spoil(scene, "paths: [/healthz]", "paths: [/health]")


@pytest.mark.slow
def test_row_30_no_inotify(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """The kernel gives no inotify instance: said, and files are looked at every 5 s."""
    scene = scene_of()
    scene.command = lambda: [  # type: ignore[method-assign]
        sys.executable, "-m", "tests.fault.broken", "inotify", "serve", "--config", str(scene.conf),
    ]  # fmt: skip
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        assert running.logged("file events are not available; changes are noticed by looking at the files")
        scene.write(changed(scene))
        took = eventually(lambda: running.http_status("/health") == 200, RESTAT + PATIENCE)
        assert running.log().count("file events are not available") <= 3, "no storm of attempts"
    assert took <= RESTAT + 5
    assert seen.statuses("good") == {200}
    figure(30, "no inotify instance to be had", "periodic look: reload within 30 s", f"in effect after {took:.1f} s", seen)


@pytest.mark.slow
def test_row_30_directory_replaced(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """IN_DELETE_SELF: what was watched is gone, and another directory has its name; then the same once more."""
    scene = scene_of()
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        shutil.rmtree(scene.conf)
        scene.conf.mkdir()
        scene.write(changed(scene))
        first = eventually(lambda: running.http_status("/health") == 200, RESTAT + PATIENCE)
        scene.conf.rename(scene.folder / "old")
        eventually(lambda: last_reload(running)["ok"] is False, RESTAT + PATIENCE)
        scene.conf.mkdir()
        scene.write(scene.config())
        second = eventually(lambda: running.http_status("/healthz") == 200, RESTAT + PATIENCE)
    assert max(first, second) <= RESTAT + 5
    assert seen.statuses("good") == {200}
    words = f"in effect after {first:.1f} s (removed and made anew) and {second:.1f} s (moved away, another in its place)"
    figure(30, "watched directory replaced", "reload within 30 s", words, seen)
