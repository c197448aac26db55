"""``python -m tests.fault.altered STATE serve …``: the sidecar with another wall clock and other host names than the machine's.

STATE is a JSON file, read again whenever it changes: ``wall``, seconds by which the clock is ahead, and ``names``, host name → address.
What is replaced is what the process takes from outside: the wall time of its clock, which is the only one in the package, and the loop's
name resolution (the answer of the C library, so its own caching is not part of this). The monotonic clock stays the machine's, as when a
real clock is set; so does the time that gRPC reckons a call's deadline with: it takes both ends from one clock, which is set under both.
"""

import asyncio
import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvloop

from sidecar.adapters import clock
from sidecar.cli.main import main as sidecar

_state: dict[str, Any] = {"wall": 0.0, "names": {}}


def _follow(file: Path) -> None:
    seen = ""
    while True:
        text = file.read_text()
        if text != seen:
            seen = text
            _state.update(json.loads(text))
        time.sleep(0.02)


def _shifted() -> float:
    return time.time() + _state["wall"]


def _alter_names() -> None:
    real = uvloop.Loop.getaddrinfo

    async def getaddrinfo(self: Any, host: Any, port: Any, **hints: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in _state["names"]:
            return await real(self, host, port, **hints)
        address = _state["names"][name]
        await asyncio.sleep(0)
        if not address:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, int(port)))]

    uvloop.Loop.getaddrinfo = getaddrinfo


def main() -> None:
    """Alter the world, then be the sidecar."""
    file = Path(sys.argv.pop(1))
    _state.update(json.loads(file.read_text()))
    threading.Thread(target=_follow, args=(file,), daemon=True).start()
    clock.time = _shifted  # type: ignore[attr-defined]
    _alter_names()
    sidecar()


if __name__ == "__main__":
    main()
