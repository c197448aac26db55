"""Bounded reads, and mounts that never change."""

import os
from pathlib import Path

import pytest

from sidecar.adapters.files import never_updated, read_bounded
from sidecar.model.errors import SourceError


def refusal(path: object, limit: int = 100) -> str:
    with pytest.raises(SourceError) as caught:
        read_bounded(str(path), limit)
    return str(caught.value)


def test_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    assert read_bounded(str(file), 100) == b"x" * 100


def test_one_byte_too_many(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"s" * 101)
    assert refusal(file) == f"{file}: larger than 100 bytes"


def test_what_is_no_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert refusal(fifo) == f"{fifo}: not a regular file"
    assert refusal(tmp_path) == f"{tmp_path}: not a regular file"
    assert refusal("/dev/zero") == "/dev/zero: not a regular file"
    assert refusal(tmp_path / "none") == f"{tmp_path / 'none'}: no such file"
    assert "not a directory" in refusal(fifo / "below")
    assert "not a valid path" in refusal("a\0b")


def test_a_file_whose_size_lies_is_still_bounded() -> None:
    """Files of /proc say that they are empty."""
    assert read_bounded("/proc/self/status", 100_000).startswith(b"Name:")
    assert "larger than 10 bytes" in refusal("/proc/self/status", 10)


MOUNTS = """\
22 27 0:21 / / rw,relatime - overlay overlay rw
23 22 8:1 /kubelet/pods/1/volumes/kubernetes.io~configmap/config {root}/volume rw - ext4 /dev/sda rw
24 22 8:1 /kubelet/pods/1/volume-subpaths/config/main/0 {root}/file.yaml ro - ext4 /dev/sda rw
25 22 8:1 /kubelet/pods/1/volume-subpaths/config/main/1 {root}/with\\040space ro - ext4 /dev/sda rw
"""


@pytest.fixture
def mountinfo(tmp_path: Path) -> str:
    (tmp_path / "volume").mkdir()
    (tmp_path / "with space").mkdir()
    for name in ("file.yaml", "volume/a.yaml", "with space/a.yaml"):
        (tmp_path / name).touch()
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS.format(root=os.path.realpath(tmp_path)))
    return str(path)


def test_subpath_mounts_are_noticed(tmp_path: Path, mountinfo: str) -> None:
    """Fault row 28."""
    assert "mount of its own" in (never_updated(str(tmp_path / "file.yaml"), mountinfo) or "")
    assert "lies in a subPath mount" in (never_updated(str(tmp_path / "with space" / "a.yaml"), mountinfo) or "")
    assert "lies in a subPath mount" in (never_updated(str(tmp_path / "with space"), mountinfo) or "")


def test_whole_volumes_are_fine(tmp_path: Path, mountinfo: str) -> None:
    assert never_updated(str(tmp_path / "volume"), mountinfo) is None
    assert never_updated(str(tmp_path / "volume" / "a.yaml"), mountinfo) is None
    assert never_updated(str(tmp_path / "none"), mountinfo) is None


def test_nothing_is_said_where_mounts_are_unknown(tmp_path: Path) -> None:
    assert never_updated(str(tmp_path), str(tmp_path / "none")) is None
    assert never_updated(str(tmp_path)) is None
