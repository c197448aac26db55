"""What Envoy asks, decoded: everything in it is still untrusted.

Values that are made once per check are NamedTuples: a frozen dataclass of this size costs 2 µs more to
make (docs/adr/0003-hot-path-values.md).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias


class Headers(Protocol):
    """Request headers, names in lower case as Envoy sends them. Pseudo-headers are among them."""

    merged: bool
    """Repeated headers stand joined by commas, and cannot be told from one with commas in it."""

    def names(self) -> Collection[str]:
        """All names; repeated ones may appear more than once."""

    def get(self, name: str) -> str | None:
        """The value of ``name``, repeated ones joined with a comma as Envoy's map has them, or None."""

    def all(self, name: str) -> Sequence[str]:
        """Every line of ``name`` in order (one merged line where Envoy merges)."""


class Content(Protocol):
    """Where the body lies, if Envoy was told to send it: as text or as bytes, never both."""

    @property
    def body(self) -> str:
        """The body as text."""

    @property
    def raw_body(self) -> bytes:
        """The body as bytes."""


class NoContent:
    """Of a request without a body."""

    body = ""
    raw_body = b""


NO_CONTENT = NoContent()

Facts: TypeAlias = tuple[str, str, str, str, str, str | None]
"""What a record shows of a request: method, host, path with query, source address, request id, traceparent."""
NO_FACTS: Facts = ("", "", "", "", "", None)
"""Of a request that was not read."""
LONG_FACTS = 1024
"""Characters of all of them together from which they are cut (``cut_facts``): most never are."""
MAX_PATH = 8 * 1024 + 1
"""One more than a path may have: /explain is to see that it had more. Likewise below."""
MAX_WIDE_PATH = 2048
"""With other than ASCII characters, each of which may make the whole text take four bytes for each."""
MAX_HOST = 261
MAX_ID = 128
MAX_METHOD = 128
MAX_TRACEPARENT = 56


class CheckInput(NamedTuple):
    """One HTTP check. ``path`` is undecoded and carries the query; ``source_ip`` is the direct peer."""

    method: str
    host: str
    path: str
    headers: Headers
    request_id: str
    source_ip: str
    context: Mapping[str, str]
    content: Content = NO_CONTENT


def facts_of(request: CheckInput | None) -> Facts:
    """Pick what a record shows; ``x-request-id`` before Envoy's own id."""
    if request is None:
        return NO_FACTS
    get = request.headers.get
    request_id, traceparent = get("x-request-id") or request.request_id, get("traceparent")
    method, host, path = request.method, request.host, request.path
    facts = (method, host, path, request.source_ip, request_id, traceparent)
    if len(path) + len(host) + len(method) + len(request_id) + len(traceparent or "") > LONG_FACTS:
        return cut_facts(facts)
    return facts


def cut_facts(facts: Facts) -> Facts:
    """Cut to what records and /explain need, as thousands of them are kept (security rule 30)."""
    method, host, path, source_ip, request_id, traceparent = facts
    path = path[:MAX_PATH]
    if len(path) > MAX_WIDE_PATH and not path.isascii():
        path = path.partition("?")[0]
        if len(path) > MAX_WIDE_PATH and not path.isascii():
            path = path[:MAX_WIDE_PATH] + "\N{REPLACEMENT CHARACTER}"  # for what may have stood in the rest: no path with it is let in
    traceparent = None if traceparent is None else traceparent[:MAX_TRACEPARENT]
    return method[:MAX_METHOD], host[:MAX_HOST], path, source_ip, request_id[:MAX_ID], traceparent
