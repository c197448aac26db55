"""A configuration put together outside a serving process, for commands that try things out."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.files import read_bounded
from sidecar.adapters.secrets import FileAndEnvSecrets
from sidecar.authn.issuer import is_fetched
from sidecar.authn.jwks import KeyRefresher
from sidecar.authn.keytable import ALWAYS, KeyTable
from sidecar.engine.attributes import AttributeRef
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import LiveTables, Snapshot
from sidecar.model.ask import Ask, Attributes, Failed, RefreshKeys, RefreshResult, Verify
from sidecar.model.errors import SourceError
from sidecar.model.key_entry import KeyEntry
from sidecar.model.meter import Meter
from sidecar.model.settings import IssuerSettings, KeyStoreSettings
from sidecar.model.steps import to_end

from .issuer_sources import load_keys
from .store_sources import StoreSources
from .validation import Validated

T = TypeVar("T")

NOT_ASKED = "sources over HTTP are asked by a running sidecar only"


async def filled_table(settings: IssuerSettings) -> KeyTable:
    """The keys of an issuer, read or fetched now; what could not be fetched stands in ``last_error``. Raises SourceError."""
    table = KeyTable()
    if is_fetched(settings.keys):
        from sidecar.adapters.fetch import HttpxFetcher  # noqa: PLC0415 - only where keys are fetched

        clock = SystemClock()
        await KeyRefresher(settings, table, HttpxFetcher(clock), clock).first_try()
    else:
        table.replace(load_keys(settings, FileAndEnvSecrets(), read_bounded), ALWAYS)
    return table


async def offline_snapshot(validated: Validated) -> Snapshot:
    """Compile a configuration with the keys of all its sources. Raises ConfigError, SourceError."""
    settings = validated.settings
    tables = await asyncio.gather(*map(filled_table, settings.issuers.values()))
    stores = StoreSources(FileAndEnvSecrets(), SystemClock(), _nothing_to_read)
    prepared = await stores.prepare(settings.api_keys, validated.key_entries, paced=False)
    stores.commit(prepared)
    attributes = {name: AttributeRef(table=dict(entries)) for name, entries in validated.tables.items()}
    live = LiveTables(keys=dict(zip(settings.issuers, tables, strict=True)), api_keys=prepared.refs, attributes=attributes)
    return to_end(compile_snapshot(settings, validated.revision, live, Meter()))


def driven(steps: Generator[Ask, object, T]) -> T:
    """Run to the end what may ask. The keys were fetched a moment ago: a refresh could not bring more.

    Attribute sources are not asked: a trial must not reach what the configuration's own network alone may reach.
    """
    answer: object = None
    try:
        while True:
            match steps.send(answer):
                case Verify() as verify:
                    answer = verify.run()
                case Attributes(requests):
                    answer = tuple(Failed(NOT_ASKED) for _ in requests)
                case RefreshKeys():
                    answer = RefreshResult.FRESH
    except StopIteration as done:
        outcome: T = done.value
        return outcome


async def _nothing_to_read(store: KeyStoreSettings) -> tuple[KeyEntry, ...]:
    raise SourceError(f"{store.path} is not read again here")
