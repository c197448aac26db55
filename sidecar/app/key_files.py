"""API key files from the command line: add, digest, list, revoke (``sidecar keys``).

An edit holds a lock, changes the text in one place, is read back by the same parser that ``serve`` uses, and
replaces the file in one step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.files import read_bounded
from sidecar.adapters.secrets import FileAndEnvSecrets
from sidecar.authn.api_key import digest_text, generate_key
from sidecar.authn.key_file import peppers_in_use
from sidecar.config.files import MAX_KEY_FILE
from sidecar.config.key_edit import NoSuchKey, append_entry, set_revoked
from sidecar.config.keyfile import parse_key_file
from sidecar.model.errors import ConfigError, SidecarError
from sidecar.model.key_entry import KeyEntry

from .private_files import locked_directory_of, replace
from .spans import rfc3339, seconds
from .validation import validate_sync

__all__ = [
    "KeyFile",
    "KeyFileError",
    "NoSuchKey",
    "add_key",
    "configured_key_file",
    "digest_of",
    "list_keys",
    "plain_key_file",
    "revoke_key",
]


class KeyFileError(SidecarError):
    """What was asked for cannot be done with this file; the text says why."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file and where its peppers are: id → (kind, value) of the reference. ``complete``: the ids are all there are."""

    path: str
    peppers: Mapping[str, tuple[str, str]]
    complete: bool


class NewKey(NamedTuple):
    """``key`` is shown once and kept nowhere; ``entry`` is what the file got."""

    key: str
    entry: Mapping[str, object]


class KeyRow(NamedTuple):
    """One key as ``keys list`` shows it."""

    id: str
    owner: str
    digest: str
    expires_at: str | None
    state: str


class KeyListing(NamedTuple):
    """``peppers``: id → live keys that still need it."""

    keys: tuple[KeyRow, ...]
    peppers: Mapping[str, int]


def plain_key_file(path: str, peppers: Mapping[str, tuple[str, str]]) -> KeyFile:
    """A key file by its path."""
    return KeyFile(path, peppers, complete=False)


def configured_key_file(config: str, store: str | None) -> KeyFile:
    """The key file of a store of a configuration. Raises ConfigError, KeyFileError."""
    stores = validate_sync(config).settings.api_keys
    if store is None and len(stores) == 1:
        store = next(iter(stores))
    if store is None or store not in stores:
        raise KeyFileError(f"say which store: --store {' | '.join(stores)}" if stores else f"{config} has no api_keys")
    chosen = stores[store]
    return KeyFile(chosen.path, {name: (ref.kind, ref.value) for name, ref in chosen.peppers.items()}, complete=True)


def digest_of(file: KeyFile, key: str, pepper_id: str | None) -> str:
    """The digest of a key as the file would hold it. Raises KeyFileError, SourceError."""
    if not key or key != key.strip():
        raise KeyFileError("give the key on standard input, without white space around it")
    chosen = _choose_pepper(file, pepper_id)
    pepper = FileAndEnvSecrets().read(*file.peppers[chosen]) if chosen is not None else None
    return digest_text(key, chosen, pepper)


def add_key(file: KeyFile, key_id: str, prefix: str, pepper_id: str | None, fields: Mapping[str, object]) -> NewKey:
    """Make a key and write its entry. Raises KeyFileError, ConfigError, EditError, SourceError, OSError."""
    try:
        key = generate_key(prefix)
    except ValueError as error:
        raise KeyFileError(str(error)) from None
    entry = {"id": key_id, "digest": digest_of(file, key, pepper_id), **fields}
    _edit(file, lambda text: append_entry(text, _plain(entry)), may_be_new=True)
    return NewKey(key, entry)


def revoke_key(file: KeyFile, key_id: str) -> None:
    """Revoke a key. Raises NoSuchKey, ConfigError, EditError, OSError."""
    _edit(file, lambda text: set_revoked(text, key_id), may_be_new=False)


def list_keys(file: KeyFile) -> KeyListing:
    """Read the file. Raises ConfigError, SourceError."""
    entries = _parse(file, read_bounded(file.path, MAX_KEY_FILE))
    now = SystemClock().now().wall
    uses = {**dict.fromkeys(file.peppers, 0), **peppers_in_use(entries, now)}
    return KeyListing(tuple(_row(entry, now) for entry in entries), dict(sorted(uses.items())))


def expiry(span: str) -> str:
    """The moment that lies ``span`` from now. Raises BadSpan."""
    return rfc3339(SystemClock().now().wall + seconds(span))


def _choose_pepper(file: KeyFile, pepper_id: str | None) -> str | None:
    if pepper_id is not None:
        if pepper_id not in file.peppers:
            raise KeyFileError(f"there is no pepper {pepper_id!r}; known: {', '.join(file.peppers) or 'none'}")
        return pepper_id
    if len(file.peppers) > 1:
        raise KeyFileError(f"say which pepper: --pepper-id {' | '.join(file.peppers)}")
    return next(iter(file.peppers), None)


def _edit(file: KeyFile, change: Callable[[str], str], *, may_be_new: bool) -> None:
    with locked_directory_of(file.path):
        old = _read(file.path, may_be_new=may_be_new)
        if old:
            _parse(file, old)
        new = change(old.decode()).encode()
        _parse(file, new)
        if new != old:
            replace(file.path, new)


def _read(path: str, *, may_be_new: bool) -> bytes:
    try:
        with open(path, "rb"):  # noqa: PTH123 - only to tell a missing file from an unreadable one
            return read_bounded(path, MAX_KEY_FILE)
    except FileNotFoundError:
        if may_be_new:
            return b""
        raise


def _parse(file: KeyFile, data: bytes) -> tuple[KeyEntry, ...]:
    entries, problems = parse_key_file(file.path, data, file.peppers.keys() if file.complete else _AnyName())
    if problems:
        raise ConfigError(problems)
    return entries


class _AnyName(frozenset[str]):
    """Stands for pepper ids that cannot be known from the file alone."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return True


def _row(entry: KeyEntry, now: float) -> KeyRow:
    state = "live"
    if entry.revoked:
        state = "revoked"
    elif entry.expires_at is not None and now >= entry.expires_at:
        state = "expired"
    elif entry.not_before is not None and now < entry.not_before:
        state = "not yet"
    digest = str(entry.digest).rpartition(":")[0]
    return KeyRow(entry.id, entry.owner or entry.id, digest, rfc3339(entry.expires_at) if entry.expires_at is not None else None, state)


def _plain(value: Any) -> Any:
    """Tuples as lists, for the text."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
