"""The load generator must notice a wrong reply: a benchmark of denials would look splendid."""

import struct

import pytest

from benchmarks import http2
from benchmarks.bare_python import QUIET, python_slowness
from benchmarks.connection import Connection, Script, ServerFault, Tally
from benchmarks.corpus import needle
from benchmarks.corpus_file import Message, read_corpus, write_corpus
from benchmarks.targets import TARGETS, Figure, Verdict, breached, judge

NEEDLE = needle("x-user-id", "user_001")


class FakeSocket:
    """Takes what is sent; gives what the test has put in, in pieces of ``piece`` bytes."""

    def __init__(self, piece: int = 1 << 20) -> None:
        self.sent = b""
        self.incoming = b""
        self.piece = piece

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def recv(self, _size: int) -> bytes:
        data, self.incoming = self.incoming[: self.piece], self.incoming[self.piece :]
        return data


def opened(streams: int = 2, piece: int = 1 << 20, body: bytes = b"b" * 100) -> tuple[Connection, FakeSocket]:
    sock = FakeSocket(piece)
    script = Script([Message(body, NEEDLE)], http2.header_blocks("/Check", "sidecar"), None)
    connection = Connection(sock, script, Tally(), 0, streams)
    connection.fill()
    return connection, sock


def reply(stream: int, message: bytes) -> bytes:
    framed = struct.pack(">BI", 0, len(message)) + message
    return (
        http2.frame(http2.HEADERS, http2.END_HEADERS, stream, b"\x88")
        + http2.frame(http2.DATA, 0, stream, framed)
        + http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, b"\x88")
    )


def read_all(connection: Connection, sock: FakeSocket) -> None:
    while sock.incoming:
        connection.read()


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_right_replies_are_counted_however_they_are_cut(piece: int) -> None:
    connection, sock = opened(piece=piece)
    sock.incoming = reply(1, b"\x1a" + NEEDLE) + reply(3, NEEDLE)
    read_all(connection, sock)
    assert (connection.tally.replies, dict(connection.tally.wrong), connection.waiting) == (2, {}, {})


def test_a_reply_without_its_own_subject_is_wrong() -> None:
    connection, sock = opened()
    sock.incoming = reply(1, needle("x-user-id", "user_002"))
    read_all(connection, sock)
    assert connection.tally.wrong.total() == 1


def test_a_stream_that_ends_without_a_message_is_wrong() -> None:
    connection, sock = opened()
    sock.incoming = http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, b"\x88")
    read_all(connection, sock)
    assert dict(connection.tally.wrong) == {"ended without a message": 1}


def test_a_reset_stream_is_wrong() -> None:
    connection, sock = opened()
    sock.incoming = http2.frame(http2.RST_STREAM, 0, 1, struct.pack(">I", 8))
    read_all(connection, sock)
    assert dict(connection.tally.wrong) == {"reset with code 8": 1}


def test_goodbye_and_a_closed_connection_are_faults() -> None:
    connection, sock = opened()
    sock.incoming = http2.frame(http2.GOAWAY, 0, 0, bytes(8))
    with pytest.raises(ServerFault, match="GOAWAY"):
        read_all(connection, sock)
    with pytest.raises(ServerFault, match="closed"):
        connection.read()


def test_the_connection_window_holds_calls_back_until_it_is_opened() -> None:
    connection, sock = opened(streams=100, body=b"b" * 1_000)
    assert len(connection.waiting) == http2.DEFAULT_WINDOW // 1_005
    sock.incoming = http2.window_update(0, 5 * 1_005)
    read_all(connection, sock)
    connection.fill()
    assert len(connection.waiting) == http2.DEFAULT_WINDOW // 1_005 + 5


def test_settings_and_pings_are_acknowledged() -> None:
    connection, sock = opened()
    sock.sent = b""
    sock.incoming = http2.frame(http2.SETTINGS, 0, 0) + http2.frame(http2.PING, 0, 0, b"12345678")
    read_all(connection, sock)
    connection.flush()
    assert sock.sent == http2.frame(http2.SETTINGS, http2.ACK, 0) + http2.frame(http2.PING, http2.ACK, 0, b"12345678")


def test_a_corpus_survives_its_file(tmp_path) -> None:
    messages = [Message(b"", b"n"), Message(bytes(range(256)) * 9, NEEDLE)]
    write_corpus(tmp_path / "corpus", messages)
    assert read_corpus(tmp_path / "corpus") == messages


def test_verdicts_and_the_guard() -> None:
    target = next(target for target in TARGETS if target.name == "native")
    assert target.must is not None
    assert [judge(target, Figure(name="native", value=value)) for value in (1.4, 1.67, 1.68)] == [
        Verdict.GOAL,
        Verdict.MUST,
        Verdict.MISSED,
    ]
    assert judge(target, None) is Verdict.NOT_RUN
    assert not breached(target, Figure(name="native", value=target.must * target.margin), 1.0, None)
    assert breached(target, Figure(name="native", value=target.must * target.margin + 0.01), 1.0, 0.5)
    assert not breached(target, Figure(name="native", value=2.0 * target.margin), 1.0, 2.0)
    assert breached(target, Figure(name="native", value=2.0 * target.margin + 0.01), 1.0, 2.0)


def test_the_guard_knows_how_fast_python_is() -> None:
    assert python_slowness({"bare-python": Figure(name="bare-python", value=2 * QUIET)}) == 2.0
    assert python_slowness({}) == 1.0
