"""Free TCP ports that two test processes never hand out at the same time."""

import contextlib
import random
import socket

FIRST, LAST = 12_000, 32_000
"""Below Linux's ephemeral range (32768 up), so that no outgoing connection takes a port between its choice and its use."""

_reserved: list[int] = []
"""File descriptors of the reservations; the kernel drops them with this process."""


def free_port() -> int:
    """Return a loopback port that nothing listens on, reserved for the life of this process.

    Raises:
        RuntimeError: no port could be had.
    """
    for _ in range(500):
        port = random.randint(FIRST, LAST)
        if _reserve(port) and _bindable(port):
            return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")


def _reserve(port: int) -> bool:
    """Claim ``port`` against other test processes by an abstract Unix socket (Linux; elsewhere there is no claim)."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.closing(claim):
        try:
            claim.bind(f"\0sidecar-test-port-{port}")
        except FileNotFoundError:
            return True
        except OSError:
            return False
        _reserved.append(claim.detach())
    return True


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
