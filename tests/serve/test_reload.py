"""Changes on disk while it serves."""

import json
import signal
import time
from pathlib import Path

import pytest

from sidecar.app.key_files import plain_key_file, revoke_key
from sidecar.authn.mint import new_private_jwk

from .site import Load, Running, Site, eventually


def revoke(site: Site, key_id: str) -> None:
    revoke_key(plain_key_file(str(site.keys / "keys.yaml"), {}), key_id)


def last_reload(running: Running) -> dict[str, object]:
    found: dict[str, object] = running.status()["last_reload"]
    return found


def test_a_changed_role_acts_without_a_lost_check(site_on_both: Site) -> None:
    site = site_on_both
    with site.start() as running, Load(running, site.token()) as load:
        revision = running.status()["revision"]
        site.edit('viewer: {permissions: ["posts:read"]}', 'viewer: {permissions: ["posts:list"]}')
        eventually(lambda: 403 in load.answers)
        load.stop()
        assert load.errors == []
        assert load.answers == sorted(load.answers), "first every answer by the old configuration, then every one by the new"
        assert running.status()["revision"] != revision
        assert last_reload(running)["ok"] is True


def test_a_broken_edit_keeps_the_last_good_and_is_loud(site: Site, running: Running) -> None:
    """Security rule 25."""
    revision = running.status()["revision"]
    site.edit("paths: [/posts]", "pahts: [/posts]")
    eventually(lambda: last_reload(running)["ok"] is False)
    assert running.with_token(site.token()) == 200
    assert running.status()["revision"] == revision
    assert running.metric("config_last_reload_success") == 0
    assert '"key": "routes.posts.pahts"' in json.dumps(last_reload(running)["errors"])
    assert running.logged("routes.posts.pahts")
    site.edit("pahts: [/posts]", "paths: [/posts]")
    eventually(lambda: last_reload(running)["ok"] is True)
    assert running.metric("config_last_reload_success") == 1
    assert running.status()["revision"] == revision


def test_a_revoked_key_stops_within_a_second(site_on_both: Site) -> None:
    """Security rule 14: one second from the change being seen; here with the time to see it, on a busy machine."""
    site = site_on_both
    key, other = site.new_key("billing-1"), site.new_key("billing-2")
    with site.start() as running:
        assert running.with_key(key) == 200
        revoke(site, "billing-1")
        assert eventually(lambda: running.with_key(key) == 403) < 3
        assert running.with_key(other) == 200


def test_a_key_is_revoked_although_the_configuration_is_broken(site: Site) -> None:
    """Security rule 14: a broken edit must not keep a revocation from acting."""
    key = site.new_key("billing-1")
    with site.start() as running:
        site.edit("paths: [/posts]", "pahts: [/posts]")
        eventually(lambda: last_reload(running)["ok"] is False)
        assert running.with_key(key) == 200
        revoke(site, "billing-1")
        eventually(lambda: running.with_key(key) == 403)


def test_a_broken_key_file_keeps_the_last_good_keys(site: Site) -> None:
    key = site.new_key("billing-1")
    with site.start() as running:
        good = (site.keys / "keys.yaml").read_text()
        (site.keys / "keys.yaml").write_text("keys: [")
        eventually(lambda: running.status()["api_keys"]["partners"]["last_error"] != "")
        assert running.with_key(key) == 200
        assert "keys.yaml" in running.status()["api_keys"]["partners"]["last_error"]
        (site.keys / "keys.yaml").write_text(good)
        eventually(lambda: running.status()["api_keys"]["partners"]["last_error"] == "")


def test_a_rotated_key_set_file(site: Site, running: Running) -> None:
    """An added key leaves tokens of the old one valid; a removed one does not, cached or not."""
    old, fresh = site.private, new_private_jwk("ES256", "k2")
    token = site.token()
    assert running.with_token(token) == 200
    site.publish(old, fresh)
    eventually(lambda: running.with_token(site.token(key=fresh)) == 200)
    assert running.with_token(token) == 200
    site.publish(fresh)
    eventually(lambda: running.with_token(token) == 401)
    assert running.status()["issuers"]["corp"]["generation"] == 3


def test_a_broken_key_set_file_keeps_the_last_good_keys(site: Site, running: Running) -> None:
    """Security rule 10."""
    (site.keys / "jwks.json").write_text("{")
    eventually(lambda: running.status()["issuers"]["corp"]["last_error"] != "")
    assert running.with_token(site.token()) == 200
    site.edit("paths: [/healthz]", "paths: [/health]")
    eventually(lambda: running.http_status("/health") == 200)
    assert running.with_token(site.token()) == 200, "a reload goes on with the keys that are in use"


def test_a_new_issuer_is_503_until_its_keys_are_there(site: Site, running: Running) -> None:
    """Security rule 9; the rest goes on."""
    lines = [
        "issuers:",
        "  next:",
        "    issuer: https://next.example.com",
        "    audiences: [https://api.example.com]",
        '    keys: {url: "http://127.0.0.1:9/jwks"}',
    ]
    site.edit("issuers:\n", "\n".join(lines) + "\n")
    site.edit("authenticate: [corp, partners]", "authenticate: [corp, partners, next]")
    eventually(lambda: running.with_token(site.token(iss="https://next.example.com")) == 503)
    assert running.with_token(site.token()) == 200
    assert running.ready()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("transport: native", "transport: grpcio", "server.transport"),
        ("127.0.0.1:{admin}", "127.0.0.1:1", "admin.listen"),
    ],
)
def test_what_needs_a_restart_is_refused_with_that_sentence(site: Site, running: Running, old: str, new: str, key: str) -> None:
    site.edit(old.format(admin=site.admin), new)
    eventually(lambda: last_reload(running)["ok"] is False)
    errors = json.dumps(last_reload(running)["errors"])
    assert f"{key} needs a restart" in errors


def test_limits_of_the_listener_change_while_it_serves(site_on_both: Site) -> None:
    site = site_on_both
    with site.start() as running:
        padded = {"authorization": f"Bearer {site.token()}", "x_padding": "x" * 20_000}
        assert running.http_status(**padded) == 200
        site.edit("  shutdown_delay", "  max_check_size: 16KiB\n  shutdown_delay")
        eventually(lambda: running.http_status(**padded) == 400)
        assert running.with_token(site.token()) == 200


def test_a_guarded_change_has_to_be_acknowledged(site: Site, running: Running) -> None:
    site.edit("    issuer: https://idp.example.com", "    issuer: https://other.example.com")
    eventually(lambda: last_reload(running)["ok"] is False)
    assert "acknowledge: [issuer_dropped:corp]" in json.dumps(last_reload(running)["errors"])
    assert running.with_token(site.token()) == 200
    site.edit("version: 1\n", "version: 1\nacknowledge: ['issuer_dropped:corp']\n")
    eventually(lambda: last_reload(running)["ok"] is True)
    assert running.with_token(site.token()) == 401


def test_a_config_map_is_swapped(tmp_path: Path) -> None:
    """The kubelet's way: ``config.yaml`` → ``..data/config.yaml``, and ``..data`` is swapped."""
    site = Site(tmp_path)
    text = site.config()
    (site.conf / "config.yaml").unlink()

    def mount(generation: str, content: str) -> None:
        (site.conf / generation).mkdir()
        (site.conf / generation / "config.yaml").write_text(content)
        (site.conf / "..data_tmp").symlink_to(generation)
        (site.conf / "..data_tmp").replace(site.conf / "..data")

    mount("..2026_01", text)
    (site.conf / "config.yaml").symlink_to("..data/config.yaml")
    with site.start() as running:
        assert running.http_status("/healthz") == 200
        mount("..2026_02", text.replace("/healthz", "/health"))
        eventually(lambda: running.http_status("/health") == 200)
        assert running.http_status("/healthz") == 403


def test_sighup_reloads(site: Site, running: Running) -> None:
    at = last_reload(running)["at"]
    time.sleep(1.1)
    running.proc.signal(signal.SIGHUP)
    eventually(lambda: last_reload(running)["at"] != at)
    assert last_reload(running)["ok"] is True


def test_the_validator_child_is_gone_afterwards(site: Site, running: Running) -> None:
    site.edit("paths: [/healthz]", "paths: [/health]")
    eventually(lambda: running.http_status("/health") == 200)
    children = Path(f"/proc/{running.proc.pid}/task/{running.proc.pid}/children").read_text().split()
    assert children == []
