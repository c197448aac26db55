"""The tutorial works as it is written: its commands are run, in its order, with only addresses changed."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.project.tree import ROOT
from tests.servers.ports import free_port
from tests.servers.proc import Proc

from .pages import blocks

PAGE = "docs/tutorial/behind-envoy.md"
SHELL = [block.text for block in blocks("sh") if block.page == PAGE]
CONFIG, USERS = (block.text for block in blocks("yaml") if block.page == PAGE)
DEFAULT_PORTS = ("8080", "8081", "9901", "9192", "9193")
RELOADED = 10.0


class Tutorial:
    """A folder, as the page lets its reader make one, and a shell in it."""

    def __init__(self, folder: Path) -> None:
        """Lay out the folder beside a copy of the shipped Envoy configuration."""
        self.folder = folder / "try"
        self.folder.mkdir()
        (folder / "envoy").mkdir()
        ports = {port: str(free_port()) for port in DEFAULT_PORTS}
        self.changes = {**ports, "/tmp/sidecar-try.sock": str(folder / "s.sock")}
        (folder / "envoy" / "envoy.yaml").write_text(self.adapt((ROOT / "envoy" / "envoy.yaml").read_text()))
        self.env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def adapt(self, text: str) -> str:
        """Replace the page's addresses."""
        return re.sub("|".join(map(re.escape, self.changes)), lambda found: self.changes[found[0]], text)

    def run(self, commands: str) -> str:
        """Run a block; return what it prints."""
        done = subprocess.run(
            ["bash", "-euc", self.adapt(commands)], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def statuses(self, commands: str) -> list[int]:
        """The HTTP statuses of a block of curl commands."""
        return [int(status) for status in re.findall(r"HTTP/1\.1 (\d{3}) ", self.run(commands))]

    def background(self, command: str) -> Proc:
        """Start the last line of a block."""
        return Proc(command.split(maxsplit=1)[0], ["bash", "-c", f"exec {self.adapt(command)}"], self.folder, env=self.env, cwd=self.folder)


def block_with(text: str) -> str:
    """The only shell block that holds ``text``."""
    (found,) = (block for block in SHELL if text in block)
    return found


def is_ready(tutorial: Tutorial) -> bool:
    """Whether the sidecar says so."""
    try:
        tutorial.run(block_with("/readyz").replace("curl -s", "curl -sf"))
    except AssertionError:
        return False
    return True


def answers(tutorial: Tutorial) -> list[int]:
    """What Envoy says to a request that anyone may make; nothing while it does not listen."""
    try:
        return tutorial.statuses("curl -si localhost:8080/healthz")
    except AssertionError:
        return []


@pytest.fixture
def tutorial(tmp_path: Path) -> Iterator[Tutorial]:
    """Steps 1 to 5."""
    made = Tutorial(tmp_path)
    made.run(block_with("sidecar token key"))
    port = made.changes["9192"], made.changes["9193"]
    listeners = f'admin: {{listen: "127.0.0.1:{port[0]}"}}\ntelemetry: {{listen: "127.0.0.1:{port[1]}"}}\n'
    (made.folder / "config.yaml").write_text(made.adapt(CONFIG).replace("server: {", "server: {shutdown_delay: 0s, ") + listeners)
    made.run(block_with("sidecar validate config.yaml"))
    with ExitStack() as running:
        sidecar = running.enter_context(made.background(block_with("sidecar serve").strip()))
        sidecar.wait_ready(lambda: is_ready(made))
        running.enter_context(made.background(block_with("http.server").strip()))
        copy, start = block_with("sed ").strip().splitlines()
        made.run(copy)
        envoy = running.enter_context(made.background(f"{start} --use-dynamic-base-id --concurrency 1"))
        envoy.wait_ready(lambda: answers(made) == [404])
        yield made


@pytest.mark.envoy
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl")
def test_the_tutorial_works(tutorial: Tutorial) -> None:
    assert tutorial.statuses(SHELL[SHELL.index(block_with("sed ")) + 1]) == [401]
    assert tutorial.statuses(block_with("sidecar token mint")) == [404, 403]
    assert tutorial.statuses(block_with("X-User-ID")) == [401, 400, 401]
    assert "verified" in tutorial.run(block_with("sidecar token verify"))
    config = tutorial.folder / "config.yaml"
    config.write_text(config.read_text() + USERS)
    post = next(line for line in block_with("sidecar token mint").splitlines() if "-X POST" in line)
    until = time.monotonic() + RELOADED
    while (status := tutorial.statuses(post)) == [403] and time.monotonic() < until:
        time.sleep(0.1)
    assert status == [501]
