"""Files that others must not read, and files that others are reading."""

import stat
import threading
from pathlib import Path

import pytest

from sidecar.app.private_files import locked_directory_of, replace, write_new


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    write_new(str(path), b"first")
    assert mode(path) == 0o600
    with pytest.raises(FileExistsError):
        write_new(str(path), b"second")
    assert path.read_bytes() == b"first"


def test_replacing_keeps_the_mode_and_is_a_new_inode(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_bytes(b"old")
    path.chmod(0o644)
    before = path.stat().st_ino
    with path.open("rb") as reader:
        replace(str(path), b"new")
        assert reader.read() == b"old", "who reads sees the old content whole"
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o644
    assert path.stat().st_ino != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.yaml"]


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    target, link = tmp_path / "real.yaml", tmp_path / "keys.yaml"
    target.write_bytes(b"old")
    link.symlink_to("real.yaml")
    replace(str(link), b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_failed_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match="directory"):
        replace(str(path), b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.yaml"]


def test_two_editors_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")

    def add_one() -> None:
        for _ in range(25):
            with locked_directory_of(str(path)):
                replace(str(path), str(int(path.read_text()) + 1).encode())

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "100"
