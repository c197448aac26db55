"""The file of an attribute source while it is served, and what ``explain`` makes of sources."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .site import ROOT, Running, Site, eventually, replace

CANARY = "s3cr3t-canary"
POLICY = """
policies:
  open: {effect: allow, conditions: {resource.class: {equals: public}}}
  owned: {effect: allow, conditions: {resource.owner: {equals: user.id}}}
attributes:
  classes: {provides: resource.class, file: {path: ../keys/classes.csv, format: csv, key: "{id}"}}
  owner:
    provides: resource.owner
    http: {url: "http://127.0.0.1:1/{id}", headers: {x-token: {file: ../keys/source-token}}}
"""
ROUTES = """
  doc: {paths: ["/docs/{id}"], authenticate: [corp], require: {policies: [open]}}
  own: {paths: ["/own/{id}"], authenticate: [corp], require: {policies: [owned]}}
"""


@pytest.fixture
def classes(site: Site) -> Path:
    path = site.keys / "classes.csv"
    path.write_text("id,class\n7,public\n8,secret\n")
    (site.keys / "source-token").write_text(CANARY)
    site.write(site.config().replace("\nidentity_headers:", f"{ROUTES}\nidentity_headers:") + POLICY)
    return path


def status(running: Running, site: Site, target: str) -> int:
    return running.http_status(target, authorization=f"Bearer {site.token()}")


def test_a_changed_table_acts_and_a_broken_one_does_not(site: Site, classes: Path) -> None:
    with site.start() as running:
        assert [status(running, site, f"/docs/{post}") for post in "789"] == [200, 403, 403]
        assert status(running, site, "/own/7") == 503
        replace(classes, "id,class\n7,secret\n8,public\n")
        eventually(lambda: status(running, site, "/docs/8") == 200)
        assert status(running, site, "/docs/7") == 403
        replace(classes, "id,class\n7,public\n7,secret\n")
        eventually(lambda: "again" in running.status()["attributes"]["classes"]["last_error"])
        assert running.logged("what it had stays")
        assert [status(running, site, f"/docs/{post}") for post in "78"] == [403, 200]
        found = running.status()
        assert found["attributes"]["classes"]["entries"] == 2
        assert found["attributes"]["owner"]["results"]["failed"] == 1
        assert found["ready"]
        (site.keys / "source-token").write_text(f"{CANARY}\nx: y\n")
        eventually(lambda: "line break" in running.status()["attributes"]["owner"]["last_error"])
        everything = json.dumps(running.status()) + running.log() + running.page("metrics")[1] + json.dumps(running.records())
        assert CANARY not in everything
        assert "127.0.0.1:1/7" not in everything, "nor what was asked about"
        assert running.metric('attribute_requests_total{source="owner",result="failed"}') == 1


def test_a_table_that_cannot_be_read_is_an_error_at_the_start(site: Site, classes: Path) -> None:
    classes.write_text("id,class\n7\n")
    done = subprocess.run(site.command(), capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert done.returncode != 0
    assert "classes.csv:2" in done.stderr


def test_explain_reads_tables_and_says_that_it_asks_nobody(site: Site, classes: Path) -> None:
    assert classes.exists()
    command = [sys.executable, "-m", "sidecar", "explain", "--config", str(site.conf), "--output", "json", "GET"]
    found = {}
    for path in ("docs/7", "docs/8", "own/7"):
        arguments = [*command, f"https://api.example.com/{path}", "-H", f"authorization: Bearer {site.token()}"]
        found[path] = json.loads(subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60).stdout)
    assert found["docs/7"]["decision"] == "allow"
    assert found["docs/8"]["reason"] == "policy_not_satisfied"
    assert (found["own/7"]["reason"], found["own/7"]["rule"]) == ("dependency_unavailable", "attributes.owner")
    assert "asked by a running sidecar only" in found["own/7"]["detail"]
