"""Where the check listener listens: ``host:port`` or a Unix socket, and the care that a socket file needs."""

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from .front import StartError

UNIX = "unix:"
MAX_PORT = 65535
_log = logging.getLogger(__name__)


class Target(NamedTuple):
    """A parsed ``server.listen``: either ``path``, or ``host`` (brackets removed) and ``port``."""

    host: str = ""
    port: int = 0
    path: str = ""

    def bindable(self) -> str:
        """Return it as both gRPC libraries take it."""
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def bound(self, port: int) -> str:
        """Return what an operator would write, with the port that was bound in place of 0."""
        return f"unix://{self.path}" if self.path else self._replace(port=port).bindable()

    def change_mode(self, mode: int) -> None:
        """Give a socket's file another mode; log it when that cannot be done (the file may be gone)."""
        if self.path:
            try:
                Path(self.path).chmod(mode)
            except OSError as error:
                _log.warning("server.socket_mode: %s: %s", self.path, error.strerror)

    def shared(self) -> bool:
        """Whether others than this machine's (or pod's) processes can reach it."""
        if self.path or self.host == "localhost":
            return False
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return True


def parse_listen(listen: str) -> Target:
    """Read ``server.listen``: ``host:port``, ``[v6]:port`` or ``unix:///path``; raise StartError for anything else."""
    if listen.startswith(UNIX):
        path = listen.removeprefix(UNIX).removeprefix("//")
        if not path.startswith("/"):
            raise StartError(f"server.listen: {listen}: write unix:// and an absolute path")
        return Target(path=path)
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise StartError(f"server.listen: {listen}: write host:port or unix:///path")
    return Target(host=host.removeprefix("[").removesuffix("]"), port=int(port))


@contextmanager
def socket_file(path: str, mode: int) -> Generator[None, None, None]:
    """Bind a Unix socket inside: a stale file is removed before, and the new one has ``mode`` before anyone can connect.

    Both libraries replace whatever socket is there, even one that another process serves, and leave the mode to the
    umask (they do remove the file when they close). The umask belongs to the process: nothing else makes files during
    start-up. Raises StartError when the path is no socket, or when somebody listens on it.
    """
    _remove_stale(Path(path))
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
    Path(path).chmod(mode)


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartError(f"server.listen: {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise StartError(f"server.listen: {path} exists and is no socket; remove it or listen elsewhere")
    if _answers(path):
        raise StartError(f"server.listen: another process listens on {path}")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _answers(path: Path) -> bool:
    """Whether somebody listens on the socket. Only a refused connection says no: in doubt the file stays."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True
