"""The tutorial on policies works as it is written: its commands are run, in its order, and print what it shows.

Changed are the addresses, and from step 4 on the time zone, as the page tells readers for whom it is not daytime in Berlin.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.project.tree import text
from tests.servers.ports import free_port
from tests.servers.proc import Proc

from .pages import Block, blocks

PAGE = "docs/tutorial/policies.md"
FILES = {block.info[1]: block.text for block in blocks("yaml") if block.page == PAGE and len(block.info) > 1}
(HTTP_SOURCE,) = (block.text for block in blocks("yaml") if block.page == PAGE and len(block.info) == 1)
COMMANDS = [block for block in blocks("sh", "console") if block.page == PAGE]
LIVE = text(PAGE)[: text(PAGE).index("## 4. ")].count("\n")
"""The line from which on requests are made at the time of day that it is."""
PORTS = ("8080", "8081", "9901", "9192", "9193")
ZONE = "Europe/Berlin"
NOT_FIXED = re.compile(r'(?<=revision )[0-9a-f]{12}|(?<=such as )[a-z0-9]{16}|(?<=environment\.time = ")\d\d:\d\d')
SOON = 20.0


def noon() -> str:
    """A time zone in which it is past noon, before one: hours from any end of the policy's day."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}"  # their signs are the other way round


def eventually(wanted: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not wanted():
        assert time.monotonic() < until
        time.sleep(0.1)


class Reader:
    """A checkout with the reader's folder in it, and a shell there."""

    def __init__(self, checkout: Path) -> None:
        self.folder = checkout / "try-policies"
        self.changes = {**{port: str(free_port()) for port in PORTS}, "/tmp/sidecar-try.sock": str(checkout / "s.sock")}
        (checkout / "envoy").mkdir()
        (checkout / "envoy" / "envoy.yaml").write_text(self.adapt(text("envoy/envoy.yaml")))
        self.env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.env.pop("SIDECAR_CONFIG", None)

    def adapt(self, content: str) -> str:
        """Replace the page's addresses."""
        return re.sub("|".join(map(re.escape, self.changes)), lambda found: self.changes[found[0]], content)

    def write(self, name: str) -> None:
        """Write a file of the page."""
        content = self.adapt(FILES[name])
        if name != "tests.yaml":
            # The page need not name these: at its reader's the defaults are free.
            admin, telemetry = self.changes["9192"], self.changes["9193"]
            content = content.replace("server: {", "server: {shutdown_delay: 0s, ")
            content += f'admin: {{listen: "127.0.0.1:{admin}"}}\ntelemetry: {{listen: "127.0.0.1:{telemetry}"}}\n'
        (self.folder / name).write_text(content)

    def run(self, commands: str, code: int = 0) -> str:
        """Run commands; return what they print."""
        folder = self.folder if self.folder.exists() else self.folder.parent
        command = ["bash", "-euo", "pipefail", "-c", self.adapt(commands)]
        done = subprocess.run(command, cwd=folder, env=self.env, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def show(self, block: Block) -> None:
        """Run a console block; what it shows are some of the lines printed, in their order."""
        command, _, shown = block.text.removeprefix("$ ").partition("\n")
        output = self.run(command, int(block.info[1].removeprefix("exit-")) if len(block.info) > 1 else 0)
        printed = iter(NOT_FIXED.sub("…", output).splitlines())
        missing = [line for line in NOT_FIXED.sub("…", self.adapt(shown)).splitlines() if not any(line == found for found in printed)]
        assert missing == [], f"{block.place}\n{output}"

    def statuses(self, commands: str) -> list[int]:
        """The HTTP statuses of curl commands."""
        return [int(status) for status in re.findall(r"HTTP/1\.1 (\d{3}) ", self.run(commands))]

    def answers(self, url: str) -> bool:
        """Whether something there says 200."""
        command = ["curl", "-sf", "-o", os.devnull, self.adapt(url)]
        return subprocess.run(command, env=self.env, check=False, timeout=10).returncode == 0

    def background(self, command: str) -> Proc:
        """Start a command that stays."""
        adapted = self.adapt(command).strip()
        return Proc(command.split(maxsplit=1)[0], ["bash", "-c", f"exec {adapted}"], self.folder, env=self.env, cwd=self.folder)


def block_with(content: str) -> Block:
    """The only block that holds this."""
    (found,) = (block for block in COMMANDS if content in block.text)
    return found


def console(first: int, last: int | None = None) -> Iterator[Block]:
    """The console blocks between two lines of the page."""
    return (block for block in COMMANDS if block.info[0] == "console" and first <= block.line < (last or sys.maxsize))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """After the page's first commands, with its files written."""
    made = Reader(tmp_path)
    first = block_with("mkdir")
    made.run(first.text)
    for name in FILES:
        made.write(name)
    made.run(block_with("mint()").text)
    return made


@pytest.fixture
def started(reader: Reader) -> Iterator[Reader]:
    """With the sidecar and Envoy running, where it is noon."""
    candidate = reader.folder / "candidate.yaml"
    candidate.write_text(candidate.read_text().replace(ZONE, noon()))
    with ExitStack() as running:
        sidecar = running.enter_context(reader.background(block_with("sidecar serve").text))
        sidecar.wait_ready(lambda: reader.answers("localhost:9193/readyz"))
        running.enter_context(reader.background(block_with("http.server").text))
        copy, start = block_with("envoy -c").text.strip().splitlines()
        reader.run(copy)
        envoy = running.enter_context(reader.background(f"{start} --use-dynamic-base-id --concurrency 1"))
        envoy.wait_ready(lambda: reader.answers("localhost:9901/ready"))
        eventually(lambda: reader.answers("localhost:8081/"))
        yield reader


def requests_after(heading: str) -> str:
    """The first curl commands for Envoy below a heading."""
    line = text(PAGE)[: text(PAGE).index(heading)].count("\n")
    return next(block.text for block in COMMANDS if block.line > line and "curl -i" in block.text)


def test_the_page_has_what_is_tested() -> None:
    assert set(FILES) == {"config.yaml", "candidate.yaml", "tests.yaml"}
    assert len(list(console(0, LIVE))) == 3
    assert len(list(console(LIVE))) == 6


def test_from_roles_to_a_tested_policy(reader: Reader) -> None:
    for block in console(0, LIVE):
        reader.show(block)


def test_the_source_over_http_takes_the_place_of_the_table(reader: Reader) -> None:
    candidate = FILES["candidate.yaml"]
    table = candidate[candidate.index("attributes:\n  post-owner") : candidate.index("policies:\n")]
    (reader.folder / "http.yaml").write_text(candidate.replace(table, HTTP_SOURCE))
    assert "valid" in reader.run("sidecar validate http.yaml --strict")


@pytest.mark.envoy
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the page uses curl and jq")
def test_from_shadow_to_enforcement(started: Reader) -> None:
    reader, records = started, started.folder / "decisions.jsonl"
    alone, counted, differing, compared, replayed, explained = console(LIVE)
    reader.run(block_with("sed 's/mode: enforce").text)
    reader.show(alone)
    assert reader.statuses(requests_after("## 4. ")) == [404, 404, 404]
    eventually(lambda: records.read_text().count("\n") == 3)
    for block in counted, differing, compared, replayed:
        reader.show(block)
    reader.run(block_with("cp config.yaml").text)
    enforced = requests_after("## 6. ")
    eventually(lambda: reader.statuses(enforced.splitlines()[0]) == [403])
    assert reader.statuses(enforced) == [403, 404, 403]
    reader.show(explained)
    eventually(lambda: '"path": "/posts/2"' in reader.run("curl -s 'localhost:9192/decisions?decision=deny'").partition("source_ip")[0])
    kept = reader.run(block_with("explain?id").text)
    assert '"user.department": "\\"sales\\""' in kept
    assert '"resource.owner.department": "not had"' in kept
    (taken_back,) = re.findall(r"`(cp roles-only[^`]+)`", text(PAGE))
    reader.run(taken_back)
    eventually(lambda: reader.statuses(enforced) == [404, 404, 404])
