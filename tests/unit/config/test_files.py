"""Bytes of one generation, bounded."""

import os
from pathlib import Path

import pytest

from sidecar.config import files
from sidecar.config.files import MAX_FILE, config_paths, read_bounded, read_config
from sidecar.model.errors import ConfigError, Where


def mount(root: Path, generation: str, texts: dict[str, str]) -> None:
    """Write a generation of a ConfigMap as the kubelet does, and swap ``..data`` to it."""
    folder = root / f"..{generation}"
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    (root / "..data_tmp").symlink_to(folder.name)
    (root / "..data_tmp").rename(root / "..data")
    for name in texts:
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"..data/{name}")


def names(found: files.ConfigFiles) -> list[str]:
    return [Path(name).name for name, _ in found.files]


def test_one_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"version: 1")
    found = read_config(str(path))
    assert (found.files, found.base, found.is_directory) == (((str(path), b"version: 1"),), str(tmp_path), False)


def test_directory_takes_yaml_files_only(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json", ".d.yaml", "e.yaml~"):
        (tmp_path / name).write_text(name)
    (tmp_path / "f.yaml").mkdir()
    assert names(read_config(str(tmp_path))) == ["a.yml", "b.yaml"]
    assert config_paths(str(tmp_path)) == [str(tmp_path / "a.yml"), str(tmp_path / "b.yaml")]


def test_the_paths_are_those_that_are_read(tmp_path: Path) -> None:
    mount(tmp_path / "map", "1", {"a.yaml": "one", "b.yaml": "one"})
    (tmp_path / "map" / "old.yaml").write_text("of no generation")
    found = read_config(str(tmp_path / "map"))
    assert config_paths(str(tmp_path / "map")) == [name for name, _ in found.files]
    assert config_paths("gone.yaml") == ["gone.yaml"]


def test_config_map(tmp_path: Path) -> None:
    mount(tmp_path, "1", {"a.yaml": "one", "b.yaml": "one"})
    assert [content for _, content in read_config(str(tmp_path)).files] == [b"one", b"one"]
    mount(tmp_path, "2", {"a.yaml": "two", "c.yaml": "two"})
    found = read_config(str(tmp_path))
    assert (names(found), {content for _, content in found.files}) == (["a.yaml", "c.yaml"], {b"two"})
    assert found.files[0][0] == str(tmp_path / "a.yaml")


def test_generations_are_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The swap falls between the reading of two files."""
    mount(tmp_path, "1", {"a.yaml": "one", "b.yaml": "one"})
    real, reads = read_bounded, []

    def read_then_swap(path: str, limit: int, where: Where) -> bytes:
        content = real(path, limit, where)
        reads.append(path)
        if len(reads) == 1:
            mount(tmp_path, "2", {"a.yaml": "two", "b.yaml": "two"})
        return content

    monkeypatch.setattr(files, "read_bounded", read_then_swap)
    assert {content for _, content in read_config(str(tmp_path)).files} == {b"two"}
    assert len(reads) == 4


def test_a_file_removed_while_reading_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("a")
    (tmp_path / "b.yaml").write_text("b")
    real = read_bounded

    def read_then_remove(path: str, limit: int, where: Where) -> bytes:
        content = real(path, limit, where)
        (tmp_path / "b.yaml").unlink(missing_ok=True)
        return content

    monkeypatch.setattr(files, "read_bounded", read_then_remove)
    assert names(read_config(str(tmp_path))) == ["a.yaml"]


def test_a_directory_that_keeps_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("")
    real = read_bounded

    def read_then_write(path: str, limit: int, where: Where) -> bytes:
        (tmp_path / "a.yaml").write_text("x" * (len(real(path, limit, where)) + 1))
        return b""

    monkeypatch.setattr(files, "read_bounded", read_then_write)
    with pytest.raises(ConfigError, match="keeps changing while it is read"):
        read_config(str(tmp_path))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            read_config(str(path))
        return str(caught.value).replace(str(tmp_path), "DIR")

    assert message(tmp_path / "none.yaml") == "DIR/none.yaml: does not exist (create it, or correct the path)"
    assert message(tmp_path) == "DIR: holds no *.yaml or *.yml file (put the configuration there)"
    os.mkfifo(tmp_path / "pipe.yaml")
    assert message(tmp_path / "pipe.yaml") == "DIR/pipe.yaml: is not a regular file"
    assert message(tmp_path) == "DIR/pipe.yaml: is not a regular file"
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert "cannot be read: " in message(tmp_path / "loop.yaml")
    assert message(Path("nul\0.yaml")) == "nul\0.yaml: cannot be read: the path is not usable (check its owner and mode)"


def test_size_is_bounded(tmp_path: Path) -> None:
    """Security rules 25 and 30."""
    path = tmp_path / "s.yaml"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE + 1)
    with pytest.raises(ConfigError, match="is larger than 8192 KiB"):
        read_config(str(path))
    assert len(read_bounded(str(path), MAX_FILE + 1)) == MAX_FILE + 1


def test_total_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_TOTAL", 10)
    monkeypatch.setattr(files, "MAX_FILES", 3)
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_text("1234")
    with pytest.raises(ConfigError, match="more than 0 MiB of configuration"):
        read_config(str(tmp_path))
    (tmp_path / "d.yaml").write_text("")
    with pytest.raises(ConfigError, match="more than 3 configuration files"):
        read_config(str(tmp_path))


def test_revision_is_that_of_names_and_bytes(tmp_path: Path) -> None:
    def revision(texts: dict[str, str], folder: str) -> str:
        root = tmp_path / folder
        root.mkdir()
        for name, text in texts.items():
            (root / name).write_text(text)
        return read_config(str(root)).revision

    first = revision({"a.yaml": "1", "b.yaml": "2"}, "one")
    assert revision({"a.yaml": "1", "b.yaml": "2"}, "two") == first
    assert len(first) == 12
    others = [{"a.yaml": "1", "c.yaml": "2"}, {"a.yaml": "12", "b.yaml": ""}, {"a.yaml": "1"}]
    assert len({first, *(revision(texts, f"other{number}") for number, texts in enumerate(others))}) == 4
