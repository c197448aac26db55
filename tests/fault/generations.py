"""A configuration in three files whose generations cannot be mixed unseen.

In generation N the role ``viewer`` grants ``posts:gN``, ``early`` grants what N+1 demands, ``late`` what N-1 demanded, and the route
demands ``posts:gN``. So files of one generation let ``viewer`` in and the others not; a mixture refuses ``viewer``, and may let others in.
"""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sidecar.config.files import ConfigFiles
from tests.serve.site import Running

from .invariants import Probe, bearer
from .kubelet import Volume
from .scene import Scene


def files_of(scene: Scene, number: int) -> dict[str, str]:
    """The files of generation ``number``."""
    text = scene.config()
    settings, _, rest = text.partition("roles:\n  viewer:")
    routes = "routes:" + rest.partition("routes:")[2].partition("identity_headers:")[0]
    grants = {"viewer": number, "early": number + 1, "late": number - 1}
    roles = [f'  {role}: {{permissions: ["posts:g{granted}"]}}\n' for role, granted in grants.items()]
    assert routes.count('permission: "posts:read"') == 1
    return {
        "settings.yaml": settings + "identity_headers: {x-user-id: subject, x-user-issuer: issuer}\n",
        "roles.yaml": "version: 1\nroles:\n" + "".join(roles),
        "routes.yaml": "version: 1\n" + routes.replace('"posts:read"', f'"posts:g{number}"'),
    }


def revision(files: Mapping[str, str]) -> str:
    """The revision of files of one generation."""
    contents = tuple(sorted((name, text.encode()) for name, text in files.items()))
    return ConfigFiles(path="", base="/", is_directory=True, files=contents).revision


def kinds(scene: Scene) -> dict[str, Probe]:
    """Who is let in under every whole generation, and who only under a mixture of two."""
    return {
        "good": lambda: bearer(scene.good()),
        "other-issuer": lambda: bearer(scene.other()),
        "bad-early": lambda: bearer(scene.good("eve", roles=["early"])),
        "bad-late": lambda: bearer(scene.good("eve", roles=["late"])),
    }


class Swaps:
    """A volume of which every swap is kept in mind: ``revisions`` has each generation's."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.revisions: dict[str, int] = {}
        self.number = 1
        self.volume = Volume(scene.conf, self._note(1))

    def _note(self, number: int) -> dict[str, str]:
        files = files_of(self._scene, number)
        self.revisions[revision(files)] = number
        return files

    def next(self) -> str:
        """Swap to the next generation; return its revision."""
        self.number += 1
        files = self._note(self.number)
        self.volume.swap(files)
        return revision(files)


class Swapping:
    """Swaps at a steady rate in a thread, ``per_second`` times, until the block ends: ``count`` swaps in ``seconds``."""

    def __init__(self, swaps: Swaps, per_second: float) -> None:
        self._swaps = swaps
        self._pause = 1 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet")
        self.seconds = 0.0
        self.count = 0

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            self._swaps.next()
            self.count += 1
            self._stop.wait(max(0.0, began + self.count * self._pause - time.monotonic()))
        self.seconds = time.monotonic() - began

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def decided_under(running: Running) -> list[str]:
    """The revision of every decision record so far."""
    lines = running.proc.stdout.read_text(errors="replace").splitlines(keepends=True)
    records: list[Any] = [json.loads(line) for line in lines if line.endswith("\n") and line.startswith("{")]
    return [record["revision"] for record in records if "decision_id" in record]


def size_of(pid: int, name: str) -> int:
    """A number of ``/proc/PID/status`` (``VmRSS`` and so on, kB)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
