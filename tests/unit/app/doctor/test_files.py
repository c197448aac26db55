"""Who may read and write the files that decide."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from sidecar.app.doctor import files as module
from sidecar.app.doctor.files import check_files
from sidecar.app.doctor.findings import Finding, Findings
from sidecar.model.settings import Settings
from tests.support.envoy_config import bad
from tests.support.settings import load_files, make_settings

CANARY = "c4n4ry-of-this-test"
NOW = time.time()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o755)
    before = os.umask(0o027)
    for name in ("keys.yaml", "pepper", "secret", "jwks.json", "sidecar.yaml"):
        (tmp_path / name).write_text(CANARY)
    yield tmp_path
    os.umask(before)


def settings_of(folder: Path, *, peppers: bool = True, **server: Any) -> Settings:
    store = {"store": {"file": "keys.yaml"}} | ({"peppers": {"1": {"file": "pepper"}}} if peppers else {})
    base = {
        "issuer": "https://a.example.com",
        "audiences": ["a"],
        "max_lifetime": "1h",
        "algorithms": ["HS256"],
        "keys": {"shared_secret": {"file": "secret"}},
    }
    files = {**base, "issuer": "https://b.example.com", "algorithms": ["RS256"], "keys": {"file": "jwks.json"}}
    route = {"paths": ["/"], "authenticate": ["keys", "a", "b"], "require": {"authenticated": True}}
    listen = {"listen": f"unix://{folder}/check.sock", **server}
    document = {
        "version": 1,
        "server": listen,
        "issuers": {"a": base, "b": files},
        "api_keys": {"keys": store},
        "routes": {"r": route},
    }
    return load_files({"sidecar.yaml": json.dumps(document)}, base=str(folder)).settings


def looked(folder: Path, settings: Settings | None = None, now: float = NOW) -> list[Finding]:
    findings = Findings()
    check_files(settings or settings_of(folder), str(folder / "sidecar.yaml"), now, findings)
    assert CANARY not in repr(findings.all)
    return findings.all


def test_private_files_are_fine(folder: Path) -> None:
    found = looked(folder)
    assert bad(found) == []
    assert len(found) == 6  # five files and the socket's folder


@pytest.mark.parametrize("name", ["pepper", "secret"])
def test_a_secret_that_everyone_reads(folder: Path, name: str) -> None:
    (folder / name).chmod(0o644)
    assert bad(looked(folder)) == [("error", "files.mode")]
    (folder / name).chmod(0o440)
    assert bad(looked(folder)) == []


def test_digests_without_a_pepper_are_worth_guessing(folder: Path) -> None:
    (folder / "keys.yaml").chmod(0o644)
    assert bad(looked(folder)) == []
    assert bad(looked(folder, settings_of(folder, peppers=False))) == [("warning", "files.mode")]


@pytest.mark.parametrize("name", ["keys.yaml", "pepper", "jwks.json", "sidecar.yaml"])
def test_what_everyone_can_change(folder: Path, name: str) -> None:
    (folder / name).chmod(0o622)
    (finding,) = [one for one in looked(folder) if one.severity == "error"]
    assert finding.check == "files.mode"
    assert finding.hint == f"chmod o-w {folder / name}"


def test_a_folder_that_everyone_can_write(folder: Path) -> None:
    folder.chmod(0o777)
    checks = bad(looked(folder))
    assert set(checks) == {("error", "files.folder"), ("error", "files.socket")}
    folder.chmod(0o1777)
    assert bad(looked(folder)) == [("warning", "files.socket")]
    folder.chmod(0o755)


def test_a_file_that_went_away(folder: Path) -> None:
    settings = settings_of(folder)
    (folder / "pepper").unlink()
    assert bad(looked(folder, settings)) == [("error", "files")]


def test_the_sockets_folder_has_to_be_there(folder: Path) -> None:
    assert bad(looked(folder, settings_of(folder, listen="unix:///nowhere/at/all.sock"))) == [("error", "files.socket")]


def test_a_socket_that_is_none_and_one_that_is_too_open(folder: Path) -> None:
    path = folder / "check.sock"
    path.write_text("")
    assert bad(looked(folder)) == [("error", "files.socket")]
    path.unlink()
    os.mknod(path, 0o140660)  # a socket's file, without anyone listening
    assert bad(looked(folder)) == []
    path.chmod(0o666)
    assert bad(looked(folder)) == [("error", "files.socket")]


def test_a_tcp_listener_has_no_folder(folder: Path) -> None:
    assert len(looked(folder, settings_of(folder, listen="127.0.0.1:9191"))) == 5


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [
        (timedelta(days=90), []),
        (timedelta(days=3), [("warning", "tls.certificate")]),
        (timedelta(days=-1), [("error", "tls.certificate")]),
    ],
)
def test_the_end_of_the_certificate(folder: Path, ends: timedelta, wanted: list[tuple[str, str]]) -> None:
    issued = trustme.CA().issue_cert("sidecar.example.com", not_after=datetime.now(UTC) + ends)
    issued.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    issued.private_key_pem.write_to_path(folder / "tls.key")
    (folder / "tls.key").chmod(0o600)
    tls = {"cert_file": "tls.crt", "key_file": "tls.key"}
    assert bad(looked(folder, settings_of(folder, listen="127.0.0.1:9191", tls=tls))) == wanted


def test_a_key_of_another_certificate(folder: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("a.example.com").cert_chain_pems[0].write_to_path(folder / "tls.crt")
    authority.issue_cert("b.example.com").private_key_pem.write_to_path(folder / "tls.key")
    (folder / "tls.key").chmod(0o644)
    tls = {"cert_file": "tls.crt", "key_file": "tls.key"}
    found = bad(looked(folder, settings_of(folder, listen="127.0.0.1:9191", tls=tls)))
    assert found == [("error", "files.mode"), ("error", "tls.certificate")]


def test_a_volume_that_is_mounted_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Kubernetes mounts a ConfigMap: everyone may write, by the mode, and nobody can. Reading is another matter."""
    real = os.statvfs

    def read_only(path: str) -> Any:
        found = real(path)
        return os.statvfs_result((*found[:8], found.f_flag | os.ST_RDONLY, found[9]))

    (folder / "sidecar.yaml").chmod(0o666)
    (folder / "pepper").chmod(0o666)
    monkeypatch.setattr(os, "statvfs", read_only)
    (finding,) = [one for one in looked(folder) if one.severity == "error"]
    assert "pepper" in finding.message
    assert "can be read" in finding.message


def test_another_owner_and_another_group(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "keys.yaml").chmod(0o660)
    monkeypatch.setattr(os, "getegid", lambda: 54321)
    monkeypatch.setattr(os, "getgroups", lambda: [54322])
    own = (folder / "keys.yaml").stat()
    wanted = [("warning", "files.mode")] if own.st_gid else []
    assert bad(looked(folder)) == wanted
    monkeypatch.setattr("sidecar.app.doctor.files._own_groups", lambda: {54321})
    assert bad(looked(folder)) == [("warning", "files.mode")]
    monkeypatch.setattr("sidecar.app.doctor.files._own_users", lambda: {54321})
    assert bad(looked(folder)).count(("warning", "files.owner")) == 5


def test_a_folder_that_this_user_cannot_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert bad(looked(folder)) == [("error", "files.socket")]


def test_certificates_that_cannot_be_read(folder: Path) -> None:
    settings = settings_of(folder, listen="127.0.0.1:9191", tls={"cert_file": "no.crt", "key_file": "no.key", "client_ca_file": "no.ca"})
    assert bad(looked(folder, settings)) == [("error", "files")] * 3 + [("error", "tls.certificate")]


def test_the_ca_of_an_issuer_is_looked_at(folder: Path) -> None:
    (folder / "ca.pem").write_text(CANARY)
    (folder / "ca.pem").chmod(0o646)
    settings = settings_of(folder)
    issuer = settings.issuers["b"]
    refresh = replace(issuer.refresh, ca_file=str(folder / "ca.pem"))
    changed = replace(settings, issuers={**settings.issuers, "b": replace(issuer, refresh=refresh)})
    assert bad(looked(folder, changed)) == [("error", "files.mode")]


def test_a_directory_is_looked_at_file_by_file(folder: Path) -> None:
    config = folder / "conf.d"
    config.mkdir()
    (config / "a.yaml").write_text("")
    (config / "a.yaml").chmod(0o666)
    findings = Findings()
    check_files(replace(make_settings(), api_keys={}, issuers={}), str(config), NOW, findings)
    assert ("error", "files.mode") in bad(findings.all)


def test_of_a_configuration_directory_the_files_that_are_read(folder: Path) -> None:
    conf = folder / "conf"
    conf.mkdir()
    for name in ("a.yaml", "b.yml", ".hidden.yaml", "b.yxml", "note.txt"):
        (conf / name).write_text("")
        (conf / name).chmod(0o622)
    findings = Findings()
    check_files(settings_of(folder), str(conf), NOW, findings)
    assert [one.hint for one in findings.all if one.severity == "error"] == [f"chmod o-w {conf / name}" for name in ("a.yaml", "b.yml")]


def test_a_configuration_directory_that_cannot_be_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "config_paths", refuse)
    (folder / "conf").mkdir()
    findings = Findings()
    check_files(settings_of(folder), str(folder / "conf"), NOW, findings)
    assert [one for one in findings.all if f"configuration {folder / 'conf'}" in one.message]
