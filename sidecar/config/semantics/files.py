"""That files and environment variables which the configuration names are there. Reads none of them."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from sidecar.config.convert.place import Place
from sidecar.config.marks import KeyPath
from sidecar.model.settings import FileAttribute, FileKeys, HttpAttribute, IssuerSettings, SecretRef, Settings, SharedSecretKeys


def check_files(settings: Settings, place: Place, environment: Collection[str]) -> None:
    """Note every file that is missing or unreadable, and every environment variable that is not set."""
    for path, file in _files(settings):
        if fault := _fault_of_file(file):
            place.wrong(path, f"file {file} {fault}", "create it, or correct the path" if fault == "does not exist" else "")
    for path, secret in _secrets(settings):
        if secret.kind == "env" and secret.value not in environment:
            place.wrong((*path, "env"), f"environment variable {secret.value} is not set", "set it for the sidecar")
        elif secret.kind == "file" and (fault := _fault_of_file(secret.value)):
            place.wrong(
                (*path, "file"), f"file {secret.value} {fault}", "create it, or correct the path" if fault == "does not exist" else ""
            )


def _fault_of_file(file: str) -> str:
    try:
        if not Path(file).exists():
            return "does not exist"
        if not Path(file).is_file():
            return "is not a regular file"
    except (OSError, ValueError):
        return "cannot be looked at"
    return "" if os.access(file, os.R_OK) else "cannot be read by this user"


def _files(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    tls = settings.server.tls
    if tls is not None:
        for key, file in (("cert_file", tls.cert_file), ("key_file", tls.key_file), ("client_ca_file", tls.client_ca_file)):
            if file is not None:
                yield ("server", "tls", key), file
    for issuer in settings.issuers.values():
        yield from _files_of_issuer(issuer)
    for store in settings.api_keys.values():
        yield ("api_keys", store.name, "store", "file"), store.path
    for source in settings.attributes.values():
        if isinstance(source.source, FileAttribute):
            yield ("attributes", source.name, "file", "path"), source.source.path
        elif isinstance(source.source, HttpAttribute) and source.source.ca_file is not None:
            yield ("attributes", source.name, "http", "ca_file"), source.source.ca_file


def _files_of_issuer(issuer: IssuerSettings) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(issuer.keys, FileKeys):
        yield ("issuers", issuer.name, "keys", "file"), issuer.keys.path
    if issuer.refresh.ca_file is not None:
        yield ("issuers", issuer.name, "refresh", "ca_file"), issuer.refresh.ca_file


def _secrets(settings: Settings) -> Iterator[tuple[KeyPath, SecretRef]]:
    for issuer in settings.issuers.values():
        if isinstance(issuer.keys, SharedSecretKeys):
            yield ("issuers", issuer.name, "keys", "shared_secret"), issuer.keys.secret
    for store in settings.api_keys.values():
        for pepper, secret in store.peppers.items():
            yield ("api_keys", store.name, "peppers", pepper), secret
    for source in settings.attributes.values():
        for header, value in source.source.headers.items() if isinstance(source.source, HttpAttribute) else ():
            if isinstance(value, SecretRef):
                yield ("attributes", source.name, "http", "headers", header), value
