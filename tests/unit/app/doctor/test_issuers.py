"""Issuers as the doctor sees them, on an imaginary network."""

import asyncio
import json
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.doctor.findings import Finding, Findings
from sidecar.app.doctor.issuers import check_issuers
from sidecar.ports import FetchError
from tests.support.envoy_config import bad
from tests.support.fake_clock import FakeClock
from tests.support.fake_fetcher import FakeFetcher
from tests.support.settings import load_files, make_settings
from tests.support.tokens import ISSUER, shared_key

URL = f"{ISSUER}/jwks.json"


def issuer(**changes: Any) -> dict[str, Any]:
    base = {"issuer": ISSUER, "audiences": ["a"], "max_lifetime": "1h", "algorithms": ["RS256"], "keys": {"discovery": True}}
    return {"corp": {**base, **changes}}


def looked(fetcher: FakeFetcher, **changes: Any) -> list[Finding]:
    routes = {"r": {"paths": ["/"], "authenticate": ["corp"], "require": {"authenticated": True}}}
    settings = make_settings(issuers=issuer(**changes), api_keys=None, roles=None, routes=routes)
    findings = Findings()
    asyncio.run(check_issuers(settings, fetcher, FakeClock(), findings))
    return findings.all


def network(**headers: str) -> FakeFetcher:
    fetcher = FakeFetcher(headers=headers)
    fetcher.discover(URL)
    fetcher.publish(URL, shared_key("RS256", "RS256"))
    return fetcher


def date(offset: float) -> str:
    return formatdate(FakeClock().wall + offset, usegmt=True)


def test_a_good_issuer() -> None:
    found = looked(network(date=date(0)))
    assert bad(found) == []
    assert [finding.check for finding in found] == ["issuers.reachable", "issuers.keys", "clock"]
    assert "1 usable key for RS256" in found[1].message
    assert "trusted TLS" in found[0].message


def test_algorithms_without_a_key_are_named() -> None:
    found = looked(network(), algorithms=["RS256", "ES256"])
    assert bad(found) == []
    assert "no key for ES256" in found[1].message


@pytest.mark.parametrize(
    ("offset", "age", "wanted"),
    [
        (2, None, []),
        (-12, None, [("warning", "clock")]),
        (12, None, [("warning", "clock")]),
        (-90, None, [("error", "clock")]),
        (90, None, [("error", "clock")]),
        (-90, "90", []),
        (-90, "nonsense", [("error", "clock")]),
    ],
)
def test_the_clock_is_compared_with_the_issuers(offset: float, age: str | None, wanted: list[tuple[str, str]]) -> None:
    """A cache's answer is as old as it says."""
    found = looked(network(date=date(offset), **({"age": age} if age else {})))
    assert bad(found) == wanted
    assert ("ahead of" in found[-1].message) is (bool(wanted) and offset < 0)


@pytest.mark.parametrize("value", ["", "yesterday", "Tue, 99 Nov 2026 99:00:00 GMT"])
def test_a_date_that_is_none_says_nothing(value: str) -> None:
    found = looked(network(date=value))
    assert bad(found) == []
    assert "not compared" in found[-1].message


def test_an_issuer_that_cannot_be_reached_or_trusted() -> None:
    fetcher = network()
    fetcher.documents[URL] = FetchError(f"{URL}: TLS certificate refused: self-signed certificate")
    (finding, *_) = looked(fetcher)
    assert (finding.severity, finding.check) == ("error", "issuers.reachable")
    assert "ca_file" in finding.hint
    fetcher.documents[URL] = FetchError(f"{URL}: connection refused")
    assert bad(looked(fetcher)) == [("error", "issuers.reachable")]


def test_discovery_of_somebody_else() -> None:
    fetcher = network()
    fetcher.discover(URL, issuer="https://other.example.com")
    (finding, *_) = looked(fetcher)
    assert (finding.severity, finding.check) == ("error", "issuers.keys")
    assert "another issuer" in finding.message
    fetcher.discover("http://idp.example.com/jwks.json")
    assert "https only" in looked(fetcher)[0].message


def test_keys_that_are_no_use() -> None:
    fetcher = network()
    fetcher.publish(URL, shared_key("ES256", "ES256"))
    assert bad(looked(fetcher)) == [("error", "issuers.keys")]
    fetcher.publish(URL, shared_key("RS256", "RS256"), shared_key("ES256", "ES256"))
    assert bad(looked(fetcher)) == [("warning", "issuers.algorithms")]
    fetcher.publish(URL, shared_key("RS256", "RS256"), {"kty": "oct", "k": "c4n4ry"})
    found = looked(fetcher)
    assert bad(found) == [("warning", "issuers.keys")]
    assert "c4n4ry" not in repr(found)
    fetcher.documents[URL] = b"<html>"
    assert bad(looked(fetcher)) == [("error", "issuers.keys")]


def test_keys_by_url_need_no_discovery() -> None:
    fetcher = FakeFetcher()
    fetcher.publish(URL, shared_key("RS256", "RS256"))
    assert bad(looked(fetcher, keys={"url": URL})) == []
    assert [call.url for call in fetcher.calls] == [URL]


def test_local_keys_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("c4n4ry")
    document = {
        "version": 1,
        "issuers": issuer(algorithms=["HS256"], keys={"shared_secret": {"file": "secret"}}),
        "routes": {"r": {"paths": ["/"], "authenticate": ["corp"], "require": {"authenticated": True}}},
    }
    settings = load_files({"sidecar.yaml": json.dumps(document)}, base=str(tmp_path)).settings
    for content, wanted in (("c4n4ry", [("error", "issuers.keys")]), ("c4n4ry" * 10, [])):
        (tmp_path / "secret").write_text(content)
        findings = Findings()
        asyncio.run(check_issuers(settings, FakeFetcher(), FakeClock(), findings))
        assert bad(findings.all) == wanted
        assert "c4n4ry" not in repr(findings.all)
