"""Bytes of a CheckRequest to a CheckInput, or MalformedRequest. Never any other exception.

Reading protobuf fields from Python is what costs here (docs/explanation/performance.md), so every submessage is
touched once, and headers are read in place.
"""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter

from google.protobuf.message import DecodeError

from sidecar.model.errors import MalformedRequest
from sidecar.model.request import CheckInput, Headers

from ._gen.ext_authz_pb2 import AttributeContext, CheckRequest, HeaderValue

MAX_HEADERS = 1000
MAX_HEADER_BYTES = 256 * 1024
REPLACED = "!"
"""What Envoy writes in place of each byte that is not UTF-8, in the path and in merged headers."""

_parse = CheckRequest.FromString
_key = attrgetter("key")
_new_input = tuple.__new__  # twice as fast as the class itself, which is a Python function


class MapHeaders:
    """``headers``: Envoy's merged map."""

    __slots__ = ("_map", "get")
    merged = True

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Read ``headers`` in place."""
        self._map = headers
        self.get = headers.get
        """The merged value, or None."""

    def names(self) -> Collection[str]:
        """All names, each once."""
        return self._map

    def all(self, name: str) -> Sequence[str]:
        """The merged line, if there is one."""
        value = self._map.get(name)
        return () if value is None else (value,)


class RawHeaders:
    """``header_map``: raw values in order. Bytes that are not UTF-8 read as ``!``."""

    __slots__ = ("_lines", "_names")
    merged = False

    def __init__(self, lines: Sequence[HeaderValue]) -> None:
        """Read the names; values are read when asked for."""
        self._lines = lines
        self._names = list(map(_key, lines))

    def names(self) -> Collection[str]:
        """All names, as often as they come."""
        return self._names

    def get(self, name: str) -> str | None:
        """All lines of ``name`` joined with a comma."""
        names = self._names
        count = names.count(name)
        if count == 1:
            return text_of(self._lines[names.index(name)])
        return ",".join(self.all(name)) if count else None

    def all(self, name: str) -> Sequence[str]:
        """Each line of ``name``."""
        return [text_of(line) for line, known in zip(self._lines, self._names, strict=True) if known == name]

    def is_ascii(self, name: str) -> bool:
        """Whether there is one line of ``name``, and only ASCII in it."""
        return self._names.count(name) == 1 and self._lines[self._names.index(name)].raw_value.isascii()


def text_of(line: HeaderValue) -> str:
    """The value of a raw header; Envoy sets ``raw_value`` alone, its API allows ``value`` too."""
    try:
        return line.raw_value.decode() or line.value
    except UnicodeDecodeError:
        return line.raw_value.decode("utf-8", "surrogateescape").translate(_SURROGATES)


_SURROGATES = dict.fromkeys(range(0xDC80, 0xDD00), REPLACED)


def parse(payload: bytes) -> AttributeContext:
    """Read the message. Raises MalformedRequest: not a CheckRequest."""
    try:
        return _parse(payload).attributes
    except DecodeError:
        raise MalformedRequest("not a CheckRequest, or text in it is not UTF-8") from None


def decode(attributes: AttributeContext, size: int) -> CheckInput:
    """Decode one check of ``size`` bytes.

    Raises:
        MalformedRequest: not an HTTP check, or too many headers.

    """
    request = attributes.request
    if not request.HasField("http"):
        raise MalformedRequest("a check without an HTTP request (TCP or UDP)")
    http = request.http
    headers: Headers
    if http.HasField("header_map"):
        lines = http.header_map.headers
        count, headers = len(lines), RawHeaders(lines)
    else:
        merged = http.headers
        count, headers = len(merged), MapHeaders(merged)
    if count > MAX_HEADERS or (size > MAX_HEADER_BYTES and _header_bytes(http) > MAX_HEADER_BYTES):
        raise MalformedRequest("more than 1,000 headers, or 256 KiB of them")
    path = http.path
    if REPLACED in path:
        path = _true_path(path, headers)
    source_ip = attributes.source.address.socket_address.address
    return _new_input(
        CheckInput,
        (http.method, http.host, path, headers, http.id, source_ip, attributes.context_extensions, http),
    )


def _true_path(path: str, headers: Headers) -> str:
    """Say where an exclamation mark may stand for another byte: as U+FFFD, which no canonical path has.

    With Envoy's defaults such bytes reach it by HTTP/2, and go on to the upstream as they are. Only raw headers tell.
    """
    before, mark, query = path.partition("?")
    if REPLACED not in before or (isinstance(headers, RawHeaders) and headers.is_ascii(":path")):
        return path
    return before.replace(REPLACED, "\N{REPLACEMENT CHARACTER}") + mark + query


def _header_bytes(http: AttributeContext.HttpRequest) -> int:
    lines = http.header_map.headers
    merged = sum(len(name) + len(value) for name, value in http.headers.items()) if not lines else 0
    return merged + sum(len(line.key) + len(line.raw_value or line.value) for line in lines)
