"""Listener addresses and URLs as configurations write them."""

import re
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

MAX_SOCKET_PATH = 107
"""Bytes of sun_path on Linux, without its NUL."""

_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
MAX_PORT = 65535


class Listen(NamedTuple):
    """Where a listener stands: ``host`` and ``port``, or the ``path`` of a Unix socket."""

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
    if found[1] is not None and not _is_address(found[1]):
        return None
    return Listen("tcp", found[1] or found[2], int(found[3]), "")


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is a loopback address or ``localhost``."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def fault_of_url(url: str, *, http_allowed: bool) -> tuple[str, str] | None:
    """Return what is wrong with a URL to fetch from and the way out, or None. The text never repeats the URL."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL", "write https://host/path"
    if parts.scheme not in {"https", "http"} or not host or not url.isascii() or any(char.isspace() for char in url):
        return "is not an https URL", "write https://host/path"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it", "leave them out"
    if parts.fragment:
        return "has a fragment (#)", "leave it out"
    if parts.scheme == "http" and not http_allowed and not is_loopback(host):
        return "is plain http", "use https; unsafe_http: true lets anyone on the way forge keys"
    return None
