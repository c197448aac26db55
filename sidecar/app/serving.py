"""Opens the listeners around a compiled core: checks, telemetry, admin."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.adapters.http import HttpListener
from sidecar.adapters.metrics import AttributeGauges, IssuerGauges, MetricsSource, metrics_text
from sidecar.adapters.pages import AdminPages, admin_app, telemetry_app
from sidecar.adapters.records import RecordWriter
from sidecar.engine.ids import DecisionIds
from sidecar.model.errors import SourceError
from sidecar.model.instant import Instant
from sidecar.wire.candidate import Candidate
from sidecar.wire.server import start_front
from sidecar.wire.service import CheckService

from .process import Core, Process, ShadowCore
from .readiness import Readiness
from .recent import explained_decision, recent_decisions
from .reload import Reloader
from .status import status_document
from .supervise import LoopLag
from .unsafe import unsafe_settings

if TYPE_CHECKING:
    from sidecar.adapters.logs import LogWriter

    from .validation import Validated

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds after which the log says what readiness waits for."""
STOPPED = "the check listener has stopped"
PROCESS_BYTES = 6
"""Random bytes that tell this process's decision ids from others'."""


async def open_listeners(
    core: Core, reloader: "Reloader[Validated]", logs: "LogWriter", records_fd: int, began: Instant, candidate: ShadowCore | None = None
) -> Process:
    """Open all listeners and start the background tasks around them. Raises SidecarError when one cannot be opened."""
    settings = core.snapshot.settings
    records = RecordWriter(records_fd)
    shadow = None if candidate is None else Candidate(candidate.core.engine, candidate.core.current, candidate.share, core.meter)
    service = CheckService(core.engine, core.current, core.clock, records, core.meter, DecisionIds(os.urandom(PROCESS_BYTES)), shadow)
    readiness = Readiness(core.clock, core.issuers.states)
    faults: Counter[str] = Counter()
    front = await start_front(settings.server, service, core.answer, core.meter, core.clock)
    core.front = front
    lag = LoopLag(core.clock)
    process = Process(
        core,
        front=front,
        readiness=readiness,
        reloader=reloader,
        records=records,
        lag=lag,
        started_at=began.wall,
        candidate=candidate,
    )
    source = _metrics_source(process, logs, faults)
    telemetry_listener = HttpListener(
        telemetry_app(partial(alive, process), partial(ready, process), partial(metrics_text, source), faults),
        settings.telemetry.listen,
        "telemetry",
    )
    pages = AdminPages(
        status=partial(status_document, process),
        decisions=partial(recent_decisions, process),
        explain=partial(explained_decision, process),
    )
    admin_listener = HttpListener(admin_app(pages, settings.admin.listen, faults), settings.admin.listen, "admin")
    for listener in (telemetry_listener, admin_listener):
        await listener.start()
    process.listeners = (telemetry_listener, admin_listener)
    readiness.serving()
    core.supervisor.start("loop lag", lag.measure)
    core.supervisor.start("announce ready", partial(_announce, process, began.mono))
    return process


async def _announce(process: Process, began: float) -> None:
    """Tell Envoy and the log once traffic is welcome."""
    try:
        async with asyncio.timeout(PATIENCE):
            await process.readiness.until_ready()
    except TimeoutError:
        log.warning("not ready yet: %s", "; ".join(process.readiness.reasons()))
        await process.readiness.until_ready()
    if process.readiness.draining:
        return
    front = process.front
    front.set_serving(True)
    log.info(
        "ready: %s on %s (%s)",
        front.transport,
        front.address,
        front.reason,
        extra={"revision": process.revision, "seconds": round(process.clock.mono() - began, 3)},
    )


def alive(process: Process) -> tuple[bool, str]:
    """What /livez says: not alive once checks are decided no more, unless that is what was asked for.

    Envoy denies everything then, which only a new process ends.
    """
    good = process.front.alive() or process.readiness.draining
    return good, "ok" if good else STOPPED


def ready(process: Process) -> tuple[bool, str]:
    """What /readyz says."""
    reasons = process.readiness.reasons()
    if not process.front.alive():
        reasons = (STOPPED, *reasons)
    return not reasons, "; ".join(reasons) or "ready"


def _metrics_source(process: Process, logs: "LogWriter", faults: Counter[str]) -> MetricsSource:
    return MetricsSource(
        meter=process.core.meter,
        revision=lambda: process.revision,
        reload_ok=lambda: process.reloader.last.ok,
        issuers=partial(_issuer_gauges, process),
        attributes=partial(_attribute_gauges, process),
        cache_entries=process.cache_entries,
        loop_lag=lambda: process.lag.value,
        audit_dropped=lambda: process.records.dropped,
        log_dropped=lambda: logs.dropped,
        certificates=partial(_certificates, process),
        unsafe_settings=lambda: unsafe_settings(process.settings),
        faults=lambda: faults + process.supervisor.crashes,
    )


def _issuer_gauges(process: Process) -> Iterator[IssuerGauges]:
    mono = process.clock.mono()
    for name, source in process.issuers.live.items():
        if source.refresher is not None:
            age = mono - source.table.fetched_at if source.table.current is not None else None
            yield IssuerGauges(name, age, source.refresher.results)


def _attribute_gauges(process: Process) -> Iterator[AttributeGauges]:
    for name, source in process.attributes.live.items():
        if source.feed is not None:
            yield AttributeGauges(name, source.feed.breaker.state != "closed", source.feed.results)


def _certificates(process: Process) -> Mapping[str, float]:
    """Seconds until the check listener's own certificate ends; nothing where there is none that can be read."""
    tls = process.settings.server.tls
    if tls is None:
        return {}
    from sidecar.authn.certificates import not_after  # noqa: PLC0415 - only where TLS is configured

    try:
        return {"server": not_after(Path(tls.cert_file).read_bytes()) - process.clock.now().wall}
    except (OSError, SourceError):
        return {}
