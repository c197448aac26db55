"""The validator child and its parent: valid settings, problems, or a ConfigError that says what went wrong."""

import asyncio
import gc
import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.app import frames, validation
from sidecar.app.frames import END, HEADER, PART, PART_SIZE, PROBLEMS, SETTINGS, BadFrame, loads
from sidecar.app.validation import Validated, read_key_file, read_key_file_async, validate_async, validate_sync
from sidecar.model.errors import ConfigError
from tests.support.settings import BASE, load_files

DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """BASE as a file, with 60 keys and more routes, roles and users than fit one part."""
    keys = "".join(f'- {{id: k{number}, digest: "sha256:{number:064x}"}}\n' for number in range(60))
    (tmp_path / "keys.yaml").write_text(f"keys:\n{keys}")
    route = {"authenticate": ["corp"], "require": {"authenticated": True}}
    document = {
        **BASE,
        "api_keys": {"partners": {"store": {"file": "keys.yaml"}}},
        "routes": {**BASE["routes"], **{f"r{number}": {"paths": [f"/r/{number}"], **route} for number in range(2 * PART_SIZE)}},
        "users": {f"u{number}": {"roles": ["viewer"]} for number in range(PART_SIZE + 1)},
    }
    path = tmp_path / "s.yaml"
    path.write_text(json.dumps(document))
    return path


def both(path: Path) -> list[Validated]:
    return [validate_sync(str(path)), asyncio.run(validate_async(str(path)))]


def test_what_the_child_says_is_what_was_loaded(config: Path) -> None:
    direct = load_files({str(config): config.read_text()}, str(config.parent), with_files=True)
    for found in both(config):
        assert found.settings == direct.settings
        assert found.warnings == direct.warnings
        assert found.key_entries == direct.key_entries
        assert list(found.settings.routes) == list(direct.settings.routes)
        assert len(found.revision) == 12


def test_problems_come_through(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("version: 1\nserver: {lisen: x}\n")
    for run in (lambda: validate_sync(str(path)), lambda: asyncio.run(validate_async(str(path)))):
        with pytest.raises(ConfigError) as caught:
            run()
        assert str(caught.value) == f"{path}:2: server.lisen: unknown key 'lisen' (did you mean 'listen'?)"


def test_key_file_alone(config: Path) -> None:
    store = validate_sync(str(config)).settings.api_keys["partners"]
    assert [entry.id for entry in read_key_file(store)] == [f"k{number}" for number in range(60)]
    assert asyncio.run(read_key_file_async(store)) == read_key_file(store)
    (config.parent / "keys.yaml").write_text("keys: [{id: a}]")
    with pytest.raises(ConfigError, match=r"keys\.yaml:1: keys\[0\]\.digest: is missing"):
        read_key_file(store)
    (config.parent / "keys.yaml").unlink()
    with pytest.raises(ConfigError, match=r"keys\.yaml: does not exist"):
        asyncio.run(read_key_file_async(store))


def test_without_files(config: Path) -> None:
    (config.parent / "keys.yaml").unlink()
    assert validate_sync(str(config), with_files=False).key_entries == {"partners": ()}
    with pytest.raises(ConfigError, match=r"keys\.yaml does not exist"):
        validate_sync(str(config))


def test_the_child_has_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Security rule 22: variables are checked by name; their values stay in the parent."""
    monkeypatch.setenv("PEPPER_CANARY", "correct-horse")
    monkeypatch.setenv("EMPTY_CANARY", "")
    assert "correct-horse" not in validation._environment().values()
    (tmp_path / "keys.yaml").write_text("keys: []")
    path = tmp_path / "s.yaml"
    path.write_text('version: 1\napi_keys: {k: {store: {file: keys.yaml}, peppers: {"1": {env: PEPPER_CANARY}}}}\n')
    assert validate_sync(str(path)).settings.api_keys["k"].peppers["1"].value == "PEPPER_CANARY"
    path.write_text(path.read_text().replace("PEPPER", "EMPTY"))
    with pytest.raises(ConfigError, match="environment variable EMPTY_CANARY is not set"):
        validate_sync(str(path))


CRASHES = {
    "exit": ("raise SystemExit(3)", "the validator ended with code 3 before it was done"),
    "silent": ("pass", "the validator ended with code 0 before it was done"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "the validator was killed by signal 9 before it was done"),
    "garbage": ("print('hello, this is no frame at all')", "the validator answered with nonsense"),
    "secret": ("import sys; sys.stderr.write('correct-horse\\n'); sys.exit(1)", "ended with code 1 before it was done"),
    "place": ("import sys; sys.stderr.write('KeyError at load.py:7\\n'); sys.exit(1)", "ended with code 1 (KeyError at load.py:7) before"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_child_that_fails(name: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, message = CRASHES[name]
    monkeypatch.setattr(validation, "_command", lambda: [sys.executable, "-c", code])
    for run in (lambda: validate_sync(str(config)), lambda: asyncio.run(validate_async(str(config)))):
        with pytest.raises(ConfigError) as caught:
            run()
        assert str(caught.value).startswith(f"{config}: could not be validated: ")
        assert message in str(caught.value)
        assert "horse" not in str(caught.value)


def test_a_child_that_hangs(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_command", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(validation, "TIMEOUT", 0.3)
    for run in (lambda: validate_sync(str(config)), lambda: asyncio.run(validate_async(str(config)))):
        with pytest.raises(ConfigError, match="the validator took longer than 0 s"):
            run()


def test_a_child_that_cannot_start(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_command", lambda: ["/nowhere/python"])
    for run in (lambda: validate_sync(str(config)), lambda: asyncio.run(validate_async(str(config)))):
        with pytest.raises(ConfigError, match="the validator could not be started: No such file"):
            run()


def test_an_answer_that_is_too_large(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Security rule 30."""
    monkeypatch.setattr(frames, "MAX_TOTAL", 1000)
    for run in (lambda: validate_sync(str(config)), lambda: asyncio.run(validate_async(str(config)))):
        with pytest.raises(ConfigError, match="the answer is too large"):
            run()


def test_cancelled_validation_leaves_no_child(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    monkeypatch.setattr(validation, "_command", lambda: [sys.executable, "-c", code])

    async def cancel() -> int:
        task = asyncio.create_task(validate_async(str(config)))
        pid = int(await asyncio.to_thread((tmp_path / "pid").read_text))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid

    pid = asyncio.run(cancel())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_the_child_cannot_foresee(tmp_path: Path) -> None:
    """Security rule 22: a place in the code, never an exception's text."""
    request = pickle.dumps(
        ("config", "s.yaml", "/", False, (("s.yaml", "text, not bytes: correct-horse"),), False, frozenset(), frozenset(), False)
    )
    done = subprocess.run(
        [sys.executable, "-m", "sidecar.app.validator"],
        input=len(request).to_bytes(8, "big") + request,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("AttributeError at validator.py:")
    assert b"horse" not in done.stderr + done.stdout


def test_collection_is_as_before(config: Path) -> None:
    assert gc.isenabled()
    asyncio.run(validate_async(str(config)))
    assert gc.isenabled()


def test_yaml_and_pydantic_stay_in_the_child(config: Path) -> None:
    code = f"""
import asyncio, sys
from sidecar.app.validation import validate_async, validate_sync
validate_sync({str(config)!r})
asyncio.run(validate_async({str(config)!r}))
print([name for name in sys.modules if name.partition(".")[0] in {{"yaml", "pydantic", "pydantic_core"}}])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def load_own(value: object) -> Any:
    payload = pickle.dumps(value)
    return loads(payload, zlib.crc32(payload))


def test_a_frame_names_model_types_only() -> None:
    with pytest.raises(BadFrame, match=r"a frame names posix\.system"):
        load_own(Evil())
    with pytest.raises(BadFrame, match=r"a frame names subprocess\.Popen"):
        load_own(subprocess.Popen)
    assert load_own(frozenset({1})) == {1}


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1))
def test_what_is_no_frame_is_never_unpickled(payload: bytes, checksum: int) -> None:
    assume(zlib.crc32(payload) != checksum)
    with pytest.raises(BadFrame, match="a frame is damaged"):
        loads(payload, checksum)


@given(st.binary(max_size=40), st.sampled_from([SETTINGS, PART, PROBLEMS, END, b"?"]), st.integers(0, 50))
def test_frames_that_are_damaged_or_cut_short_are_refused(payload: bytes, kind: bytes, length: int) -> None:
    async def load() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(HEADER.pack(kind, length, zlib.crc32(payload) ^ 1) + payload)
        stream.feed_eof()
        await validation._load_frames(stream, validation._Answer("x"), paced=False)

    with pytest.raises((BadFrame, asyncio.IncompleteReadError)):
        asyncio.run(load())


def test_parts_load_in_slices(tmp_path: Path) -> None:
    """No part holds more than PART_SIZE values, whatever the configuration."""
    routes = "".join(f"  r{n}: {{paths: [/r{n}], authenticate: [anonymous]}}\n" for n in range(3 * PART_SIZE + 1))
    (tmp_path / "s.yaml").write_text(f"version: 1\nroutes:\n{routes}")
    sizes: list[int] = []
    real = validation._Answer._take_part

    def counted(self: Any, name: str, values: tuple[Any, ...]) -> None:
        sizes.append(len(values) if name == "routes" else 0)
        real(self, name, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation._Answer, "_take_part", counted)
        assert len(asyncio.run(validate_async(str(tmp_path / "s.yaml"))).settings.routes) == 3 * PART_SIZE + 1
    assert max(sizes) <= PART_SIZE
    assert sum(sizes) == 3 * PART_SIZE + 1
