"""The attribute sources as they run: what asks, what is read, and how a reload replaces some of them.

A source keeps its place (``AttributeRef``), and with it what the deciding thread remembers of it, while what its
answers depend on stays the same. Files are read by the validator child, as key files are, so that a large one never
holds up a check.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass

from sidecar.engine.attributes import AttributeRef
from sidecar.model.ask import AttributeRequest, Attributes, Failed, Got
from sidecar.model.errors import ConfigError, Problem, SidecarError, SourceError
from sidecar.model.principal import JsonValue
from sidecar.model.settings import AttributeSettings, FileAttribute, HttpAttribute, SecretRef
from sidecar.ports import AttributeClient, Clock, SecretSource

from .attribute_feed import HttpFeed
from .slices import in_slices

log = logging.getLogger(__name__)

PREFIX = "attribute:"
"""Before a source's name, in the names of watched groups."""
RETIRED_FOR = 60.0
"""Seconds that a replaced source can still be asked: by checks that began under the snapshot before, the longest of which take so long."""
LATE = "no answer within the time of the check"
UNASKED = "it cannot be asked here"

Entries = tuple[tuple[str, JsonValue], ...]
Close = Callable[[], Awaitable[None]]
OpenClient = Callable[[str, Mapping[str, bytes], str | None], Awaitable[AttributeClient]]
"""(URL, headers, CA file) → client; raises SourceError."""


@dataclass(slots=True)
class AttributeSource:
    """One source as it runs. ``feed``: of an HTTP source; the rest of a file: monotonic seconds, and what went wrong last."""

    settings: AttributeSettings
    ref: AttributeRef
    feed: HttpFeed | None = None
    loaded_at: float = 0.0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class PreparedAttributes:
    """Sources of a new configuration, not yet live. ``clients``: for those that are new; ``tables``: of all files."""

    sources: Mapping[str, AttributeSource]
    clients: Mapping[str, AttributeClient]
    tables: Mapping[str, Mapping[str, JsonValue]]

    @property
    def refs(self) -> Mapping[str, AttributeRef]:
        """By source name, for the compiler."""
        return {name: source.ref for name, source in self.sources.items()}


class AttributeSources:
    """All sources. Used on the event loop."""

    def __init__(
        self,
        secrets: SecretSource,
        clock: Clock,
        open_client: OpenClient,
        read_table: Callable[[AttributeSettings], Awaitable[Entries]],
    ) -> None:
        """``read_table`` has the child read one file; raises ConfigError."""
        self._secrets = secrets
        self._clock = clock
        self._open_client = open_client
        self._read_table = read_table
        self._closing: dict[asyncio.Task[None], Close] = {}
        """What was replaced, and is closed a little later."""
        self.live: Mapping[str, AttributeSource] = {}

    async def prepare(self, sources: Mapping[str, AttributeSettings], tables: Mapping[str, Entries], *, paced: bool) -> PreparedAttributes:
        """Open what is asked and build what is read, ``paced`` where checks are being answered. Changes nothing; raises ConfigError."""
        prepared = {name: self._carried(settings) for name, settings in sources.items()}
        clients: dict[str, AttributeClient] = {}
        problems: list[Problem] = []
        for name, source in prepared.items():
            if source.feed is not None and source.feed.client is None:
                try:
                    clients[name] = await self._opened(source.settings)
                except SourceError as error:
                    problems.append(Problem(source.settings.where, str(error)))
        if problems:
            for client in clients.values():
                await client.close()
            raise ConfigError(tuple(problems))
        built = {name: await self._built(entries, paced=paced) for name, entries in tables.items() if name in prepared}
        return PreparedAttributes(prepared, clients, built)

    def _carried(self, settings: AttributeSettings) -> AttributeSource:
        old = self.live.get(settings.name)
        if old is not None and _hinges_on(old.settings) == _hinges_on(settings):
            return AttributeSource(settings, old.ref, old.feed, old.loaded_at, old.last_error)
        feed = HttpFeed(settings.name, self._clock) if isinstance(settings.source, HttpAttribute) else None
        return AttributeSource(settings, AttributeRef(feed), feed)

    def commit(self, prepared: PreparedAttributes) -> None:
        """Make the prepared sources the live ones."""
        old, self.live = self.live, prepared.sources
        for name, client in prepared.clients.items():
            feed = self.live[name].feed
            assert feed is not None
            feed.client = client
        for name, table in prepared.tables.items():
            self._take(name, table)
        for name, source in old.items():
            kept = self.live.get(name)
            if source.feed is not None and (kept is None or kept.feed is not source.feed):
                self._close_later(source.feed.close)

    async def reread(self, names: Iterable[str]) -> list[str]:
        """Renew what hinges on files that changed: tables, secrets in headers, authorities.

        A failure keeps the last good, loudly. Return where it failed.
        """
        failed = []
        for name in names:
            source = self.live.get(name)
            if source is None:
                continue
            try:
                if source.feed is not None:
                    await self._renew(source)
                else:
                    self._take(name, await self._built(await self._read_table(source.settings), paced=True))
            except (SidecarError, OSError) as error:
                failed.append(name)
                if source.last_error != str(error):
                    log.error("attribute source not renewed, what it had stays: %s", error, extra={"source": name})  # noqa: TRY400 - no traceback
                source.last_error = str(error)
        return failed

    async def answer(self, ask: Attributes) -> tuple[Got | Failed, ...]:
        """Ask all at once. Whatever goes wrong with one of them, or takes longer than ``until``, is its failure alone."""
        tasks = [asyncio.ensure_future(_fetched(request)) for request in ask.requests]
        try:
            await asyncio.wait(tasks, timeout=max(0.0, ask.until - self._clock.mono()))
        finally:
            for task in tasks:
                task.cancel()  # those that are done don't mind; the requests themselves go on, for whoever asks next
        return tuple(_outcome(task) for task in tasks)

    async def close(self) -> None:
        """Give up what is on its way, and close everything."""
        closing, self._closing = self._closing, {}
        for task in closing:
            task.cancel()
        if closing:
            await asyncio.wait(closing)
        feeds = [source.feed.close for source in self.live.values() if source.feed is not None]
        for close in (*closing.values(), *feeds):
            await close()

    async def _opened(self, settings: AttributeSettings) -> AttributeClient:
        http = settings.source
        assert isinstance(http, HttpAttribute)
        return await self._open_client(http.url, {name: self._header(value, name) for name, value in http.headers.items()}, http.ca_file)

    def _header(self, value: SecretRef | str, name: str) -> bytes:
        if isinstance(value, str):
            return value.encode()
        content = self._secrets.read(value.kind, value.value).reveal()
        if any(byte < 0x20 or byte == 0x7F for byte in content):  # noqa: PLR2004 - RFC 9110 §5.5
            raise SourceError(f"the secret for header {name} has a line break or another control character in it")
        return content

    async def _renew(self, source: AttributeSource) -> None:
        feed = source.feed
        assert feed is not None
        before, feed.client = feed.client, await self._opened(source.settings)
        source.last_error = ""
        if before is not None:
            self._close_later(before.close)

    async def _built(self, entries: Entries, *, paced: bool) -> Mapping[str, JsonValue]:
        return await in_slices(_table_of(entries), self._clock, paced=paced)

    def _take(self, name: str, table: Mapping[str, JsonValue]) -> None:
        source = self.live[name]
        source.ref.table = table
        source.loaded_at = self._clock.mono()
        source.last_error = ""
        log.info("attributes loaded", extra={"source": name, "entries": len(table)})

    def _close_later(self, close: Close) -> None:
        task = asyncio.create_task(self._closed_after(RETIRED_FOR, close), name="close attribute source")
        self._closing[task] = close

    async def _closed_after(self, seconds: float, close: Close) -> None:
        await asyncio.sleep(seconds)
        task = asyncio.current_task()
        if task is not None and self._closing.pop(task, None) is not None:
            await close()


async def _fetched(request: AttributeRequest) -> Got | Failed:
    return Failed(UNASKED) if request.fetcher is None else await request.fetcher.fetch(request.url, request.timeout)


def _outcome(task: asyncio.Future[Got | Failed]) -> Got | Failed:
    if not task.done() or task.cancelled():
        return Failed(LATE)
    error = task.exception()
    if error is not None:
        log.error("asking an attribute source failed unexpectedly", exc_info=error)
        return Failed(f"internal error: {type(error).__name__}")
    return task.result()


def _table_of(entries: Entries) -> Generator[None, None, Mapping[str, JsonValue]]:
    table: dict[str, JsonValue] = {}
    for number, (key, value) in enumerate(entries):
        table[key] = value
        if number % 500 == 0:
            yield
    return table


def _hinges_on(settings: AttributeSettings) -> tuple[object, ...]:
    """What the answers of a source depend on: while it stays the same they carry over. Places in files don't count, nor do times."""
    source = settings.source
    if isinstance(source, HttpAttribute):
        headers = {name: value if isinstance(value, str) else (value.kind, value.value) for name, value in source.headers.items()}
        return ("http", settings.provides, source.url, headers, source.ca_file, source.unsafe_http)
    if isinstance(source, FileAttribute):
        return ("file", settings.provides, source.path, source.format)
    return ("static",)  # compiled from the settings themselves


def files_of(settings: AttributeSettings) -> tuple[str, ...]:
    """The files to watch."""
    source = settings.source
    if isinstance(source, FileAttribute):
        return (source.path,)
    if isinstance(source, HttpAttribute):
        secrets = tuple(value.value for value in source.headers.values() if isinstance(value, SecretRef) and value.kind == "file")
        return (*secrets, *((source.ca_file,) if source.ca_file is not None else ()))
    return ()
