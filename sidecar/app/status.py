"""The /status document: what runs, with which configuration and keys, and what went wrong last. Holds no secret."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sidecar import __version__
from sidecar.model.errors import Problem
from sidecar.model.settings import FileAttribute
from sidecar.wire.candidate import NAME as CANDIDATE

from .issuer_sources import IssuerSource
from .spans import rfc3339
from .unsafe import unsafe_settings

if TYPE_CHECKING:
    from .attribute_sources import AttributeSource
    from .process import Process, ShadowCore
    from .reload import Outcome
    from .store_sources import StoreSource


def status_document(process: "Process") -> Mapping[str, object]:
    """Build the document. Called on the event loop; cheap enough for every request."""
    mono = process.clock.mono()
    reasons = process.readiness.reasons()
    return {
        "version": __version__,
        "revision": process.revision,
        "transport": process.front.transport,
        "transport_reason": process.front.reason,
        "address": process.front.address,
        "ready": not reasons,
        "not_ready_because": list(reasons),
        "started_at": rfc3339(process.started_at),
        "in_flight": process.front.in_flight(),
        "issuers": {name: _issuer(source, mono) for name, source in process.issuers.live.items()},
        "api_keys": {name: _store(source, mono) for name, source in process.stores.live.items()},
        "attributes": {name: _attribute(source, process, mono) for name, source in process.attributes.live.items()},
        "caches": process.cache_entries(),
        "last_reload": _reload(process.reloader.last),
        "reload_stage": process.reloader.stage.value,
        "candidate": None if process.candidate is None else _candidate(process.candidate, process.core.meter.shadow),
        "unsafe_settings": list(unsafe_settings(process.settings)),
        "records_dropped": process.records.dropped,
        "background_crashes": dict(process.supervisor.crashes),
        "loop_lag_seconds": round(process.lag.value, 6),
    }


def _issuer(source: IssuerSource, mono: float) -> Mapping[str, object]:
    table, settings = source.table, source.settings
    keys = table.current
    age = mono - table.fetched_at if keys is not None and source.refresher is not None else None
    return {
        "issuer": settings.issuer,
        "source": type(settings.keys).__name__.removesuffix("Keys").lower(),
        "usable": table.usable(mono, settings.refresh.stale_max) is not None,
        "keys": len(keys.keys) if keys is not None else 0,
        "key_age_seconds": round(age, 1) if age is not None else None,
        "generation": keys.generation if keys is not None else None,
        "dropped_keys": list(keys.dropped) if keys is not None else [],
        "tried": table.tried,
        "last_error": table.last_error,
    }


def _store(source: "StoreSource", mono: float) -> Mapping[str, object]:
    table = source.ref.current
    return {
        "file": source.settings.path,
        "keys": table.size if table is not None else 0,
        "age_seconds": round(mono - source.ref.loaded_at, 1) if table is not None else None,
        "generation": source.generation,
        "last_error": source.ref.last_error,
    }


def _candidate(candidate: "ShadowCore", counted: Mapping[tuple[str, str], int]) -> Mapping[str, object]:
    snapshot = candidate.core.current.snapshot
    return {
        "config": candidate.config,
        "share": candidate.share,
        "revision": snapshot.revision if snapshot is not None else None,
        "last_reload": _reload(candidate.reloader.last),
        "would": {would: count for (name, would), count in list(counted.items()) if name == CANDIDATE},
    }


def _attribute(source: "AttributeSource", process: "Process", mono: float) -> Mapping[str, object]:
    about: dict[str, object] = {"provides": source.settings.provides, "kind": source.settings.source.kind}
    feed, table = source.feed, source.ref.table
    if feed is not None:
        return about | {
            "last_success": rfc3339(feed.last_success) if feed.last_success else None,
            "results": dict(feed.results),
            "last_error": source.last_error or feed.last_error,
            "breaker": feed.breaker.state,
            "in_flight": feed.in_flight,
            "cache_entries": process.core.engine.attributes.entries_of(source.ref),
        }
    if isinstance(source.settings.source, FileAttribute):
        age = round(mono - source.loaded_at, 1) if table is not None else None
        entries = len(table) if table is not None else 0
        return about | {"file": source.settings.source.path, "entries": entries, "age_seconds": age, "last_error": source.last_error}
    return about


def _reload(last: "Outcome") -> Mapping[str, object]:
    return {"at": rfc3339(last.at), "ok": last.ok, "errors": [_problem(problem) for problem in last.problems]}


def _problem(problem: Problem) -> Mapping[str, object]:
    where = problem.where
    return {"file": where.file, "line": where.line, "key": where.key, "message": problem.message, "hint": problem.hint}
