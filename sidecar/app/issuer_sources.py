"""The live key table of each issuer, and what fills it: configuration, a file, a shared secret, or the network.

A table outlives reloads while the issuer's key source stays the same, so that its keys carry over; another source
gets a new table, and the issuer's tokens are 503 until its keys are there.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.authn.issuer import is_fetched
from sidecar.authn.key_source import read_keys
from sidecar.authn.keyset import MAX_DOCUMENT, KeySet, symmetric_keyset
from sidecar.authn.keytable import ALWAYS, KeyTable, take
from sidecar.model.ask import RefreshKeys, RefreshResult
from sidecar.model.errors import ConfigError, Problem, SourceError, Where
from sidecar.model.secret import Secret
from sidecar.model.settings import DiscoveredKeys, FileKeys, InlineKeys, IssuerSettings, SharedSecretKeys, UrlKeys
from sidecar.model.steps import to_end
from sidecar.ports import SecretSource

from .readiness import SourceState
from .supervise import Supervisor

log = logging.getLogger(__name__)

PREFIX = "issuer:"
"""Before an issuer's name, in the names of watched groups and of background tasks."""


class Refresher(Protocol):
    """What keeps a table filled from the network (``authn.jwks.KeyRefresher``)."""

    @property
    def results(self) -> Mapping[str, int]:
        """Refreshes by result."""

    async def run(self) -> None:
        """Fetch now and then, forever."""

    async def refresh(self, ask: RefreshKeys) -> RefreshResult:
        """Fetch because of a token, if the budget allows."""


@dataclass(frozen=True, slots=True)
class IssuerSource:
    """One issuer as it runs. ``refresher`` is None where nothing is fetched."""

    settings: IssuerSettings
    table: KeyTable
    refresher: Refresher | None


@dataclass(frozen=True, slots=True)
class PreparedIssuers:
    """Issuers of a new configuration, loaded and not yet live."""

    sources: Mapping[str, IssuerSource]
    loaded: Mapping[str, KeySet]
    """Key sets to put into the tables, of those sources that are read here and not fetched."""
    failed: frozenset[str]
    """Issuers whose keys could not be read, and carry over; to be read again."""

    @property
    def tables(self) -> Mapping[str, KeyTable]:
        """By issuer name, for the compiler."""
        return {name: source.table for name, source in self.sources.items()}


class IssuerSources:
    """All issuers. Used on the event loop."""

    def __init__(
        self,
        secrets: SecretSource,
        read_file: Callable[[str, int], bytes],
        refresher: Callable[[IssuerSettings, KeyTable], Refresher],
        supervisor: Supervisor,
    ) -> None:
        """``read_file(path, max_bytes)`` raises SourceError; ``refresher`` makes one for an issuer whose keys are fetched."""
        self._secrets = secrets
        self._read_file = read_file
        self._make_refresher = refresher
        self._supervisor = supervisor
        self.live: Mapping[str, IssuerSource] = {}

    def prepare(self, issuers: Mapping[str, IssuerSettings]) -> PreparedIssuers:
        """Load what is read here and decide which tables carry over. Changes nothing; raises ConfigError."""
        sources: dict[str, IssuerSource] = {}
        loaded: dict[str, KeySet] = {}
        failed: set[str] = set()
        problems: list[Problem] = []
        for name, settings in issuers.items():
            old = self.live.get(name)
            carried = old if old is not None and source_of(old.settings) == source_of(settings) else None
            sources[name] = self._source(settings, carried)
            if is_fetched(settings.keys):
                continue
            try:
                loaded[name] = load_keys(settings, self._secrets, self._read_file)
            except SourceError as error:
                # Keys that are already in use outlive a bad moment of their file: the reload goes on without it.
                if carried is None or carried.table.current is None:
                    problems.append(Problem(where_of(settings), str(error)))
                else:
                    failed.add(name)
                    self._complain(name, carried.table, error)
        if problems:
            raise ConfigError(tuple(problems))
        return PreparedIssuers(sources, loaded, frozenset(failed))

    def _source(self, settings: IssuerSettings, carried: IssuerSource | None) -> IssuerSource:
        table = carried.table if carried is not None else KeyTable()
        if not is_fetched(settings.keys):
            return IssuerSource(settings, table, None)
        if carried is not None and refresh_of(carried.settings) == refresh_of(settings):
            return IssuerSource(settings, table, carried.refresher)
        return IssuerSource(settings, table, self._make_refresher(settings, table))

    async def commit(self, prepared: PreparedIssuers) -> None:
        """Make the prepared issuers the live ones: fill tables, stop and start background refreshing."""
        for name, keys in prepared.loaded.items():
            take(prepared.sources[name].table, name, keys, ALWAYS)
        old, self.live = self.live, prepared.sources
        for name, source in old.items():
            kept = self.live.get(name)
            if source.refresher is not None and (kept is None or kept.refresher is not source.refresher):
                await self._supervisor.stop(PREFIX + name)
        for name, source in self.live.items():
            before = old.get(name)
            if source.refresher is not None and (before is None or before.refresher is not source.refresher):
                self._supervisor.start(PREFIX + name, source.refresher.run)

    def reread(self, names: Iterable[str]) -> list[str]:
        """Renew the tables of issuers whose files changed; a failure keeps the last good keys, loudly. Return where it failed."""
        failed = []
        for name in names:
            source = self.live.get(name)
            if source is None or source.refresher is not None:
                continue  # fetched ones read their CA file at each fetch
            try:
                keys = load_keys(source.settings, self._secrets, self._read_file)
            except SourceError as error:
                failed.append(name)
                self._complain(name, source.table, error)
            else:
                take(source.table, name, keys, ALWAYS)
        return failed

    async def refresh(self, ask: RefreshKeys) -> RefreshResult:
        """Answer a token that no key fits. What is read here is complete: what it lacks does not exist."""
        source = self.live.get(ask.issuer)
        if source is None:
            return RefreshResult.UNAVAILABLE
        if source.refresher is None:
            return RefreshResult.FRESH if source.table.current is not None else RefreshResult.UNAVAILABLE
        return await source.refresher.refresh(ask)

    def states(self) -> Iterable[SourceState]:
        """For readiness."""
        for name, source in self.live.items():
            table = source.table
            yield SourceState(name, table.tried, table.current is not None, source.settings.refresh.required_for_ready)

    def _complain(self, name: str, table: KeyTable, error: SourceError) -> None:
        if table.last_error != str(error):
            log.error("keys not reread, the last good ones stay: %s", error, extra={"issuer": name})
        table.failed(str(error))


def load_keys(settings: IssuerSettings, secrets: SecretSource, read_file: Callable[[str, int], bytes]) -> KeySet:
    """Read keys that need no network. Raises SourceError naming the file."""
    match settings.keys:
        case InlineKeys(document=document):
            name, content = "inline keys", document.encode()
        case FileKeys(path=path):
            name, content = path, read_file(path, MAX_DOCUMENT)
        case SharedSecretKeys(secret=secret):
            return _of_secret(secrets.read(secret.kind, secret.value), settings)
        case UrlKeys() | DiscoveredKeys():
            raise AssertionError("fetched keys are not loaded here")
    try:
        return to_end(read_keys(settings, content))
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from None


def _of_secret(secret: Secret, settings: IssuerSettings) -> KeySet:
    try:
        return symmetric_keyset(secret, settings.algorithms)
    except SourceError as error:
        raise SourceError(f"shared secret: {error}") from None


def source_of(settings: IssuerSettings) -> tuple[object, ...]:
    """What a table's content depends on: while it stays the same the keys carry over. Places in files don't count."""
    match settings.keys:
        case InlineKeys(document=document):
            return ("inline", document)
        case FileKeys(path=path):
            return ("file", path)
        case UrlKeys(url=url, unsafe_http=unsafe_http):
            return ("url", url, unsafe_http)
        case DiscoveredKeys(unsafe_http=unsafe_http):
            return ("discovery", settings.issuer, unsafe_http)
        case SharedSecretKeys(secret=secret):
            return ("secret", secret.kind, secret.value, settings.algorithms)


def refresh_of(settings: IssuerSettings) -> tuple[object, ...]:
    """What a refresher's work depends on, beside the source."""
    return (settings.refresh, settings.algorithms)


def where_of(settings: IssuerSettings) -> Where:
    """The place to name when the keys cannot be loaded."""
    match settings.keys:
        case SharedSecretKeys(secret=secret):
            return secret.where
        case InlineKeys():
            return settings.where
        case FileKeys(where=where) | UrlKeys(where=where) | DiscoveredKeys(where=where):
            return where


def files_of(settings: IssuerSettings) -> tuple[str, ...]:
    """The files to watch."""
    match settings.keys:
        case FileKeys(path=path):
            return (path,)
        case SharedSecretKeys(secret=secret) if secret.kind == "file":
            return (secret.value,)
        case _:
            return ()
