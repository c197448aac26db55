"""The short way for what most checks are: a token verified before, on a usual route, with nothing to take off.

It reads what the engine remembers from the engine's own tables, in one frame: on the long way half of the time goes
into its calls and values. It only ever finds an ``Allow`` that the engine made for this principal on this route
under this snapshot, and it remembers nothing. Whatever is missing, odd or doubtful gives None, and the long way
decides. tests/unit/wire/test_warm.py holds both ways to the same answers.
"""

from collections.abc import Collection
from hashlib import sha256
from operator import attrgetter
from typing import TypeAlias

from sidecar.engine.check import Engine
from sidecar.engine.snapshot import Snapshot
from sidecar.model.decision import Allow
from sidecar.model.instant import Instant
from sidecar.model.meter import CacheCount
from sidecar.model.request import Facts

from ._gen.ext_authz_pb2 import AttributeContext, HeaderMap
from .decode import text_of

MAX_WARM = 4096
"""Bytes of a check that may go this way: too few for any limit on headers, path or token to matter."""

Found: TypeAlias = tuple[Allow, Facts]
_key = attrgetter("key")


class Warm:
    """Looks for an allow in memory. Owned by the deciding thread, as what it reads is."""

    __slots__ = ("_count", "_known")

    def __init__(self, engine: Engine, count: CacheCount) -> None:
        """Read the memory of ``engine``; count its lookups that succeed."""
        self._known = engine.authenticator.tokens.memory.get
        self._count = count

    def find(self, attributes: AttributeContext, snapshot: Snapshot, now: Instant) -> Found | None:
        """Return the remembered allow and the facts for its record, or None where the long way has to look."""
        http = attributes.request.http
        method, host, path = http.method, http.host, http.path
        route = snapshot.routes.usual(method, host, path)
        if route is None or (bearer := route.bearer) is None:
            return None
        names: Collection[str]
        if http.HasField("header_map"):
            names, value, request_id, traceparent = _read_raw(http.header_map, bearer.header)
        else:
            names = http.headers
            get = names.get
            value, request_id, traceparent = get(bearer.header), get("x-request-id"), get("traceparent")
        if value is None or not value.startswith(bearer.scheme) or value.startswith(bearer.keys):
            return None
        if not snapshot.look_alikes.harmless.issuperset(names):
            return None
        for name in bearer.absent:
            if name in names:
                return None
        # A token in memory is one that was verified: no comma, space or other credential hides in what equals it.
        known = self._known(sha256(value[len(bearer.scheme) :].encode()).digest())
        if known is None or (signed := known.signed) is None:
            return None
        if (
            signed.good_under is snapshot.epoch
            and signed.good_with is signed.table.held
            and now.mono <= signed.stale_at
            and known.starts <= now.wall < known.until
            and known.authenticator in bearer.issuers
        ):
            allow = known.verdicts.get(route)
            if isinstance(allow, Allow):
                known.used = True
                self._count.hit += 1
                source_ip = attributes.source.address.socket_address.address
                return allow, (method, host, path, source_ip, request_id or http.id, traceparent)
        return None


def _read_raw(headers: HeaderMap, credential: str) -> tuple[list[str], str | None, str | None, str | None]:
    """Names, and the values of the credential's header, ``x-request-id`` and ``traceparent``; no credential if any repeats."""
    lines = headers.headers
    names = list(map(_key, lines))
    count = names.count
    once, ids, traces = count(credential), count("x-request-id"), count("traceparent")
    if once != 1 or ids > 1 or traces > 1:
        return names, None, None, None
    at = names.index
    return (
        names,
        text_of(lines[at(credential)]),
        text_of(lines[at("x-request-id")]) if ids else None,
        text_of(lines[at("traceparent")]) if traces else None,
    )
