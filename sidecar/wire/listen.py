"""The check listener's place as the gRPC libraries take it, and the care that a socket file needs."""

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sidecar.model.addresses import Listen

from .front import StartError

_log = logging.getLogger(__name__)


def bindable(listen: Listen) -> str:
    """Return it as both gRPC libraries take it."""
    if listen.path:
        return f"unix:{listen.path}"
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"


def bound(listen: Listen, port: int) -> str:
    """Return what an operator would write, with the port that was bound in place of 0."""
    return f"unix://{listen.path}" if listen.path else bindable(listen._replace(port=port))


def change_mode(listen: Listen, mode: int) -> None:
    """Give a socket's file another mode; log it when that cannot be done (the file may be gone)."""
    if listen.path:
        try:
            Path(listen.path).chmod(mode)
        except OSError as error:
            _log.warning("server.socket_mode: %s: %s", listen.path, error.strerror)


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
