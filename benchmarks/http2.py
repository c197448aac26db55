"""Just enough HTTP/2 (RFC 9113) and HPACK (RFC 7541) for a client that sends one kind of gRPC call over and over."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
MAX_FRAME = 16_384

SETTINGS_ENABLE_PUSH, SETTINGS_MAX_CONCURRENT, SETTINGS_INITIAL_WINDOW = 2, 3, 4

FRAME_HEAD = struct.Struct(">HBBBI")
"""Length (upper 16 bits, lower 8), type, flags, stream id: read with ``unpack_from``."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, its head included."""
    return FRAME_HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def hello() -> bytes:
    """The client's opening: preface, settings, and as much connection window as there can be."""
    settings = struct.pack(">HIHI", SETTINGS_ENABLE_PUSH, 0, SETTINGS_INITIAL_WINDOW, MAX_WINDOW)
    return PREFACE + frame(SETTINGS, 0, 0, settings) + window_update(0, MAX_WINDOW - DEFAULT_WINDOW)


def window_update(stream: int, amount: int) -> bytes:
    """Give the peer ``amount`` more bytes to send."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", amount))


def _literal(index: int, value: bytes) -> bytes:
    """A field with incremental indexing (RFC 7541, 6.2.1): name from the static table, value without Huffman."""
    return bytes((0x40 | index, len(value))) + value


def header_blocks(path: str, authority: str, extra: tuple[tuple[str, str], ...] = ()) -> tuple[bytes, bytes]:
    """HPACK blocks of the first call of a connection and of all later ones, which only refer to what the first one stored.

    Clients that matter (Envoy, h2load, grpc) index the same way. Values are at most 126 bytes, names of ``extra`` in lower case.
    """
    fields = [_literal(4, path.encode()), _literal(1, authority.encode()), _literal(31, b"application/grpc")]
    for name, value in (("te", "trailers"), *extra):
        fields.append(bytes((0x40, len(name))) + name.encode() + bytes((len(value),)) + value.encode())
    post, http = b"\x83", b"\x86"
    newest = 62  # the dynamic table starts behind the static one, newest entry first
    later = bytes(0x80 | (newest + age) for age in range(len(fields) - 1, -1, -1))
    return post + http + b"".join(fields), post + http + later
