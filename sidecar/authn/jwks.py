"""Keeps one issuer's fetched keys current, on the loop (security rules 9, 10 and 12).

Background refreshes follow the server's cache headers within our bounds. A token can make one fetch happen, within
a small budget; whoever needs a fetch while one is under way waits for that one. A failure never takes keys away.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

from sidecar.model.ask import RefreshKeys, RefreshResult
from sidecar.model.errors import SourceError
from sidecar.model.settings import DiscoveredKeys, IssuerSettings, UrlKeys
from sidecar.model.steps import PAUSE
from sidecar.ports import Clock, Fetched, Fetcher, FetchError

from . import discovery
from .discovery import check_url, discovery_url, read_discovery
from .issuer import FRESH_SECONDS
from .jwt import BAD_SIGNATURE, UNKNOWN_KID
from .key_source import read_keys
from .keyset import MAX_DOCUMENT, KeySet
from .keytable import KeyTable, take
from .pacing import Bucket, hold, next_refresh, next_try

FETCH_SECONDS = 5.0
"""For one refresh as a whole, discovery included."""
REDISCOVER_SECONDS = 3600.0

Sleep = Callable[[float], Awaitable[None]]

_log = logging.getLogger(__name__)


class KeyRefresher:
    """Fetches the keys of one issuer whose source is a URL or discovery, into its ``KeyTable``."""

    def __init__(
        self,
        settings: IssuerSettings,
        table: KeyTable,
        fetcher: Fetcher,
        clock: Clock,
        *,
        sleep: Sleep = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        """Take the ports; ``sleep`` and ``random`` are for tests."""
        if not isinstance(settings.keys, UrlKeys | DiscoveredKeys):
            raise TypeError(f"the keys of issuer {settings.name} are not fetched")
        self._settings = settings
        self._source = settings.keys
        self._table = table
        self._fetcher = fetcher
        self._clock = clock
        self._sleep = sleep
        self._random = random or Random()  # noqa: S311 - spreads load, guards nothing
        self._flight: asyncio.Task[None] | None = None
        self._buckets = {UNKNOWN_KID: Bucket(), BAD_SIGNATURE: Bucket()}
        self._failures = 0
        self._held_until = 0.0
        self._location: tuple[str, float] | None = None
        self._digest = b""
        self.results: Counter[str] = Counter()
        """Refreshes by result: changed, unchanged, failed."""
        self.due = table.fetched_at + next_refresh({}, settings.refresh.every, self._random)
        """Monotonic second of the next background refresh; long past for a table without keys."""

    async def run(self) -> None:
        """Refresh when due, for ever. A fault of ours ends it: whoever started it supervises it."""
        try:
            while True:
                wait = self.due - self._clock.mono()
                if wait > 0:
                    await self._sleep(wait)
                else:
                    await self._fetch()
        finally:
            if self._flight is not None:
                self._flight.cancel()

    async def first_try(self) -> None:
        """Ask the source once if nobody has yet; returns after success or failure, 5 s at most."""
        if not self._table.tried:
            await self._fetch()

    async def refresh(self, ask: RefreshKeys) -> RefreshResult:
        """Answer a token's need for other keys. Joining a fetch under way costs nothing of the budget."""
        if self._flight is not None or self._may_fetch(ask.why):
            await self._fetch()
        age = self._clock.mono() - self._table.fetched_at
        return RefreshResult.FRESH if age <= FRESH_SECONDS else RefreshResult.UNAVAILABLE

    def _may_fetch(self, why: str) -> bool:
        mono = self._clock.mono()
        bucket = self._buckets.get(why)
        return mono >= self._held_until and bucket is not None and bucket.take(mono)

    async def _fetch(self) -> None:
        """Wait for the one fetch; who stops waiting does not stop it."""
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._refresh_once(), name=f"keys of {self._settings.name}")
        await asyncio.shield(self._flight)

    async def _refresh_once(self) -> None:
        started = self._clock.mono()
        # Whatever happens below, the next background attempt is not at once.
        self.due = started + next_try(self._failures + 1, None, self._random)
        try:
            fetched = await self._get_document(started)
            keys = await self._read(fetched.body)
        except (FetchError, SourceError) as error:
            self._note_failure(error)
        else:
            self._note_success(keys, fetched, started)
        finally:
            self._flight = None

    async def _get_document(self, started: float) -> Fetched:
        if isinstance(self._source, UrlKeys):
            url = self._source.url
            check_url(url, unsafe_http=self._source.unsafe_http)
        else:
            url = await self._discover(started, unsafe_http=self._source.unsafe_http)
        return await self._get(url, MAX_DOCUMENT, started)

    async def _get(self, url: str, max_bytes: int, started: float) -> Fetched:
        left = started + FETCH_SECONDS - self._clock.mono()
        if left <= 0:
            raise FetchError("no time left")
        return await self._fetcher.get(url, ca_file=self._settings.refresh.ca_file, max_bytes=max_bytes, timeout=left)

    async def _discover(self, started: float, *, unsafe_http: bool) -> str:
        """Where the keys are. A known place serves for an hour, or as long as discovery itself fails."""
        known = self._location
        if known is not None and started - known[1] < REDISCOVER_SECONDS:
            return known[0]
        address = discovery_url(self._settings.issuer)
        check_url(address, unsafe_http=unsafe_http)
        try:
            document = await self._get(address, discovery.MAX_DOCUMENT, started)
        except FetchError:
            if known is None:
                raise
            return known[0]
        url = read_discovery(document.body, self._settings.issuer, unsafe_http=unsafe_http)
        self._location = (url, started)
        return url

    async def _read(self, document: bytes) -> KeySet:
        digest = hashlib.sha256(document).digest()
        current = self._table.current
        if current is not None and digest == self._digest:
            return current
        steps = read_keys(self._settings, document)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                self._digest = digest
                keys: KeySet = done.value
                return keys
            await self._sleep(PAUSE)

    def _note_success(self, keys: KeySet, fetched: Fetched, started: float) -> None:
        self._failures = 0
        self._held_until = 0.0
        self.due = self._clock.mono() + next_refresh(fetched.headers, self._settings.refresh.every, self._random)
        changed = take(self._table, self._settings.name, keys, started)
        self.results["changed" if changed else "unchanged"] += 1

    def _note_failure(self, error: FetchError | SourceError) -> None:
        self._failures += 1
        self._location = None if self._failures > 1 else self._location
        retry_after = error.retry_after if isinstance(error, FetchError) else None
        mono = self._clock.mono()
        self._held_until = mono + hold(retry_after)
        self.due = mono + next_try(self._failures, retry_after, self._random)
        self._table.failed(str(error))
        self.results["failed"] += 1
        fields = {"issuer": self._settings.name, "next_try_seconds": round(self.due - mono)}
        _log.warning("keys not refreshed, the last good ones stay: %s", error, extra=fields)
