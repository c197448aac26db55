"""Reading files with a bound, and finding out that they may be files that never change."""

import os
import stat
from pathlib import Path

from sidecar.model.errors import SourceError

MOUNTINFO = "/proc/self/mountinfo"
_WORDS = {
    FileNotFoundError: "no such file",
    PermissionError: "permission denied",
    NotADirectoryError: "a part of its path is not a directory",
}


def read_bounded(path: str, max_bytes: int) -> bytes:
    """Return the content of a regular file of at most ``max_bytes`` bytes.

    Never waits: a FIFO or device is refused unread. The size is checked on what was read, since a file can grow
    after it was measured.

    Raises:
        SourceError: naming the path, never the content.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SourceError(f"{path}: not a regular file")
            content = _read_up_to(fd, max_bytes + 1)
        finally:
            os.close(fd)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: {error_words(error)}") from error
    if len(content) > max_bytes:
        raise SourceError(f"{path}: larger than {max_bytes} bytes")
    return content


def _read_up_to(fd: int, limit: int) -> bytes:
    """Read until the end of the file, at most ``limit`` bytes."""
    chunks = []
    while limit > 0 and (chunk := os.read(fd, min(limit, 1 << 20))):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)


def error_words(error: OSError | ValueError) -> str:
    """Say what went wrong with a path in plain words."""
    if isinstance(error, ValueError):
        return "not a valid path"
    return _WORDS.get(type(error)) or (error.strerror or type(error).__name__).lower()


def never_updated(path: str, mountinfo: str = MOUNTINFO) -> str | None:
    """Say why changes to ``path`` will not be seen, or return None.

    A Kubernetes ``subPath`` mount, like every bind mount of a single file, keeps showing the file that was there
    when the container started. Best effort: where there is no mountinfo, nothing is said.
    """
    try:
        lines = Path(mountinfo).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    mounts = dict(_mount(line) for line in lines if line)
    for spelling in {os.path.abspath(path), os.path.realpath(path)}:  # noqa: PTH100 - symlinks are kept on purpose
        if spelling in mounts and Path(spelling).is_file():
            return f"{path} is a mount of its own (subPath, or one file bind-mounted): changes to it need a restart; mount its directory"
        parent = _mount_of(spelling, mounts)
        if "/volume-subpaths/" in mounts.get(parent, ""):
            return f"{path} lies in a subPath mount: Kubernetes never updates it; mount the whole volume"
    return None


def _mount(line: str) -> tuple[str, str]:
    """Return mount point and root of one line: ``id parent major:minor root mount-point options …``."""
    root, point = [*line.split(" "), "", "", "", "", ""][3:5]
    return _unescape(point), _unescape(root)


def _mount_of(path: str, mounts: dict[str, str]) -> str:
    """Return the mount point that holds ``path``."""
    while path not in mounts and path != "/":
        path = os.path.dirname(path)  # noqa: PTH120 - text only
    return path


def _unescape(field: str) -> str:
    r"""Undo the octal escapes of mountinfo (``\040`` is a space, proc(5))."""
    if "\\" not in field:
        return field
    head, *rest = field.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)
