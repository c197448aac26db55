"""Volumes as kubelet writes them: its atomic writer for ConfigMaps and Secrets, and a subPath mount.

The order of kubelet's atomic writer (``pkg/volume/util/atomic_writer.go``): the files into a new directory named after the time, a link
``..data_tmp`` to it, renamed over ``..data``, then the links ``NAME`` → ``..data/NAME`` that users see, then the old directory away.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

DATA, DATA_TMP = "..data", "..data_tmp"
CONFIG_MODE, SECRET_MODE = 0o644, 0o400


class Volume:
    """A mounted ConfigMap (or, with ``mode=SECRET_MODE``, a Secret) at ``path``, which is emptied first."""

    def __init__(self, path: Path, files: Mapping[str, str], *, mode: int = CONFIG_MODE) -> None:
        self.path = path
        self._mode = mode
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        self.swap(files)

    def swap(self, files: Mapping[str, str]) -> None:
        """Make these the volume's files, all at once, as a changed object in the API server would."""
        stamp = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime())
        fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=self.path))
        for name, text in files.items():
            (fresh / name).write_text(text)
            (fresh / name).chmod(self._mode)
        fresh.chmod(0o755)
        old = self.path / (self.path / DATA).readlink() if (self.path / DATA).is_symlink() else None
        (self.path / DATA_TMP).symlink_to(fresh.name)
        (self.path / DATA_TMP).rename(self.path / DATA)
        self._show(files)
        if old is not None:
            shutil.rmtree(old)

    def _show(self, files: Mapping[str, str]) -> None:
        """Link each file where users see it; take away the links of files that are gone."""
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"{DATA}/{name}")
        for entry in self.path.iterdir():
            if not entry.name.startswith("..") and entry.name not in files:
                entry.unlink()


class SubPath:
    """One file of a volume mounted at ``target`` with ``subPath``: kubelet binds the file of that moment, for the container's life."""

    def __init__(self, folder: Path, target: Path) -> None:
        """``folder`` holds the node's side of the mount; ``target`` (a file) is what the container sees."""
        self.source = folder / "kubelet" / "pods" / "1" / "volume-subpaths" / "config" / "sidecar" / "0"
        self.target = target
        self.source.parent.mkdir(parents=True)
        self.source.write_text(target.read_text())

    def command(self, command: Sequence[str]) -> list[str]:
        """``command`` in a mount namespace of its own with the bind mount; where that is not allowed, with the mount table alone."""
        allowed = ("unshare", "-rm", "mount", "--bind", str(self.source), str(self.target))
        if shutil.which("unshare") and subprocess.run(allowed, check=False, capture_output=True).returncode == 0:
            script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            return ["unshare", "-rm", "sh", "-c", script, "sh", str(self.source), str(self.target), *command]
        table = self.source.with_name("mountinfo")
        table.write_text(f"24 22 8:1 {self.source} {os.path.realpath(self.target)} ro - ext4 /dev/sda rw\n")
        return [sys.executable, "-m", "tests.fault.broken", f"mountinfo={table}", *command[command.index("serve") :]]
