"""The bytes of a configuration, all of one generation, and their revision. Reads no YAML.

A ConfigMap mount is a directory of links ``name → ..data/name`` where ``..data`` is itself a link that the
kubelet swaps (atomic writer). Following each file through ``..data`` on its own could mix two generations, so
``..data`` is resolved once, and again at the end.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sidecar.model.errors import ConfigError, Problem, Where

MAX_FILE = 8 * 1024 * 1024
MAX_KEY_FILE = 32 * 1024 * 1024
"""Of an API key file."""
MAX_TOTAL = 32 * 1024 * 1024
MAX_FILES = 500
TRIES = 5
SUFFIXES = (".yaml", ".yml")
REVISION_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFiles:
    """A configuration as read: ``path`` as the operator gave it, ``base`` the absolute directory of the files."""

    path: str
    base: str
    is_directory: bool
    files: tuple[tuple[str, bytes], ...]
    """(name as operators know it, content), sorted by name."""

    @property
    def revision(self) -> str:
        """Digest of the names (without directories) and contents."""
        digest = hashlib.sha256()
        for name, content in self.files:
            for part in (Path(name).name.encode(), content):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:REVISION_DIGITS]


def read_config(path: str) -> ConfigFiles:
    """Read a configuration file, or the ``*.yaml`` and ``*.yml`` files of a directory.

    Raises:
        ConfigError: it is missing, unreadable, too large, or holds no such file.

    """
    root = Path(path)
    if root.is_dir():
        return _read_directory(root)
    content = read_bounded(path)
    return ConfigFiles(path=path, base=str(root.absolute().parent), is_directory=False, files=((path, content),))


def config_paths(path: str) -> list[str]:
    """Return the configuration files that `read_config` would read: the file, or those of the directory, by name.

    Raises OSError when the directory cannot be listed.
    """
    root = Path(path)
    return [str(root / name) for name, _ in _listed(root)] if root.is_dir() else [path]


def read_bounded(path: str, limit: int = MAX_FILE, where: Where | None = None) -> bytes:
    """Return a regular file's content. Raises ConfigError, placed at ``where`` if given, else at the file itself."""
    place = where or Where(path, 0, "")
    named = f"file {path} " if place.key else ""
    try:
        # O_NONBLOCK: a pipe in the place of a file must not hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - pathlib opens no descriptors
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _fault(place, f"{named}is not a regular file")
            content = stream.read(limit + 1)
    except FileNotFoundError:
        raise _fault(place, f"{named}does not exist", "create it, or correct the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the path is not usable"
        raise _fault(place, f"{named}cannot be read: {reason}", "check its owner and mode") from None
    if len(content) > limit:
        raise _fault(place, f"{named}is larger than {limit // 1024} KiB")
    return content


def _fault(where: Where, message: str, hint: str = "") -> ConfigError:
    return ConfigError((Problem(where, message, hint),))


def _read_directory(root: Path) -> ConfigFiles:
    for _ in range(TRIES):
        before = _generation(root)
        try:
            files = _read_files(root)
        except ConfigError:
            if _generation(root) == before:
                raise
            continue
        except OSError:  # the directory went away between two looks
            continue
        if _generation(root) == before:
            return ConfigFiles(path=str(root), base=str(root.absolute()), is_directory=True, files=files)
    raise _fault(Where(str(root), 0, ""), "keeps changing while it is read", "try again when whatever writes it is done")


def _generation(root: Path) -> tuple[object, ...]:
    """Whatever changes when a file of the directory does: the target of ``..data``, names, inodes, times and sizes."""
    try:
        return ((root / "..data").resolve(), *((name, *_stamp(file)) for name, file in _listed(root)))
    except OSError as error:
        raise _fault(Where(str(root), 0, ""), f"cannot be read: {error.strerror}") from None


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _listed(root: Path) -> list[tuple[str, Path]]:
    """(name, where to open it) of each configuration file; links into ``..data`` through its one target."""
    data = root / "..data"
    generation = data.resolve() if data.is_symlink() else None
    names = {}
    for entry in root.iterdir():
        if entry.name.startswith(".") or entry.suffix not in SUFFIXES:
            continue
        target = str(entry.readlink()) if entry.is_symlink() else ""
        if generation is None or not target.startswith("..data/"):
            names[entry.name] = entry
    if generation is not None:
        names |= {entry.name: entry for entry in generation.iterdir() if not entry.name.startswith(".") and entry.suffix in SUFFIXES}
    return sorted((name, file) for name, file in names.items() if not file.is_dir())


def _read_files(root: Path) -> tuple[tuple[str, bytes], ...]:
    listed = _listed(root)
    if not listed:
        raise _fault(Where(str(root), 0, ""), "holds no *.yaml or *.yml file", "put the configuration there")
    if len(listed) > MAX_FILES:
        raise _fault(Where(str(root), 0, ""), f"holds more than {MAX_FILES} configuration files")
    files = tuple((str(root / name), read_bounded(str(file), MAX_FILE, Where(str(root / name), 0, ""))) for name, file in listed)
    if sum(len(content) for _, content in files) > MAX_TOTAL:
        raise _fault(Where(str(root), 0, ""), f"holds more than {MAX_TOTAL // 1024**2} MiB of configuration")
    return files
