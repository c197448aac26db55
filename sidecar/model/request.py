"""What Envoy asks, decoded: everything in it is still untrusted.

Values that are made once per check are NamedTuples: a frozen dataclass of this size costs 2 µs more to
make (docs/adr/0003-hot-path-values.md).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias


class Headers(Protocol):
    """Request headers, names in lower case as Envoy sends them. Pseudo-headers are among them."""

    def names(self) -> Collection[str]:
        """All names; repeated ones may appear more than once."""

    def get(self, name: str) -> str | None:
        """The value of ``name``, repeated ones joined with a comma as Envoy's map has them, or None."""

    def all(self, name: str) -> Sequence[str]:
        """Every line of ``name`` in order (one merged line where Envoy merges)."""


class RequestDetails(Protocol):
    """The parts of a check that few routes need; read only when asked for."""

    def source_principal(self) -> str:
        """The peer certificate's principal as Envoy verified it, or an empty string."""

    def peer_certificate(self) -> str:
        """The URL-encoded PEM of the peer, or an empty string."""

    def body(self) -> bytes:
        """The request body that Envoy buffered (``raw_body``, else ``body``), or nothing."""

    def metadata(self) -> Mapping[str, object]:
        """Envoy's ``metadata_context.filter_metadata``: namespace to a plain dict."""


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
    details: RequestDetails


def facts_of(request: CheckInput | None) -> Facts:
    """Pick what a record shows; ``x-request-id`` before Envoy's own id."""
    if request is None:
        return NO_FACTS
    get = request.headers.get
    request_id = get("x-request-id") or request.request_id
    return request.method, request.host, request.path, request.source_ip, request_id, get("traceparent")
