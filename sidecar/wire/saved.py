"""CheckRequests that did not come over the wire: put together from parts, or read from a file."""

from collections.abc import Iterable, Mapping

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError

from sidecar.model.errors import MalformedRequest

from ._gen.ext_authz_pb2 import CheckRequest

PARTIAL_BODY = "x-envoy-auth-partial-body"


def compose(
    method: str,
    host: str,
    path: str,
    headers: Iterable[tuple[str, str]],
    source_ip: str,
    context: Mapping[str, str],
    body: bytes | None = None,
) -> bytes:
    """Serialise a check as the shipped Envoy configuration sends it: raw headers, names in lower case, pseudo-headers among them.

    ``body``: all of it, as from an Envoy that was told to send it; with the header by which Envoy says so.
    """
    message = CheckRequest()
    message.attributes.source.address.socket_address.address = source_ip
    message.attributes.context_extensions.update(context)
    http = message.attributes.request.http
    http.method, http.host, http.path = method, host, path
    whole = [] if body is None else [(PARTIAL_BODY, "false")]
    if body is not None:
        http.raw_body, http.size = body, len(body)
    for name, value in ((":method", method), (":authority", host), (":path", path), *headers, *whole):
        http.header_map.headers.add(key=name.lower(), raw_value=value.encode("utf-8", "surrogateescape"))
    return message.SerializeToString()


def read_saved(data: bytes) -> bytes:
    """Take a saved CheckRequest, as protobuf or as its JSON. Raises MalformedRequest."""
    if data.lstrip()[:1] == b"{":
        try:
            return Parse(data, CheckRequest(), ignore_unknown_fields=True).SerializeToString()
        except (ParseError, UnicodeDecodeError):
            raise MalformedRequest("begins like JSON, and is not the JSON of a CheckRequest") from None
    try:
        message = CheckRequest.FromString(data)
    except DecodeError:
        raise MalformedRequest("neither a serialised CheckRequest nor its JSON") from None
    if not message.HasField("attributes"):
        raise MalformedRequest("a CheckRequest without attributes")
    return data
