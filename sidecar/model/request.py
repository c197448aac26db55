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
    request_id = get("x-request-id") or request.request_id
    return request.method, request.host, request.path, request.source_ip, request_id, get("traceparent")
