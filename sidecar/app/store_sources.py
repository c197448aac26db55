"""The live table of each API key store, filled from its file.

Entries come from the validator child (YAML does not load here); peppers are read here, so that the child never sees
a secret. A table is built in slices and put in place by one reference: a revocation acts at the next check.
"""

import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from sidecar.authn.api_key import ApiKeyTable
from sidecar.authn.key_file import read_entries
from sidecar.engine.snapshot import ApiKeyTableRef
from sidecar.model.errors import ConfigError, Problem, SidecarError, SourceError
from sidecar.model.key_entry import KeyEntry
from sidecar.model.settings import KeyStoreSettings
from sidecar.ports import Clock, SecretSource

from .slices import in_slices

log = logging.getLogger(__name__)

PREFIX = "store:"
"""Before a store's name, in the names of watched groups."""

Entries = tuple[KeyEntry, ...]
_generations = itertools.count(1)


@dataclass(slots=True)
class StoreSource:
    """One store as it runs. ``ref`` is what snapshots hold; it outlives reloads while the store's file is the same."""

    settings: KeyStoreSettings
    ref: ApiKeyTableRef
    generation: int = 0


@dataclass(frozen=True, slots=True)
class PreparedStores:
    """Stores of a new configuration with their tables, not yet live."""

    sources: Mapping[str, StoreSource]
    tables: Mapping[str, ApiKeyTable]

    @property
    def refs(self) -> Mapping[str, ApiKeyTableRef]:
        """By store name, for the compiler."""
        return {name: source.ref for name, source in self.sources.items()}


class StoreSources:
    """All stores. Used on the event loop."""

    def __init__(self, secrets: SecretSource, clock: Clock, read_entries_of: Callable[[KeyStoreSettings], Awaitable[Entries]]) -> None:
        """``read_entries_of`` has the child read one key file; raises ConfigError."""
        self._secrets = secrets
        self._clock = clock
        self._read_entries_of = read_entries_of
        self.live: Mapping[str, StoreSource] = {}

    async def prepare(self, stores: Mapping[str, KeyStoreSettings], entries: Mapping[str, Entries], *, paced: bool) -> PreparedStores:
        """Build all tables, ``paced`` where checks are being answered. Changes nothing; raises ConfigError."""
        sources, tables, problems = {}, {}, []
        for name, settings in stores.items():
            old = self.live.get(name)
            carried = old is not None and old.settings.path == settings.path
            sources[name] = StoreSource(settings, old.ref if old is not None and carried else ApiKeyTableRef())
            try:
                tables[name] = await self._build(settings, entries[name], paced=paced)
            except SourceError as error:
                problems.append(Problem(settings.where, f"{settings.path}: {error}"))
        if problems:
            raise ConfigError(tuple(problems))
        return PreparedStores(sources, tables)

    def commit(self, prepared: PreparedStores) -> None:
        """Make the prepared stores the live ones."""
        self.live = prepared.sources
        for name, table in prepared.tables.items():
            self._take(name, self.live[name], table)

    async def reread(self, names: Iterable[str]) -> list[str]:
        """Renew the tables of stores whose files changed; a failure keeps the last good table, loudly. Return where it failed."""
        failed = []
        for name in names:
            source = self.live.get(name)
            if source is None:
                continue
            try:
                table = await self._build(source.settings, await self._read_entries_of(source.settings), paced=True)
            except (SidecarError, OSError) as error:
                failed.append(name)
                if source.ref.last_error != str(error):
                    log.error("key file not reread, the last good keys stay: %s", error, extra={"store": name})  # noqa: TRY400 - no traceback
                source.ref.last_error = str(error)
            else:
                self._take(name, source, table)
        return failed

    async def _build(self, settings: KeyStoreSettings, entries: Entries, *, paced: bool) -> ApiKeyTable:
        now = self._clock.now().wall
        peppers = {name: self._secrets.read(ref.kind, ref.value) for name, ref in settings.peppers.items()}
        return await in_slices(read_entries(entries, store=settings.name, peppers=peppers, wall=now), self._clock, paced=paced)

    def _take(self, name: str, source: StoreSource, table: ApiKeyTable) -> None:
        source.ref.current = table
        source.ref.loaded_at = self._clock.mono()
        source.ref.last_error = ""
        source.generation = next(_generations)
        log.info("API keys loaded", extra={"store": name, "keys": table.size, "generation": source.generation})


def files_of(settings: KeyStoreSettings) -> tuple[str, ...]:
    """The files to watch."""
    return (settings.path, *(ref.value for ref in settings.peppers.values() if ref.kind == "file"))
