"""The running process: its parts, how a reload replaces some of them, and how all of them end."""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sidecar.config import guard
from sidecar.engine.check import Engine
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import Current, LiveTables, Snapshot
from sidecar.model.ask import Ask, Attributes, RefreshKeys
from sidecar.model.errors import Problem
from sidecar.model.meter import Meter
from sidecar.model.settings import Settings
from sidecar.ports import Clock
from sidecar.wire.front import Front

from . import attribute_sources, issuer_sources, store_sources
from .attribute_sources import AttributeSources
from .collector import settle
from .issuer_sources import IssuerSources
from .readiness import Readiness
from .reload import CONFIG, Reloader, restart_only
from .slices import in_slices
from .store_sources import StoreSources
from .supervise import LoopLag, Supervisor

if TYPE_CHECKING:
    from sidecar.adapters.records import RecordWriter
    from sidecar.adapters.watch import FileWatcher

    from .validation import Validated

log = logging.getLogger(__name__)

CANDIDATE = "candidate"
"""The watched group of files that a configuration names which is not in use (yet)."""


class Closing(Protocol):
    """A listener of ours."""

    async def close(self) -> None:
        """Stop."""


@dataclass(slots=True)
class Core:
    """What exists before the listeners do, and what a reload works on. Lives on the event loop."""

    clock: Clock
    meter: Meter
    engine: Engine
    current: Current
    supervisor: Supervisor
    watcher: "FileWatcher"
    issuers: IssuerSources
    stores: StoreSources
    attributes: AttributeSources
    front: Front | None = None
    """None until the listener is opened."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot in use."""
        snapshot = self.current.snapshot
        assert snapshot is not None
        return snapshot

    async def install(self, validated: "Validated", began: float, *, paced: bool) -> frozenset[str]:
        """Load the sources of a validated configuration, compile it and make it the current one.

        ``began``: wall seconds at which its files began to be read. Returns the watched groups that changed since, or could
        not be read, which have to be read again. Raises ConfigError, and then has changed nothing.
        """
        settings = validated.settings
        groups = watched_groups(settings)
        # Before they are read, so that a change in between is seen; under another name until they are in use.
        self.watcher.watch(CANDIDATE, (path for paths in groups.values() for path in paths))
        issuers = self.issuers.prepare(settings.issuers)
        stores = await self.stores.prepare(settings.api_keys, validated.key_entries, paced=paced)
        attributes = await self.attributes.prepare(settings.attributes, validated.tables, paced=paced)
        tables = LiveTables(keys=issuers.tables, api_keys=stores.refs, attributes=attributes.refs)
        slices = compile_snapshot(settings, validated.revision, tables, self.meter, self.current.snapshot)
        snapshot = await in_slices(slices, self.clock, paced=paced)
        old = watched_groups(self.current.snapshot.settings) if self.current.snapshot is not None else {}
        await self.issuers.commit(issuers)
        self.stores.commit(stores)
        self.attributes.commit(attributes)
        self.current.snapshot = snapshot
        if self.front is not None:
            self.front.apply(settings.server)
        for name in old.keys() - groups.keys():
            self.watcher.forget(name)
        for name, paths in groups.items():
            self.watcher.watch(name, paths)
        self.watcher.forget(CANDIDATE)
        settle()
        unread = {issuer_sources.PREFIX + name for name in issuers.failed}
        return frozenset(name for name, paths in groups.items() if name in unread or changed_since(paths, began))

    async def answer(self, ask: Ask) -> object:
        """Answer what a check could not find in memory (``Verify`` is the front's own)."""
        if isinstance(ask, RefreshKeys):
            return await self.issuers.refresh(ask)
        if isinstance(ask, Attributes):
            return await self.attributes.answer(ask)
        raise AssertionError("a Verify is answered by the front")

    async def reread(self, groups: frozenset[str]) -> frozenset[str]:
        """Renew the tables whose files changed; return the groups that could not be read."""
        issuers = self.issuers.reread(_names(groups, issuer_sources.PREFIX))
        stores = await self.stores.reread(_names(groups, store_sources.PREFIX))
        attributes = await self.attributes.reread(_names(groups, attribute_sources.PREFIX))
        failed = ((issuer_sources.PREFIX, issuers), (store_sources.PREFIX, stores), (attribute_sources.PREFIX, attributes))
        return frozenset(prefix + name for prefix, names in failed for name in names)


@dataclass(frozen=True, slots=True)
class ShadowCore:
    """A candidate configuration that is tried beside the active one on a ``share`` of the checks."""

    config: str
    share: float
    core: Core
    reloader: "Reloader[Validated]"


class Process:
    """Everything that runs."""

    def __init__(
        self,
        core: Core,
        *,
        front: Front,
        readiness: Readiness,
        reloader: "Reloader[Validated]",
        records: "RecordWriter",
        lag: LoopLag,
        started_at: float,
        candidate: ShadowCore | None = None,
    ) -> None:
        """Take the started parts; ``started_at`` in wall seconds."""
        self.candidate = candidate
        self.core = core
        self.clock = core.clock
        self.supervisor = core.supervisor
        self.issuers = core.issuers
        self.stores = core.stores
        self.attributes = core.attributes
        self.front = front
        self.readiness = readiness
        self.reloader = reloader
        self.records = records
        self.lag = lag
        self.started_at = started_at
        self.listeners: tuple[Closing, ...] = ()

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        return self.core.snapshot.settings

    @property
    def revision(self) -> str:
        """The revision in use."""
        return self.core.snapshot.revision

    def cache_entries(self) -> Mapping[str, int]:
        """Entries of each cache."""
        return {**self.core.engine.authenticator.tokens.sizes(), "attributes": len(self.core.engine.attributes)}

    def reload(self) -> None:
        """Reload although nothing was seen to change (SIGHUP)."""
        self.reloader.changed((CONFIG,))
        if self.candidate is not None:
            self.candidate.reloader.changed((CONFIG,))

    async def close(self, flush_timeout: float) -> None:
        """Close the drained check listener, then all else; records get ``flush_timeout`` seconds to be written."""
        await self.front.close()
        if not await asyncio.to_thread(self.records.close, flush_timeout):
            log.error("not all decision records could be written", extra={"dropped": self.records.dropped})
        for listener in self.listeners:
            await listener.close()
        for core in (self.core, *((self.candidate.core,) if self.candidate is not None else ())):
            await core.supervisor.close()
            await core.attributes.close()


def forbidden_changes(running: Settings, new: Settings) -> tuple[Problem, ...]:
    """What a reload may not change: without a restart, or without saying so."""
    return restart_only(running, new) + guard.refused(guard.at_reload(running, new), new)


def watched_groups(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The files whose content is read again when it changes, by source."""
    groups = {issuer_sources.PREFIX + name: issuer_sources.files_of(issuer) for name, issuer in settings.issuers.items()}
    groups |= {store_sources.PREFIX + name: store_sources.files_of(store) for name, store in settings.api_keys.items()}
    groups |= {attribute_sources.PREFIX + name: attribute_sources.files_of(source) for name, source in settings.attributes.items()}
    return {name: paths for name, paths in groups.items() if paths}


def changed_since(paths: Iterable[str], wall: float) -> bool:
    """Whether one of the files was replaced or written at or after ``wall`` seconds. A missing one counts as unchanged."""
    for path in paths:
        try:
            if os.stat(path).st_ctime >= wall:  # noqa: PTH116 - text paths throughout
                return True
        except OSError:
            continue
    return False


def _names(groups: Iterable[str], prefix: str) -> list[str]:
    return [group.removeprefix(prefix) for group in groups if group.startswith(prefix)]
