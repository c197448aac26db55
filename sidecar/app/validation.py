"""Configuration files to validated settings, by way of the validator child.

The parent reads the bytes, so that revision and content are the same thing, and loads the answer in slices, so
that a serving front beside it is never stalled (a full load of 10,000 routes holds the GIL for 40 ms).
"""

import asyncio
import gc
import os
import pickle
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import sidecar
from sidecar.config.files import MAX_KEY_FILE, ConfigFiles, read_bounded, read_config
from sidecar.config.tables import MAX_TABLE
from sidecar.model.errors import ConfigError, Problem, Where
from sidecar.model.key_entry import KeyEntry
from sidecar.model.principal import JsonValue
from sidecar.model.settings import AttributeSettings, FileAttribute, KeyStoreSettings, PolicySettings, RoleSettings, RouteSettings, Settings
from sidecar.model.steps import PAUSE

from . import frames
from .frames import END, HEADER, LENGTH, PART, PROBLEMS, PROTOCOL, SETTINGS, BadFrame, Request, loads

TIMEOUT = 60.0
"""Seconds for the child in all."""

TableEntries: TypeAlias = tuple[tuple[str, JsonValue], ...]

_PASSED = frozenset({"PATH", "LANG", "TZ", "HOME", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"})
_PLACE = re.compile(r"[A-Za-z_]{1,60}(?: at [a-z_]{1,60}\.py:[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Validated:
    """A valid configuration. ``key_entries``: of each key store, its file's entries; ``tables``: of each attribute source, the same."""

    settings: Settings
    revision: str
    warnings: tuple[Problem, ...]
    key_entries: Mapping[str, tuple[KeyEntry, ...]]
    tables: Mapping[str, TableEntries] = field(default_factory=dict)


def validate_sync(path: str, *, with_files: bool = True) -> Validated:
    """Validate a configuration file or directory; for start and command line.

    Args:
        path: as the operator gave it; messages name files by it.
        with_files: look at the files that it names, too (False: it is meant for another machine).

    Raises:
        ConfigError: it is not valid, or could not be validated.

    """
    files, revision = _read(path)
    answer = asyncio.run(_run(_config_request(files, with_files=with_files, background=False), path))
    return answer.validated(revision)


async def validate_async(path: str) -> Validated:
    """Do the same beside a serving front. Raises ConfigError."""
    files, revision = await asyncio.to_thread(_read, path)
    answer = await _run(_config_request(files, with_files=True, background=True), path)
    return answer.validated(revision)


def read_key_file(store: KeyStoreSettings) -> tuple[KeyEntry, ...]:
    """Read a store's key file alone. Raises ConfigError."""
    return asyncio.run(_run(_key_request(store, background=False), store.path)).keys(store.name)


async def read_key_file_async(store: KeyStoreSettings) -> tuple[KeyEntry, ...]:
    """Do the same beside a serving front. Raises ConfigError."""
    request = await asyncio.to_thread(_key_request, store, background=True)
    return (await _run(request, store.path)).keys(store.name)


async def read_table_async(source: AttributeSettings) -> TableEntries:
    """Read the file of an attribute source alone, beside a serving front. Raises ConfigError."""
    request = await asyncio.to_thread(_table_request, source)
    return (await _run(request, request.files[0][0])).table(source.name)


def _read(path: str) -> tuple[ConfigFiles, str]:
    files = read_config(path)
    return files, files.revision


def _config_request(files: ConfigFiles, *, with_files: bool, background: bool) -> Request:
    return Request(
        kind="config",
        path=files.path,
        base=files.base,
        is_directory=files.is_directory,
        files=files.files,
        with_files=with_files,
        environment=frozenset(name for name, value in os.environ.items() if value),
        peppers=frozenset(),
        background=background,
    )


def _key_request(store: KeyStoreSettings, *, background: bool) -> Request:
    return Request(
        kind="key_file",
        path=store.name,
        base="",
        is_directory=False,
        files=((store.path, read_bounded(store.path, MAX_KEY_FILE)),),
        with_files=True,
        environment=frozenset(),
        peppers=frozenset(store.peppers),
        background=background,
    )


def _table_request(source: AttributeSettings) -> Request:
    assert isinstance(source.source, FileAttribute)
    path = source.source.path
    return Request(
        kind="table",
        path=source.name,
        base="",
        is_directory=False,
        files=((path, read_bounded(path, MAX_TABLE)),),
        with_files=True,
        environment=frozenset(),
        peppers=frozenset(),
        background=True,
        form=source.source.format,
    )


class _Answer:
    """What the child said so far."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.settings: Settings | None = None
        self.parts: dict[str, list[Any]] = {}
        self.roles: dict[str, RoleSettings] = {}
        self.routes: dict[str, RouteSettings] = {}
        self.policies: dict[str, PolicySettings] = {}
        self.ended = False

    def take(self, kind: bytes, payload: bytes, checksum: int) -> None:
        """Load one frame. Raises ConfigError with the problems the child found, BadFrame on nonsense."""
        value = loads(payload, checksum)
        if kind == PROBLEMS and isinstance(value, tuple) and value:
            raise ConfigError(value)
        if kind == SETTINGS and isinstance(value, Settings):
            self.settings = value
        elif kind == PART:
            self._take_part(*value)
        elif kind == END:
            self.ended = True
        else:
            raise BadFrame("a frame of unknown kind")

    def _take_part(self, name: str, values: tuple[Any, ...]) -> None:
        if name == "roles":
            self.roles.update((role.name, role) for role in values)
        elif name == "routes":
            self.routes.update((route.name, route) for route in values)
        elif name == "policies":
            self.policies.update((policy.name, policy) for policy in values)
        else:
            self.parts.setdefault(name, []).extend(values)

    def validated(self, revision: str) -> Validated:
        """Put the parts together."""
        if self.settings is None:
            raise _failed(self.path, "the validator gave no settings")
        settings = replace(
            self.settings, roles=self.roles, users=tuple(self.parts.get("users", ())), routes=self.routes, policies=self.policies
        )
        keys = {name: self.keys(name) for name in settings.api_keys}
        tables = {name: self.table(name) for name, one in settings.attributes.items() if isinstance(one.source, FileAttribute)}
        return Validated(settings, revision, tuple(self.parts.get("warnings", ())), keys, tables)

    def keys(self, store: str) -> tuple[KeyEntry, ...]:
        """Return the entries of one key store."""
        return tuple(self.parts.get(f"keys:{store}", ()))

    def table(self, source: str) -> TableEntries:
        """Return the entries of one attribute source's file."""
        return tuple(self.parts.get(f"table:{source}", ()))


async def _run(request: Request, path: str) -> _Answer:
    answer = _Answer(path)
    pipe = asyncio.subprocess.PIPE
    try:
        async with asyncio.timeout(TIMEOUT):
            child = await asyncio.create_subprocess_exec(*_command(), stdin=pipe, stdout=pipe, stderr=pipe, env=_environment())
            try:
                code, errors = await _talk(child, _encoded(request), answer, paced=request.background)
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
    except TimeoutError:
        raise _failed(path, f"the validator took longer than {TIMEOUT:.0f} s") from None
    except (BadFrame, ValueError) as error:
        raise _failed(path, f"the validator answered with nonsense: {error}") from None
    except OSError as error:
        raise _failed(path, f"the validator could not be started: {error.strerror}") from None
    _check_end(answer, code, errors)
    return answer


async def _talk(child: asyncio.subprocess.Process, request: bytes, answer: _Answer, *, paced: bool) -> tuple[int, bytes]:
    """Send the request and load the answer frame by frame; return exit code and stderr."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        child.stdin.write(request)
        await child.stdin.drain()
        child.stdin.close()
        await _load(child.stdout, answer, paced=paced)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # it died: the exit code says more
    errors = await child.stderr.read(4096)
    return await child.wait(), errors


async def _load(stream: asyncio.StreamReader, answer: _Answer, *, paced: bool) -> None:
    # A collection over everything loaded so far would stall a serving front for tens of milliseconds.
    collecting = gc.isenabled()
    gc.disable()
    try:
        await _load_frames(stream, answer, paced=paced)
    finally:
        if collecting:
            gc.enable()


async def _load_frames(stream: asyncio.StreamReader, answer: _Answer, *, paced: bool) -> None:
    total = 0
    while not answer.ended:
        kind, length, checksum = HEADER.unpack(await stream.readexactly(HEADER.size))
        total += length
        if total > frames.MAX_TOTAL:
            raise BadFrame("the answer is too large")
        answer.take(kind, await stream.readexactly(length), checksum)
        if paced:
            await asyncio.sleep(PAUSE)


def _command() -> list[str]:
    # -P: the working directory is no place to import from; it may belong to someone else.
    return [sys.executable, "-P", "-m", "sidecar.app.validator"]


def _environment() -> dict[str, str]:
    """Return what Python needs to start, and where this package lies; secrets in variables stay here."""
    needed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(("PYTHON", "LC_"))}
    root = str(Path(sidecar.__file__).parent.parent)
    rest = needed.get("PYTHONPATH")
    needed["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # whatever else is installed has no part in this
    return {**needed, "PYTHONPATH": f"{root}{os.pathsep}{rest}" if rest else root}


def _encoded(request: Request) -> bytes:
    payload = pickle.dumps(request, PROTOCOL)
    return LENGTH.pack(len(payload)) + payload


def _check_end(answer: _Answer, code: int, errors: bytes) -> None:
    if code == 0 and answer.ended:
        return
    said = errors.decode("ascii", "replace").strip().splitlines()[-1:]
    place = f" ({said[0]})" if said and _PLACE.fullmatch(said[0]) else ""
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    raise _failed(answer.path, f"the validator {how}{place} before it was done")


def _failed(path: str, message: str) -> ConfigError:
    return ConfigError((Problem(Where(path, 0, ""), f"could not be validated: {message}"),))
