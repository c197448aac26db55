"""The short way for what most checks are: a token verified before, on a usual route, with nothing to take off.

It reads what the engine remembers from the engine's own tables, in one frame: on the long way half of the time goes
into its calls and values. It only ever finds an ``Allow`` that the engine made for this principal on this route
under this snapshot, and it remembers nothing. Whatever is missing, odd or doubtful gives None, and the long way
decides. tests/unit/wire/test_warm.py holds both ways to the same answers.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from hashlib import sha256
from operator import attrgetter

from sidecar.authn.memory import Known
from sidecar.authz.facts import NO_SOURCES, Facts
from sidecar.engine.attributes import AttributeMemory, RememberedAttributes
from sidecar.engine.check import Engine
from sidecar.engine.ids import DecisionIds
from sidecar.engine.snapshot import Route, Snapshot
from sidecar.model.decision import Allow, Decision
from sidecar.model.instant import Instant
from sidecar.model.meter import BUCKETS, Meter
from sidecar.model.principal import Principal
from sidecar.model.request import LONG_FACTS, CheckInput
from sidecar.ports import Clock, DecisionSink

from ._gen.ext_authz_pb2 import AttributeContext, HeaderMap
from .decode import REPLACED, decode, text_of

MAX_WARM = 4096
"""Bytes of a check that may go this way: too few for any limit on headers, path or token to matter."""

_key = attrgetter("key")


class Warm:
    """Answers from memory. Owned by the deciding thread, as what it reads is."""

    __slots__ = ("_emit", "_known", "_mono", "_next_id", "_sources", "_times", "_tokens")

    def __init__(self, engine: Engine, clock: Clock, sink: DecisionSink, meter: Meter, ids: DecisionIds) -> None:
        """Read the memory of ``engine``; count and record as the long way does."""
        self._known = engine.authenticator.tokens.memory.get
        self._sources = engine.attributes
        self._mono = clock.mono
        self._emit = sink.emit
        self._times = meter.allow_seconds
        self._tokens = meter.caches["tokens"]
        self._next_id = ids.next

    def answer(self, attributes: AttributeContext, snapshot: Snapshot, now: Instant, deadline: float) -> bytes | None:
        """Answer with an allow that was made and encoded before, or return None where the long way has to decide."""
        http = attributes.request.http
        method, host, path = http.method, http.host, http.path
        route = snapshot.routes.usual(method, host, path)
        if route is None or (bearer := route.bearer) is None or REPLACED in path:
            return None
        names: Collection[str]
        if http.HasField("header_map"):
            names, value, request_id, traceparent = read_raw(http.header_map, bearer.header)
        else:
            names = http.headers
            get = names.get
            value, request_id, traceparent = get(bearer.header, "").encode(), get("x-request-id"), get("traceparent")
        long = len(path) + len(host) + len(method) + len(request_id or "") + len(traceparent or "") > LONG_FACTS
        if not value.startswith(bearer.scheme) or value.startswith(bearer.keys) or long:
            return None
        if not snapshot.look_alikes.harmless.issuperset(names):
            return None
        for name in bearer.absent:
            if name in names:
                return None
        # A token in memory is one that was verified: no comma, space or other credential hides in what equals it.
        known = self._known(sha256(value[len(bearer.scheme) :]).digest())
        if known is None or (signed := known.signed) is None:
            return None
        if (
            signed.good_under is snapshot.epoch
            and signed.good_with is signed.table.held
            and now.mono <= signed.stale_at
            and known.starts <= now.wall < known.until
            and known.authenticator in bearer.issuers
        ):
            allow = known.verdicts.get(route) or _ruled(route, known, attributes, path, snapshot, now, self._sources)
            ended = self._mono()
            if isinstance(allow, Allow) and allow.encoded is not None and ended <= deadline:
                known.used = True
                self._tokens.hit += 1
                decision_id, duration, (head, tail) = self._next_id(), ended - now.mono, allow.encoded
                decisions, times = route.row.decisions, self._times  # as Meter.count does
                decisions[allow.reason] = decisions.get(allow.reason, 0) + 1
                times.counts[bisect_left(BUCKETS, duration)] += 1
                times.total += duration
                source_ip = attributes.source.address.socket_address.address
                facts = (method, host, path, source_ip, request_id or http.id, traceparent)
                self._emit(allow, facts, decision_id, now.wall, duration, snapshot.revision)
                return head if tail is None else head + decision_id.encode() + tail
        return None


class _Facts(Facts):
    """Facts of a check on a usual route, whose path is canonical as it stands; the rest of it is decoded if a condition asks."""

    __slots__ = ("_attributes", "_path")

    def __init__(
        self,
        attributes: AttributeContext,
        path: str,
        principal: Principal,
        route: Route,
        snapshot: Snapshot,
        now: Instant,
        memory: AttributeMemory,
    ) -> None:
        sources = RememberedAttributes(snapshot.attributes, memory, now.mono) if snapshot.attributes.by_name else NO_SOURCES
        super().__init__(principal, None, route.resources, now.wall, snapshot.surroundings, sources)
        self._attributes = attributes
        self._path = path

    @property
    def request(self) -> CheckInput:
        request = self._request
        if request is None:
            request = self._request = decode(self._attributes, 0)
        return request

    @property
    def segments(self) -> Sequence[str]:
        known = self._segments
        if known is None:
            known = self._segments = self._path.partition("?")[0][1:].split("/")
        return known


def _ruled(
    route: Route, known: Known, attributes: AttributeContext, path: str, snapshot: Snapshot, now: Instant, memory: AttributeMemory
) -> Decision | None:
    """The verdict without the route's policies, if these let this very request through by what is remembered of sources.

    Those in shadow are for the long way, and so is asking.
    """
    rules = route.rules
    if rules is None or rules.shadows or not rules.passes(_Facts(attributes, path, known.principal, route, snapshot, now, memory)):
        return None
    return known.verdicts.get(rules)


def read_raw(headers: HeaderMap, credential: str) -> tuple[list[str], bytes, str | None, str | None]:
    """Names, the credential's header, and the values of ``x-request-id`` and ``traceparent``; no credential if any of them repeats."""
    lines = list(headers.headers)
    names = list(map(_key, lines))
    by_name = dict(zip(names, lines, strict=True))
    if len(by_name) != len(names) and max(map(names.count, (credential, "x-request-id", "traceparent"))) > 1:
        return names, b"", None, None
    get = by_name.get
    line, request_id, traceparent = get(credential), get("x-request-id"), get("traceparent")
    return (
        names,
        line.raw_value if line is not None else b"",
        text_of(request_id) if request_id is not None else None,
        text_of(traceparent) if traceparent is not None else None,
    )
