"""The SecretSource port."""

from pathlib import Path

import pytest

from sidecar.adapters.secrets import MAX_SECRET, FileAndEnvSecrets
from sidecar.model.errors import SourceError
from sidecar.ports import SecretSource

CANARY = "s3cr3t-canary"


@pytest.fixture
def source() -> SecretSource:
    return FileAndEnvSecrets()


@pytest.mark.parametrize(
    ("content", "secret"), [(b"a", b"a"), (b"a\n", b"a"), (b"a\n\n", b"a\n"), (b" a \r\n", b" a \r"), (b"\0\xff", b"\0\xff")]
)
def test_one_trailing_newline_of_a_file_is_dropped(source: SecretSource, tmp_path: Path, content: bytes, secret: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert source.read("file", str(path)).reveal() == secret


def test_what_is_read_does_not_show_itself(source: SecretSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Security rule 26."""
    monkeypatch.setenv("A_SECRET", CANARY)
    assert CANARY not in f"{source.read('env', 'A_SECRET')!r} {source.read('env', 'A_SECRET')}"


def test_environment(source: SecretSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "a\n")
    assert source.read("env", "A_SECRET").reveal() == b"a\n"


@pytest.mark.parametrize("content", [b"", b"\n", CANARY.encode() * MAX_SECRET])
def test_unusable_files(source: SecretSource, tmp_path: Path, content: bytes) -> None:
    """Security rule 22: the error names the reference, never the content."""
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=str(path)) as caught:
        source.read("file", str(path))
    assert CANARY not in str(caught.value)


def test_what_is_missing(source: SecretSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_SECRET", raising=False)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("LARGE", CANARY * MAX_SECRET)
    for kind, value, words in (
        ("file", str(tmp_path / "none"), "no such file"),
        ("file", str(tmp_path), "not a regular file"),
        ("env", "A_SECRET", "A_SECRET is not set"),
        ("env", "EMPTY", "EMPTY is empty"),
        ("env", "LARGE", "LARGE is larger"),
        ("text", CANARY, "use file or env"),
    ):
        with pytest.raises(SourceError, match=words) as caught:
            source.read(kind, value)
        assert CANARY not in str(caught.value)
