"""A running sidecar's /status, judged."""

import asyncio
import json
from typing import Any

import pytest

from sidecar import __version__
from sidecar.app.doctor.findings import Finding, Findings
from sidecar.app.doctor.running import check_running
from tests.support.envoy_config import bad
from tests.support.fake_fetcher import FakeFetcher
from tests.support.settings import make_settings

ADMIN = "http://127.0.0.1:9192"
GOOD: dict[str, Any] = {
    "version": __version__,
    "revision": "abc",
    "ready": True,
    "not_ready_because": [],
    "issuers": {"corp": {"usable": True, "key_age_seconds": 20.0, "last_error": ""}},
    "api_keys": {"partners": {"last_error": ""}},
    "last_reload": {"ok": True},
    "loop_lag_seconds": 0.001,
    "records_dropped": 0,
    "background_crashes": {},
}


def looked(document: object, admin: str = ADMIN) -> list[Finding]:
    fetcher = FakeFetcher({f"{ADMIN}/status": document if isinstance(document, bytes) else json.dumps(document).encode()})
    findings = Findings()
    asyncio.run(check_running(admin, make_settings(), "abc", fetcher, findings))
    return findings.all


@pytest.mark.parametrize("admin", [ADMIN, ADMIN + "/", ADMIN + "/status"])
def test_one_that_is_well(admin: str) -> None:
    assert [(finding.severity, finding.check) for finding in looked(GOOD, admin)] == [("ok", "running")]


@pytest.mark.parametrize(
    ("change", "severity", "check"),
    [
        ({"version": "0.0.1"}, "warning", "running.version"),
        ({"ready": False, "not_ready_because": ["issuer:corp"]}, "error", "running.ready"),
        ({"revision": "def"}, "warning", "running.revision"),
        ({"last_reload": {"ok": False}}, "error", "running.reload"),
        ({"loop_lag_seconds": 0.2}, "warning", "running.lag"),
        ({"records_dropped": 3}, "warning", "running.records"),
        ({"background_crashes": {"x": 1}}, "error", "running.crashes"),
        ({"issuers": {"corp": {"usable": False, "last_error": "refused"}}}, "error", "running.keys"),
        ({"issuers": {"corp": {"usable": True, "key_age_seconds": 7200}}}, "warning", "running.keys"),
        ({"api_keys": {"partners": {"last_error": "no such file"}}}, "error", "running.keys"),
    ],
)
def test_each_trouble_is_found(change: dict[str, Any], severity: str, check: str) -> None:
    assert bad(looked({**GOOD, **change})) == [(severity, check)]


@pytest.mark.parametrize("document", [b"<html>", b"[]", b"{}", b"[" * 100_000, {"revision": "abc"}])
def test_what_is_no_sidecar(document: object) -> None:
    assert bad(looked(document)) == [("error", "running")]


def test_one_that_does_not_answer() -> None:
    findings = Findings()
    asyncio.run(check_running("http://user:c4n4ry@127.0.0.1:1?k=c4n4ry", None, "", FakeFetcher(), findings))
    assert bad(findings.all) == [("error", "running")]
    assert "c4n4ry" not in repr(findings.all)
