"""Writing files that others must not read, and replacing files that others are reading."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600


def write_new(path: str, content: bytes) -> None:
    """Write a new file with mode 0600. Raises FileExistsError: what is there already stays."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(fd, "wb") as file:
        file.write(content)


def replace(path: str, content: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old content or the new. Mode and owner stay; a new file gets 0600.

    A symbolic link keeps pointing where it did: what it leads to is replaced. Raises OSError.
    """
    target = Path(path).resolve()
    fd, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            _keep_owner_and_mode(file.fileno(), target)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _keep_owner_and_mode(fd: int, target: Path) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))


@contextmanager
def locked_directory_of(path: str) -> Iterator[None]:
    """Hold the lock of the file's directory: two commands that edit the same file take turns. Leaves no lock file behind."""
    fd = os.open(Path(path).resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
