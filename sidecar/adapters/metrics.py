"""Metrics in the Prometheus text format 0.0.4, written by hand and in slices.

With 2,000 series prometheus-client holds the interpreter lock for 15 ms, this text for 0.9 ms in all and 0.15 ms
a slice (docs/adr). Beside a serving native front that shows in its p99, so the scrape handler really sleeps
between slices. Label values come from closed sets (security rule 23).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from sidecar.model.meter import BUCKETS, Histogram, Meter
from sidecar.model.reason import ALLOWING, Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SLICE = 300
"""Samples in one slice: about 0.1 ms."""
_VERDICTS = {reason: f'decision="{"allow" if reason in ALLOWING else "deny"}",reason="{reason}"' for reason in Reason}


class IssuerGauges(NamedTuple):
    """Keys of one issuer. ``age``: seconds since the set in use was fetched, None without one; ``refreshes``: result → count."""

    issuer: str
    age: float | None
    refreshes: Mapping[str, int]


class AttributeGauges(NamedTuple):
    """One attribute source that is asked over HTTP. ``results``: result → count."""

    source: str
    left_alone: bool
    results: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSource:
    """Where the values come from: called at each scrape, on the event loop; each call is cheap."""

    meter: Meter
    revision: Callable[[], str]
    reload_ok: Callable[[], bool]
    issuers: Callable[[], Iterable[IssuerGauges]]
    attributes: Callable[[], Iterable[AttributeGauges]]
    cache_entries: Callable[[], Mapping[str, int]]
    loop_lag: Callable[[], float]
    """Seconds."""
    audit_dropped: Callable[[], int]
    log_dropped: Callable[[], int]
    certificates: Callable[[], Mapping[str, float]]
    """Certificate name → seconds until it expires (negative: since)."""
    unsafe_settings: Callable[[], Collection[str]]
    """Key paths of ``unsafe_…`` settings that are on."""
    faults: Callable[[], Mapping[str, int]]
    """HTTP page or background task → how often it failed unexpectedly. A check that does is denied ``internal_error``."""


def metrics_text(source: MetricsSource) -> Iterator[bytes]:
    """Yield the whole text in slices of at most SLICE lines or so."""
    pending: list[str] = []
    for line in _lines(source):
        pending.append(line)
        if len(pending) >= SLICE:
            yield ("\n".join(pending) + "\n").encode()
            pending.clear()
    yield ("\n".join(pending) + "\n").encode()


def _lines(source: MetricsSource) -> Iterator[str]:
    yield from _decisions(source.meter)
    durations = {"allow": source.meter.allow_seconds, "deny": source.meter.deny_seconds}
    yield from _histogram("check_duration_seconds", "Time from taking a check up to its decision.", "decision", durations)
    yield from _histogram("phase_duration_seconds", "Time in a phase, of one check in 64.", "phase", source.meter.phases)
    caches = (
        (f'cache="{cache}",result="{result}"', getattr(count, result))
        for cache, count in source.meter.caches.items()
        for result in ("hit", "miss", "stale")
    )
    yield from _family("cache_requests_total", "counter", "Cache lookups by result.", caches)
    yield from _family("cache_entries", "gauge", "Entries of a cache.", _by("cache", source.cache_entries()))
    shadow = ((f'policy="{_escape(policy)}",would="{would}"', count) for (policy, would), count in list(source.meter.shadow.items()))
    yield from _family("shadow_decisions_total", "counter", "What policies in shadow or a candidate would have done.", shadow)
    issuers = list(source.issuers())
    ages = ((f'issuer="{_escape(name)}"', age) for name, age, _ in issuers if age is not None)
    yield from _family("jwks_age_seconds", "gauge", "Age of the key set in use.", ages)
    refreshes = ((f'issuer="{_escape(name)}",result="{result}"', n) for name, _, results in issuers for result, n in results.items())
    yield from _family("jwks_refreshes_total", "counter", "Fetches of a key set by result.", refreshes)
    sources = list(source.attributes())
    asked = ((f'source="{_escape(name)}",result="{result}"', n) for name, _, results in sources for result, n in results.items())
    yield from _family("attribute_requests_total", "counter", "Requests to an attribute source by result.", asked)
    alone = ((f'source="{_escape(name)}"', int(left_alone)) for name, left_alone, _ in sources)
    yield from _family("attribute_source_left_alone", "gauge", "1 while an attribute source is not asked since it failed.", alone)
    revision = [(f'revision="{_escape(source.revision())}"', 1)]
    yield from _family("config_info", "gauge", "The configuration in use.", revision)
    yield from _family("config_last_reload_success", "gauge", "1 if the last reload succeeded.", [("", int(source.reload_ok()))])
    yield from _family("in_flight", "gauge", "Checks received and not yet answered.", [("", source.meter.in_flight)])
    yield from _family("loop_lag_seconds", "gauge", "How late the event loop wakes up.", [("", source.loop_lag())])
    yield from _family("audit_dropped_total", "counter", "Decision records lost.", [("", source.audit_dropped())])
    yield from _family("log_dropped_total", "counter", "Log lines lost.", [("", source.log_dropped())])
    yield from _family("certificate_expiry_seconds", "gauge", "Seconds until a certificate expires.", _by("name", source.certificates()))
    unsafe = ((f'setting="{_escape(setting)}"', 1) for setting in source.unsafe_settings())
    yield from _family("unsafe_setting", "gauge", "A setting that weakens security is on.", unsafe)
    yield from _family("faults_total", "counter", "Unexpected errors of HTTP pages and background tasks.", _by("place", source.faults()))


def _decisions(meter: Meter) -> Iterator[str]:
    """``decisions_total``: the family that grows with the routes."""
    yield from _head("decisions_total", "counter", "Decisions by reason and route.")
    # list() copies in one step under the GIL: the deciding thread goes on counting meanwhile.
    for row in list(meter.rows.values()):
        route = _escape(row.name)
        for reason, count in list(row.decisions.items()):
            yield f'sidecar_decisions_total{{{_VERDICTS[reason]},route="{route}"}} {count}'


def _histogram(name: str, words: str, label: str, histograms: Mapping[str, Histogram]) -> Iterator[str]:
    """One histogram per label value; the count is the sum of the same copy as the buckets, so they always agree."""
    yield from _head(name, "histogram", words)
    for value, histogram in histograms.items():
        cumulative = list(accumulate(list(histogram.counts)))
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], cumulative, strict=True):
            yield f'sidecar_{name}_bucket{{{label}="{value}",le="{bound}"}} {count}'
        yield f'sidecar_{name}_sum{{{label}="{value}"}} {histogram.total}'
        yield f'sidecar_{name}_count{{{label}="{value}"}} {cumulative[-1]}'


def _by(label: str, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((f'{label}="{_escape(name)}"', value) for name, value in list(values.items()))


def _family(name: str, kind: str, words: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield from _head(name, kind, words)
    for labels, value in samples:
        yield f"sidecar_{name}{{{labels}}} {value}" if labels else f"sidecar_{name} {value}"


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP sidecar_{name} {words}", f"# TYPE sidecar_{name} {kind}"


def _escape(value: str) -> str:
    r"""Escape a label value: ``\``, ``"`` and line feed (Prometheus text format)."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
