"""The metrics text, read by the parser of prometheus-client. Security rule 23: labels from closed sets."""

import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.adapters.metrics import SLICE, AttributeGauges, IssuerGauges, MetricsSource, metrics_text
from sidecar.model.meter import BUCKETS, Meter, RouteRow
from sidecar.model.reason import ALLOWING, Reason

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def source(meter: Meter, **changes: Callable[[], object]) -> MetricsSource:
    values: dict[str, Callable[[], object]] = {
        "revision": lambda: "abc",
        "reload_ok": lambda: True,
        "issuers": lambda: [IssuerGauges("corp", 12.5, {"ok": 3, "failed": 1}), IssuerGauges("new", None, {"failed": 2})],
        "attributes": lambda: [AttributeGauges("post-owner", True, {"value": 8, "failed": 5})],
        "cache_entries": lambda: {"tokens": 7},
        "loop_lag": lambda: 0.25,
        "audit_dropped": lambda: 4,
        "log_dropped": lambda: 5,
        "certificates": lambda: {"server": -3.0},
        "unsafe_settings": lambda: ("server.unsafe_plaintext_check_listener",),
        "faults": lambda: {"admin /status": 1},
    }
    return MetricsSource(meter=meter, **{**values, **changes})


def samples(made: MetricsSource) -> Samples:
    text = b"".join(metrics_text(made)).decode()
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def count(row: RouteRow, reason: Reason) -> None:
    row.decisions[reason] = row.decisions.get(reason, 0) + 1


def value(found: Samples, name: str, /, **labels: str) -> float:
    return found[f"sidecar_{name}", tuple(sorted(labels.items()))]


def test_every_value_of_the_catalogue() -> None:
    meter = Meter()
    count(meter.row("list"), Reason.PERMITTED)
    count(meter.row("list"), Reason.PERMITTED)
    count(meter.no_route, Reason.NO_ROUTE)
    meter.caches["tokens"].hit += 9
    meter.in_flight = 2
    found = samples(source(meter))
    assert value(found, "decisions_total", decision="allow", reason="permitted", route="list") == 2
    assert value(found, "decisions_total", decision="deny", reason="no_route", route="_none") == 1
    assert value(found, "cache_requests_total", cache="tokens", result="hit") == 9
    assert value(found, "cache_entries", cache="tokens") == 7
    assert value(found, "jwks_age_seconds", issuer="corp") == 12.5
    assert value(found, "jwks_refreshes_total", issuer="corp", result="failed") == 1
    assert value(found, "jwks_refreshes_total", issuer="new", result="failed") == 2
    assert value(found, "attribute_requests_total", source="post-owner", result="failed") == 5
    assert value(found, "attribute_source_left_alone", source="post-owner") == 1
    assert value(found, "config_info", revision="abc") == 1
    assert value(found, "config_last_reload_success") == 1
    assert value(found, "in_flight") == 2
    assert value(found, "loop_lag_seconds") == 0.25
    assert value(found, "audit_dropped_total") == 4
    assert value(found, "log_dropped_total") == 5
    assert value(found, "certificate_expiry_seconds", name="server") == -3
    assert value(found, "unsafe_setting", setting="server.unsafe_plaintext_check_listener") == 1
    assert value(found, "faults_total", place="admin /status") == 1
    assert ("sidecar_jwks_age_seconds", (("issuer", "new"),)) not in found


def test_a_failed_reload_shows() -> None:
    assert value(samples(source(Meter(), reload_ok=lambda: False)), "config_last_reload_success") == 0


@pytest.mark.parametrize("reason", list(Reason))
def test_decision_of_each_reason(reason: Reason) -> None:
    meter = Meter()
    count(meter.no_route, reason)
    decision = "allow" if reason in ALLOWING else "deny"
    assert value(samples(source(meter)), "decisions_total", decision=decision, reason=reason.value, route="_none") == 1


def test_the_histogram_is_cumulative_and_complete() -> None:
    meter = Meter()
    for seconds in (0.00001, 0.00002, 0.02, 5.0):
        meter.allow_seconds.observe(seconds)
    meter.deny_seconds.observe(0.3)
    found = samples(source(meter))
    buckets = [value(found, "check_duration_seconds_bucket", decision="allow", le=str(bound)) for bound in BUCKETS]
    assert buckets == sorted(buckets)
    assert buckets[0] == 1
    assert value(found, "check_duration_seconds_bucket", decision="allow", le="0.025") == 3
    assert value(found, "check_duration_seconds_bucket", decision="allow", le="+Inf") == 4
    assert value(found, "check_duration_seconds_count", decision="allow") == 4
    assert value(found, "check_duration_seconds_sum", decision="allow") == pytest.approx(5.02003)
    assert value(found, "check_duration_seconds_count", decision="deny") == 1


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", 'x",route="y', "é"])
def test_label_values_are_escaped(name: str) -> None:
    meter = Meter()
    count(meter.row(name), Reason.PERMITTED)
    assert value(samples(source(meter)), "decisions_total", decision="allow", reason="permitted", route=name) == 1


def test_many_series_come_in_slices() -> None:
    meter = Meter()
    for number in range(1000):
        for reason in (Reason.PERMITTED, Reason.INVALID_TOKEN):
            count(meter.row(f"route-{number}"), reason)
    slices = list(metrics_text(source(meter)))
    assert len(slices) >= 2000 // SLICE
    assert all(part.count(b"\n") <= SLICE and part.endswith(b"\n") for part in slices)
    assert len([key for key in samples(source(meter)) if key[0] == "sidecar_decisions_total"]) == 2000


def test_counting_goes_on_during_a_scrape() -> None:
    meter = Meter()
    done = threading.Event()

    def decide() -> None:
        number = 0
        while not done.is_set():
            number += 1
            count(meter.row(f"route-{number % 5000}"), list(Reason)[number % 20])
            meter.caches["tokens"].hit += 1
            time.sleep(0.00001)

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        for _ in range(20):
            samples(source(meter))
    finally:
        done.set()
        thread.join()
