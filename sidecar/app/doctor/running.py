"""A sidecar that runs, by its admin listener's /status."""

import json
from collections.abc import Mapping
from typing import Any

from sidecar import __version__
from sidecar.adapters.fetch_words import url_words
from sidecar.config.marks import shown
from sidecar.model.errors import Where
from sidecar.model.settings import Settings
from sidecar.ports import Fetcher, FetchError

from .findings import Findings

MAX_STATUS = 4 * 1024 * 1024
TIMEOUT = 5.0
LAG = 0.05
STALE = 3
"""Refresh intervals without new keys that are worth a word."""


async def check_running(admin: str, settings: Settings | None, revision: str, fetcher: Fetcher, findings: Findings) -> None:
    """Ask ``admin`` (the admin listener's URL). ``settings`` and ``revision`` are those of the file, if it is valid."""
    url = admin.rstrip("/").removesuffix("/status") + "/status"
    where = Where("", 0, url_words(url))
    try:
        document = json.loads((await fetcher.get(url, ca_file=None, max_bytes=MAX_STATUS, timeout=TIMEOUT)).body)
    except FetchError as error:
        findings.error("running", where, f"does not answer: {error}", "give the address of `admin.listen`, from the same pod or machine")
        return
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not {"revision", "ready", "issuers"} <= document.keys():
        findings.error("running", where, "is not the admin listener of a sidecar", "give the address of `admin.listen`")
        return
    start = len(findings.all)
    _check_state(document, revision, where, findings)
    for name, issuer in _maps(document.get("issuers")):
        _check_issuer(name, issuer, settings, where, findings)
    for name, store in _maps(document.get("api_keys")):
        if store.get("last_error"):
            findings.error("running.keys", where, f"key store {shown(name)!r}: {_text(store['last_error'])}", "correct the key file")
    if findings.sound_since(start):
        findings.ok("running", where, f"runs revision {_text(document['revision'])}, ready, keys fresh")


def _check_state(document: Mapping[str, Any], revision: str, where: Where, findings: Findings) -> None:
    if document.get("version") != __version__:
        findings.warning("running.version", where, f"is version {_text(document.get('version'))}, this is {__version__}", "use the same")
    if document.get("ready") is not True:
        reasons = document.get("not_ready_because")
        words = ", ".join(_text(reason) for reason in reasons) if isinstance(reasons, list) else ""
        findings.error("running.ready", where, f"is not ready: {words}", "see its log")
    if revision and document.get("revision") != revision:
        findings.warning(
            "running.revision", where, f"runs revision {_text(document.get('revision'))}, the file is {revision}", "see its last reload"
        )
    reload = document.get("last_reload")
    if isinstance(reload, dict) and reload.get("ok") is False:
        findings.error("running.reload", where, "the last reload failed: the configuration before it is in use", "sidecar validate PATH")
    lag = document.get("loop_lag_seconds")
    if isinstance(lag, int | float) and lag > LAG:
        findings.warning("running.lag", where, f"its event loop lags by {lag * 1000:.0f} ms", "more CPU")
    if document.get("records_dropped"):
        findings.warning(
            "running.records", where, f"{document['records_dropped']} decision records were dropped", "read its standard output faster"
        )
    if document.get("background_crashes"):
        findings.error("running.crashes", where, "background tasks crashed", "see its log, and report it")


def _check_issuer(name: str, issuer: Mapping[str, Any], settings: Settings | None, where: Where, findings: Findings) -> None:
    who = f"issuer {shown(name)!r}"
    if issuer.get("usable") is not True:
        findings.error(
            "running.keys", where, f"{who} has no usable keys: {_text(issuer.get('last_error'))}", "its tokens get 503 until they are there"
        )
        return
    age, known = issuer.get("key_age_seconds"), settings.issuers.get(name) if settings is not None else None
    if known is not None and isinstance(age, int | float) and age > STALE * known.refresh.every:
        findings.warning(
            "running.keys",
            where,
            f"{who} has keys of {age:.0f} s ago, with refresh.every {known.refresh.every:g} s: {_text(issuer.get('last_error'))}",
            f"after {known.refresh.stale_max:g} s its tokens get 503",
        )


def _maps(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, item) for name, item in value.items() if isinstance(item, dict)] if isinstance(value, dict) else []


def _text(value: Any) -> str:
    return shown(str(value)) if value else "unknown"
