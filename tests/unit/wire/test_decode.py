"""Bytes to CheckInput, or MalformedRequest; never anything else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.errors import MalformedRequest
from sidecar.model.request import CheckInput
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest
from sidecar.wire.decode import decode as decode_message
from sidecar.wire.decode import parse


def decode(payload: bytes) -> CheckInput:
    return decode_message(parse(payload), len(payload))


def check(raw: bool = False, headers: list[tuple[str, bytes]] | None = None, **http: object) -> bytes:
    message = CheckRequest()
    fields = message.attributes.request.http
    fields.method, fields.host, fields.path, fields.id = "GET", "api.example.com", "/a?b", "42"
    for name, value in http.items():
        setattr(fields, name, value)
    for name, value in headers or []:
        if raw:
            header = fields.header_map.headers.add()
            header.key, header.raw_value = name, value
        else:
            fields.headers[name] = value.decode()
    source = message.attributes.source
    source.address.socket_address.address = "192.0.2.7"
    source.principal, source.certificate = "spiffe://td/sa", "-----BEGIN%20"
    message.attributes.context_extensions["vhost"] = "one"
    message.attributes.metadata_context.filter_metadata["ns"].update({"a": [1, "x"]})
    return message.SerializeToString()


@pytest.mark.parametrize("raw", [False, True])
def test_every_field(raw: bool) -> None:
    request = decode(check(raw, [("authorization", b"Bearer x"), ("cookie", b"a=b")], raw_body=b"\xff{}"))
    assert (request.method, request.host, request.path, request.request_id) == ("GET", "api.example.com", "/a?b", "42")
    assert (request.source_ip, dict(request.context)) == ("192.0.2.7", {"vhost": "one"})
    assert sorted(request.headers.names()) == ["authorization", "cookie"]
    assert (request.headers.get("authorization"), request.headers.get("nope")) == ("Bearer x", None)
    assert (list(request.headers.all("cookie")), list(request.headers.all("nope"))) == (["a=b"], [])


def test_raw_headers_keep_repeats_apart_and_read_bad_bytes_as_envoy_does() -> None:
    request = decode(check(True, [("x", b"1"), ("y", b"\xffz\xc3\xa9"), ("x", b"2")]))
    assert (request.headers.get("x"), list(request.headers.all("x"))) == ("1,2", ["1", "2"])
    assert request.headers.get("y") == "!z\u00e9"


MARKED = "/a!b?c!d"
DOUBTED = "/a\N{REPLACEMENT CHARACTER}b?c!d"


@pytest.mark.parametrize(
    ("raw", "headers", "path"),
    [
        (False, [], DOUBTED),
        (False, [(":path", b"/a!b?c!d")], DOUBTED),
        (True, [(":path", b"/a!b?c!d")], MARKED),
        (True, [(":path", b"/a\x80b?c!d")], DOUBTED),
        (True, [], DOUBTED),
        (True, [(":path", b"/a!b"), (":path", b"/a\x80b")], DOUBTED),
    ],
)
def test_a_mark_that_may_stand_for_another_byte_is_no_part_of_a_path(raw: bool, headers: list[tuple[str, bytes]], path: str) -> None:
    """Envoy writes ``!`` for what is not UTF-8, and sends the byte itself to the upstream. In the query it does not matter."""
    assert decode(check(raw, headers, path=MARKED)).path == path


def test_raw_headers_count_when_both_are_set() -> None:
    message = CheckRequest.FromString(check(True, [("x", b"raw")]))
    message.attributes.request.http.headers["x"] = "map"
    assert decode(message.SerializeToString()).headers.get("x") == "raw"
    empty = CheckRequest.FromString(check(False, [("x", b"map")]))
    empty.attributes.request.http.header_map.SetInParent()
    assert decode(empty.SerializeToString()).headers.get("x") is None


def test_asking_for_an_absent_header_does_not_make_one() -> None:
    headers = decode(check(False, [("x", b"1")])).headers
    assert headers.get("authorization") is None
    assert list(headers.names()) == ["x"]


def invalid_utf8() -> bytes:
    return check(path="/aaaa").replace(b"/aaaa", b"/a\xff\xffa")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xff\xff",
        CheckRequest().SerializeToString(),
        invalid_utf8(),
        check(False, [(f"h{index}", b"v") for index in range(1001)]),
        check(True, [("h", b"v")] * 1001),
        check(False, [("h", b"v" * 300_000)]),
        check(True, [(f"h{index}", b"v" * 60_000) for index in range(5)]),
    ],
    ids=["empty", "garbage", "no http", "invalid UTF-8", "1,001 headers", "1,001 raw", "256 KiB", "256 KiB raw"],
)
def test_malformed(payload: bytes) -> None:
    """Security rule 30."""
    with pytest.raises(MalformedRequest):
        decode(payload)


def test_a_large_body_is_no_large_header() -> None:
    assert decode(check(body="x" * 400_000)).method == "GET"


@given(st.binary(max_size=200))
def test_never_raises_anything_else(payload: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        decode(payload)


@given(st.data())
def test_a_damaged_request_never_raises_anything_else(data: st.DataObject) -> None:
    payload = bytearray(check(data.draw(st.booleans()), [("authorization", b"Bearer x")]))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        request = decode(bytes(payload))
    except MalformedRequest:
        return
    for name in list(request.headers.names()):
        request.headers.all(name)
