"""Where a listener stands, as configurations write it; and who else can reach it (security rule 24)."""

import re
from ipaddress import ip_address
from typing import Literal, NamedTuple

MAX_SOCKET_PATH = 107
"""Bytes of sun_path on Linux, without its NUL."""

_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
MAX_PORT = 65535


class Listen(NamedTuple):
    """Where a listener stands: ``host`` (without brackets) and ``port``, or the ``path`` of a Unix socket."""

    kind: Literal["tcp", "unix"]
    host: str
    port: int
    path: str

    @property
    def loopback(self) -> bool:
        """True when only this machine (for pods: this pod) reaches it."""
        return self.kind == "unix" or is_loopback(self.host)


def parse_listen(text: str) -> Listen | None:
    """Read ``host:port``, ``[v6]:port`` or ``unix:///path``; None if it is none of them."""
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        usable = path.startswith("/") and not path.endswith("/") and "\0" not in path and len(path.encode()) <= MAX_SOCKET_PATH
        return Listen("unix", "", 0, path) if usable else None
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None or int(found[3]) > MAX_PORT:
        return None
    if found[1] is not None and not is_address(found[1]):
        return None
    return Listen("tcp", found[1] or found[2], int(found[3]), "")


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` (without brackets) is a loopback address or ``localhost``; what is not surely one is none."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_address(host: str) -> bool:
    """Tell whether ``host`` is an address, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
