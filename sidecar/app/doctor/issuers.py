"""The issuers: reachable and trusted, discovery consistent, keys usable, clocks alike."""

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from sidecar.adapters.files import read_bounded
from sidecar.adapters.secrets import FileAndEnvSecrets
from sidecar.app.issuer_sources import load_keys, where_of
from sidecar.authn import discovery
from sidecar.authn.discovery import check_url, discovery_url, read_discovery
from sidecar.authn.issuer import usable_algorithms
from sidecar.authn.key_source import read_keys
from sidecar.authn.keyset import MAX_DOCUMENT, KeySet
from sidecar.config.marks import shown
from sidecar.model.errors import SourceError
from sidecar.model.settings import DiscoveredKeys, IssuerSettings, Settings, UrlKeys
from sidecar.model.steps import to_end
from sidecar.ports import Clock, Fetched, Fetcher, FetchError

from .findings import Findings, named

TIMEOUT = 5.0
SLIGHT_SKEW = 5.0
"""Seconds; an HTTP date has whole seconds, and the answer took a while."""
_TLS_WAY_OUT = "the issuer's certificate has to come from a CA of the system, or name its CA: refresh.ca_file"


async def check_issuers(settings: Settings, fetcher: Fetcher, clock: Clock, findings: Findings) -> None:
    """Look at all issuers at once, and compare our clock with theirs."""
    issuers = list(settings.issuers.values())
    separate = [Findings() for _ in issuers]
    skews = await asyncio.gather(*(_check(issuer, fetcher, clock, own) for issuer, own in zip(issuers, separate, strict=True)))
    for own in separate:
        findings.all += own.all
    known = {issuer.name: skew for issuer, skew in zip(issuers, skews, strict=True) if skew is not None}
    _check_clock(settings, known, findings)


async def _check(issuer: IssuerSettings, fetcher: Fetcher, clock: Clock, findings: Findings) -> float | None:
    """Look at one issuer; return what ``_check_fetched`` does, None where nothing is fetched."""
    if isinstance(issuer.keys, UrlKeys | DiscoveredKeys):
        return await _check_fetched(issuer, fetcher, clock, findings)
    _check_local(issuer, findings)
    return None


def _check_local(issuer: IssuerSettings, findings: Findings) -> None:
    try:
        keys = load_keys(issuer, FileAndEnvSecrets(), read_bounded)
    except SourceError as error:
        findings.error("issuers.keys", where_of(issuer), str(error), "correct the keys")
    else:
        _check_keys(issuer, keys, findings)


async def _check_fetched(issuer: IssuerSettings, fetcher: Fetcher, clock: Clock, findings: Findings) -> float | None:
    """Fetch the keys as the sidecar does; return by how many seconds our clock is ahead of the server's."""
    where = where_of(issuer)
    try:
        url = await _key_url(issuer, fetcher)
        before = clock.now().wall
        fetched = await fetcher.get(url, ca_file=issuer.refresh.ca_file, max_bytes=MAX_DOCUMENT, timeout=TIMEOUT)
        keys = to_end(read_keys(issuer, fetched.body))
    except FetchError as error:
        findings.error(
            "issuers.reachable",
            where,
            f"issuer {issuer.name!r}: {error}",
            _TLS_WAY_OUT if "TLS" in str(error) else "check address, network and DNS",
        )
        return None
    except SourceError as error:
        findings.error("issuers.keys", where, f"issuer {issuer.name!r}: {error}", "correct the issuer's address, or ask who runs it")
        return None
    findings.ok("issuers.reachable", where, f"issuer {issuer.name!r} answers{' over trusted TLS' if url.startswith('https:') else ''}")
    _check_keys(issuer, keys, findings)
    return _skew(fetched, (before + clock.now().wall) / 2)


async def _key_url(issuer: IssuerSettings, fetcher: Fetcher) -> str:
    if isinstance(issuer.keys, UrlKeys):
        check_url(issuer.keys.url, unsafe_http=issuer.keys.unsafe_http)
        return issuer.keys.url
    assert isinstance(issuer.keys, DiscoveredKeys)
    address = discovery_url(issuer.issuer)
    check_url(address, unsafe_http=issuer.keys.unsafe_http)
    document = await fetcher.get(address, ca_file=issuer.refresh.ca_file, max_bytes=discovery.MAX_DOCUMENT, timeout=TIMEOUT)
    return read_discovery(document.body, issuer.issuer, unsafe_http=issuer.keys.unsafe_http)


def _check_keys(issuer: IssuerSettings, keys: KeySet, findings: Findings) -> None:
    where, wanted = where_of(issuer), usable_algorithms(issuer)
    for reason in keys.dropped:
        findings.warning("issuers.keys", where, f"issuer {issuer.name!r}: a key is not used: {reason}", "ask who runs the issuer")
    unwanted = sum(not key.algorithms & wanted for key in keys.keys)
    if unwanted:
        findings.warning(
            "issuers.algorithms",
            where,
            f"issuer {issuer.name!r}: {unwanted} of {len(keys.keys)} keys are for other algorithms than `algorithms` names",
            "add the algorithm, if the issuer signs access tokens with it",
        )
    covered = sorted({alg for key in keys.keys for alg in key.algorithms} & wanted)
    idle = sorted(wanted - set(covered))
    rest = f"; no key for {', '.join(idle)}" if idle else ""
    count = len(keys.keys) - unwanted
    findings.ok(
        "issuers.keys", where, f"issuer {issuer.name!r}: {count} usable key{'' if count == 1 else 's'} for {', '.join(covered)}{rest}"
    )


def _skew(fetched: Fetched, ours: float) -> float | None:
    """A cache hands out the date of the origin: its age is added (RFC 9111 §5.1)."""
    try:
        theirs = parsedate_to_datetime(fetched.headers["date"]).timestamp()
        age = fetched.headers.get("age", "0").strip()
        return ours - theirs - (float(age[:9]) if age.isascii() and age.isdigit() else 0.0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _check_clock(settings: Settings, skews: Mapping[str, float], findings: Findings) -> None:
    where = named("clock")
    start = len(findings.all)
    for name, skew in skews.items():
        words = f"is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server of issuer {shown(name)!r}"
        allowed = settings.issuers[name].clock_skew
        if abs(skew) > allowed + 1:
            findings.error(
                "clock", where, f"{words}, more than its clock_skew of {allowed:g} s: good tokens are refused", "set the clock (NTP)"
            )
        elif abs(skew) > SLIGHT_SKEW:
            findings.warning("clock", where, words, "set the clock (NTP)")
    if not skews:
        findings.ok("clock", where, "no issuer tells the time: not compared")
    elif findings.sound_since(start):
        findings.ok(
            "clock", where, f"at most {max(map(abs, skews.values())):.0f} s off, by {len(skews)} issuer{'' if len(skews) == 1 else 's'}"
        )
