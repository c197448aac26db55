"""Starts the processes that are measured: the real ``sidecar serve`` and the no-ops."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

from .configs import Shape, write_config

START_TIMEOUT = 30.0
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed sidecar has its byte code beside it; without this each start would compile the whole package."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. ``counter`` counts the lines of its standard output; ``start`` is seconds from exec to ready."""

    address: str
    process: "subprocess.Popen[bytes]"
    counter: "subprocess.Popen[str] | None"
    start: float
    admin: int = 0
    """Port of the admin listener."""

    @property
    def pid(self) -> int:
        """Of the server itself."""
        return self.process.pid

    def stop(self) -> int:
        """End it; return how many lines it wrote, which for the sidecar is how many decisions it recorded."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.counter is None:
            return 0
        return int(self.counter.communicate()[0])


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def address_of(kind: str, folder: Path, name: str) -> str:
    """A new address: ``tcp`` or ``unix``."""
    return f"unix://{folder}/{name}.sock" if kind == "unix" else f"127.0.0.1:{free_port()}"


def start_noop(front: str, address: str) -> Running:
    """Start the no-op on ``front`` (native or grpcio)."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.noops.{front}", address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdout is not None
    if process.stdout.readline() != b"up\n":
        raise RuntimeError(f"the {front} no-op did not start")
    return Running(address, process, None, time.perf_counter() - begin)


def start_sidecar(
    folder: Path, jwks: str, front: str, address: str, api_keys: int = 0, *, shadow: float = 0.0, like: Shape | None = None
) -> Running:
    """Start ``python -m sidecar serve`` on a configuration with 100 routes and wait for /readyz. Records are read from its pipe.

    ``like``: another shape than that. ``shadow``: the share of the checks that the same configuration decides as a candidate, too.
    """
    own = {"listen": address, "transport": front, "telemetry": free_port(), "admin": free_port()}
    shape = replace(like or Shape(api_keys=api_keys), **own)
    config = write_config(folder, jwks, shape)
    log = folder / "log"
    counter = subprocess.Popen(["wc", "-l"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert counter.stdin is not None
    begin = time.perf_counter()
    with log.open("wb") as errors:
        command = [sys.executable, "-m", "sidecar", "serve", "--config", str(config)]
        if shadow:
            command += ["--shadow-config", str(config), "--shadow-share", str(shadow)]
        process = subprocess.Popen(command, stdout=counter.stdin, stderr=errors, env=ENVIRONMENT)
    counter.stdin.close()
    counter.stdin = None
    try:
        _await_ready(f"http://127.0.0.1:{shape.telemetry}/readyz", process)
    except RuntimeError as error:
        process.kill()
        counter.communicate()
        raise RuntimeError(f"{error}; its log ends: {log.read_text(errors='replace')[-2000:]}") from None
    return Running(address, process, counter, time.perf_counter() - begin, shape.admin)


def _await_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.perf_counter() + START_TIMEOUT
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the sidecar ended with exit code {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.005)
    raise RuntimeError(f"the sidecar was not ready after {START_TIMEOUT:.0f} s")
