"""Who may read and write the files that decide: secrets, key files, certificates, the socket's folder."""

import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sidecar.adapters.files import read_bounded
from sidecar.app.spans import in_words
from sidecar.authn.certificates import not_after
from sidecar.config.files import config_paths
from sidecar.model.addresses import parse_listen
from sidecar.model.errors import SourceError, Where
from sidecar.model.settings import FileKeys, SecretRef, Settings, SharedSecretKeys, TlsSettings

from .findings import Findings, Severity, named

SOON = 14 * 86400
MAX_CERTIFICATE = 1024 * 1024


class Kept(NamedTuple):
    """A file and what it is to us. ``readable``: how bad it is when everyone may read it; OK where that is nothing."""

    path: str
    where: Where
    word: str
    readable: Severity = Severity.OK


def check_files(settings: Settings, config: str, now: float, findings: Findings) -> None:
    """Look at every file that the configuration names, and at the configuration. ``now``: wall seconds."""
    files = list(_kept(settings, config))
    for kept in files:
        _check_file(kept, findings)
    _check_socket(settings, findings)
    if settings.server.tls is not None:
        _check_certificate(settings.server.tls, now, findings)


def _kept(settings: Settings, config: str) -> Iterator[Kept]:
    for path in _configuration(config):
        yield Kept(path, named("config"), "the configuration")
    for store in settings.api_keys.values():
        # Digests without a pepper can be tried offline by whoever reads them.
        yield Kept(store.path, store.where, "the key file", Severity.OK if store.peppers else Severity.WARNING)
        for secret in store.peppers.values():
            yield from _secret(secret, "the pepper")
    for issuer in settings.issuers.values():
        if isinstance(issuer.keys, SharedSecretKeys):
            yield from _secret(issuer.keys.secret, "the shared secret")
        if isinstance(issuer.keys, FileKeys):
            yield Kept(issuer.keys.path, issuer.keys.where, "the key set")
        if issuer.refresh.ca_file is not None:
            yield Kept(issuer.refresh.ca_file, issuer.where, "the CA file")
    if (tls := settings.server.tls) is not None:
        where = named("server.tls")
        yield Kept(tls.key_file, where, "the private key", Severity.ERROR)
        yield Kept(tls.cert_file, where, "the certificate")
        if tls.client_ca_file is not None:
            yield Kept(tls.client_ca_file, where, "the client CA file")


def _configuration(config: str) -> list[str]:
    """The configuration's files, and their directory: who can write it can add one."""
    try:
        files = config_paths(config)
    except OSError:  # said by looking at the directory itself
        files = []
    return [config, *(file for file in files if file != config)]


def _secret(secret: SecretRef, word: str) -> Iterator[Kept]:
    if secret.kind == "file":
        yield Kept(secret.value, secret.where, word, Severity.ERROR)


def _check_file(kept: Kept, findings: Findings) -> None:
    try:
        found = Path(kept.path).stat()
        folder = Path(kept.path).resolve().parent.stat()
        fixed = os.statvfs(kept.path).f_flag & os.ST_RDONLY
    except OSError as error:
        findings.error(
            "files", kept.where, f"{kept.word} {kept.path} cannot be looked at: {(error.strerror or '').lower()}", "correct the path"
        )
        return
    start = len(findings.all)
    if kept.readable is not Severity.OK and found.st_mode & stat.S_IROTH:
        note = findings.error if kept.readable is Severity.ERROR else findings.warning
        way_out = f"chmod 0640 {kept.path}; in Kubernetes defaultMode: 0440 and fsGroup"
        note("files.mode", kept.where, f"{kept.word} {kept.path} can be read by every user", way_out)
    if not fixed:  # a volume that is mounted read-only has wide modes that mean nothing
        _check_writers(kept, found, folder, findings)
    if findings.sound_since(start):
        findings.ok("files", kept.where, f"{kept.word} {kept.path} has mode {stat.S_IMODE(found.st_mode):04o}")


def _check_writers(kept: Kept, found: os.stat_result, folder: os.stat_result, findings: Findings) -> None:
    if found.st_mode & stat.S_IWOTH:
        findings.error("files.mode", kept.where, f"{kept.word} {kept.path} can be changed by every user", f"chmod o-w {kept.path}")
    elif found.st_mode & stat.S_IWGRP and found.st_gid not in _own_groups():
        findings.warning("files.mode", kept.where, f"{kept.word} {kept.path} can be changed by another group", f"chmod g-w {kept.path}")
    if _open_to_all(folder):
        findings.error(
            "files.folder",
            kept.where,
            f"the folder of {kept.word} {kept.path} can be written by every user, who can replace it",
            f"chmod o-w {Path(kept.path).parent}",
        )
    if found.st_uid not in _own_users():
        words = f"{kept.word} {kept.path} belongs to user {found.st_uid}, who can change it"
        findings.warning("files.owner", kept.where, words, "give it to the sidecar's user, or to root")


def _own_users() -> set[int]:
    return {0, os.geteuid()}


def _own_groups() -> set[int]:
    return {0, os.getegid(), *os.getgroups()}


def _open_to_all(folder: os.stat_result) -> bool:
    """Whether anyone may replace files in it; the sticky bit keeps strangers from it."""
    return bool(folder.st_mode & stat.S_IWOTH) and not folder.st_mode & stat.S_ISVTX


def _check_socket(settings: Settings, findings: Findings) -> None:
    listen = parse_listen(settings.server.listen)
    if listen is None or listen.kind != "unix":
        return
    where, path = named("server.listen"), Path(listen.path)
    mode = settings.server.socket_mode
    try:
        folder = path.parent.stat()
    except OSError as error:
        findings.error(
            "files.socket", where, f"the folder {path.parent} cannot be looked at: {(error.strerror or '').lower()}", "create it"
        )
        return
    if _open_to_all(folder):
        findings.error(
            "files.socket",
            where,
            f"the folder {path.parent} can be written by every user, who can put a socket in its place",
            f"chmod o-w {path.parent}",
        )
    elif folder.st_mode & stat.S_IWOTH:
        findings.warning(
            "files.socket",
            where,
            f"the folder {path.parent} is everyone's: another user can take the path first",
            "a folder of its own: /run/sidecar",
        )
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        findings.error("files.socket", where, f"this user cannot make a socket in {path.parent}", "give the folder to the sidecar's user")
    else:
        findings.ok("files.socket", where, f"the folder {path.parent} has mode {stat.S_IMODE(folder.st_mode):04o}, the socket {mode:04o}")
    _check_live_socket(path, mode, where, findings)


def _check_live_socket(path: Path, mode: int, where: Where, findings: Findings) -> None:
    try:
        found = path.lstat()
    except OSError:
        return  # not running
    if not stat.S_ISSOCK(found.st_mode):
        findings.error("files.socket", where, f"{path} is there and is no socket", "remove it, or listen elsewhere")
    elif stat.S_IMODE(found.st_mode) & ~mode:
        said = stat.S_IMODE(found.st_mode)
        findings.error(
            "files.socket", where, f"{path} has mode {said:04o}, which is wider than server.socket_mode {mode:04o}", "restart it"
        )


def _check_certificate(tls: TlsSettings, now: float, findings: Findings) -> None:
    where = named("server.tls")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
        ends = not_after(read_bounded(tls.cert_file, MAX_CERTIFICATE))
    except ssl.SSLError:
        findings.error(
            "tls.certificate", where, f"{tls.cert_file} and {tls.key_file} are no certificate with its key", "correct one of them"
        )
    except (OSError, SourceError) as error:
        words = str(error) if isinstance(error, SourceError) else f"{tls.cert_file}: {(error.strerror or '').lower()}"
        findings.error("tls.certificate", where, words, "correct the path, owner or mode")
    else:
        words = f"the certificate {tls.cert_file} ends {in_words(ends, now)}"
        if ends <= now:
            findings.error("tls.certificate", where, words, "renew it; it is read again by itself")
        elif ends <= now + SOON:
            findings.warning("tls.certificate", where, words, "renew it; it is read again by itself")
        else:
            findings.ok("tls.certificate", where, words)
