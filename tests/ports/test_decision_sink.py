"""The DecisionSink port: one suite over a list in memory and the writer, and what only the writer does."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from sidecar.adapters.output import BATCH, MAX_READY, TAKE
from sidecar.adapters.records import MAX_DETAIL, MAX_HOST, MAX_ID, MAX_PATH, RecordWriter
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.mutation import NOTHING
from sidecar.model.permission import PermissionSet
from sidecar.model.principal import Identity, Principal
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput, Facts, facts_of
from sidecar.ports import DecisionSink
from tests.support.inputs import make_input

AT = 1_764_000_000.123456
CANARY = "s3cr3t-canary"
TRACE = "0af7651916cd43dd8448eb211c80319c"


class ListSink:
    """The fake: keeps what it was given, up to a number."""

    def __init__(self, room: int) -> None:
        self.kept: list[Decision] = []
        self.dropped = 0
        self._room = room

    def emit(self, decision: Decision, facts: Facts, decision_id: str, at: float, duration: float, revision: str) -> bool:
        if len(self.kept) >= self._room:
            self.dropped += 1
            return False
        self.kept.append(decision)
        return True


def principal(kind: str = "jwt", **fields: object) -> Principal:
    identity = Identity(kind=kind, **{"authenticator": "corp", "issuer": "https://idp", "subject": "john", **fields})
    nothing = PermissionSet((), frozenset(), frozenset(), ())
    return Principal(identity, roles=(), closure=frozenset(), permissions=nothing, scopes=frozenset(), since=0.0, until=1e12)


def allow(who: Principal | None = None) -> Allow:
    return Allow(Reason.PERMITTED, "routes.list.require.permission", "list", who, NOTHING)


DENY = Deny(Reason.INVALID_TOKEN, "routes.list.authenticate", route="list", detail="bad signature")


def emit(sink: DecisionSink, decision: Decision, request: CheckInput | None = None, number: int = 0) -> bool:
    return sink.emit(decision, facts_of(request), f"ID{number:014d}", AT, 0.000012, "abcdef")


@pytest.fixture(params=["list", "writer"])
def full_sink(request: pytest.FixtureRequest, stuck: "Pipe") -> ListSink | RecordWriter:
    if request.param == "list":
        return ListSink(room=8)
    return stuck.writer(capacity=8)


class Pipe:
    """A pipe whose reading end the test holds."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.writers: list[RecordWriter] = []

    def writer(self, **options: object) -> RecordWriter:
        self.writers.append(RecordWriter(self.writing, **options))
        return self.writers[-1]

    def fill(self) -> None:
        os.set_blocking(self.writing, False)
        try:
            while True:
                os.write(self.writing, b" " * 4096)
        except BlockingIOError:
            os.set_blocking(self.writing, True)

    def drain(self) -> bytes:
        """Everything that was written; the writers are closed."""
        read: list[bytes] = []

        def reader() -> None:
            while part := os.read(self.reading, 65536):
                read.append(part)

        thread = threading.Thread(target=reader)
        thread.start()
        for writer in self.writers:
            assert writer.close(5)
        self.writers.clear()
        os.close(self.writing)
        self.writing = -1
        thread.join(5)
        return b"".join(read)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.drain().strip().splitlines()]

    def close(self) -> None:
        if self.writing >= 0:
            self.drain()
        os.close(self.reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def stuck(pipe: Pipe) -> Pipe:
    """A pipe whose reader has stopped reading."""
    pipe.fill()
    return pipe


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


# --- every sink ---------------------------------------------------------------------------------------------


def test_what_is_accepted_and_what_is_dropped_is_all(full_sink: ListSink | RecordWriter) -> None:
    accepted = sum(emit(full_sink, DENY) for _ in range(1000))
    assert 8 <= accepted < 1000
    assert full_sink.dropped == 1000 - accepted


def test_emit_never_waits(full_sink: ListSink | RecordWriter) -> None:
    """Fault row 41: a reader that stopped costs nothing but records."""
    began = time.monotonic()
    for _ in range(5000):
        emit(full_sink, allow())
    assert time.monotonic() - began < 1


# --- the record ---------------------------------------------------------------------------------------------


def record(pipe: Pipe, decision: Decision, request: CheckInput | None) -> dict[str, object]:
    emit(pipe.writer(), decision, request)
    (line,) = pipe.lines()
    return line


def test_all_fields_of_an_allow(pipe: Pipe) -> None:
    headers = {"x-request-id": "r-1", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "user-agent": "curl"}
    request = make_input("GET", "/posts?page=2", headers=headers)
    line = record(pipe, allow(principal("api_key", credential_id="billing-1")), request)
    assert list(line.items()) == [
        ("time", "2025-11-24T16:00:00.123456Z"),
        ("decision_id", "ID00000000000000"),
        ("request_id", "r-1"),
        ("trace_id", TRACE),
        ("decision", "allow"),
        ("reason", "permitted"),
        ("route", "list"),
        ("rule", "routes.list.require.permission"),
        ("principal", {"issuer": "https://idp", "subject": "john", "authenticator": "corp", "key_id": "billing-1"}),
        ("method", "GET"),
        ("host", "api.example.com"),
        ("path", "/posts"),
        ("source_ip", "10.0.0.9"),
        ("revision", "abcdef"),
        ("duration_us", 12),
    ]


def test_a_denial_has_status_and_detail_and_no_principal(pipe: Pipe) -> None:
    line = record(pipe, DENY, make_input())
    assert (line["decision"], line["reason"], line["status"], line["detail"]) == ("deny", "invalid_token", 401, "bad signature")
    assert "principal" not in line


def test_a_request_that_could_not_be_read(pipe: Pipe) -> None:
    line = record(pipe, Deny(Reason.MALFORMED_REQUEST, detail="not protobuf"), None)
    assert set(line) == {"time", "decision_id", "decision", "reason", "status", "revision", "duration_us", "detail"}


def test_envoys_id_stands_in_for_a_missing_request_id(pipe: Pipe) -> None:
    line = record(pipe, DENY, make_input()._replace(request_id="5077"))
    assert line["request_id"] == "5077"
    assert "trace_id" not in line


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "x",
        TRACE,
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01\n",
        f"00-{TRACE}-b7ad6b7169203331-01-{CANARY}",
        f"00-{TRACE}-b7ad6b7169203331-01,00-{TRACE}-b7ad6b7169203331-01",
    ],
)
def test_an_invalid_traceparent_gives_no_trace_id(pipe: Pipe, traceparent: str) -> None:
    assert "trace_id" not in record(pipe, DENY, make_input(headers={"traceparent": traceparent}))


def test_no_credential_reaches_a_record(pipe: Pipe) -> None:
    """Security rule 22: canaries in every place where a request carries a credential."""
    headers = {
        "authorization": f"Bearer {CANARY}",
        "x-api-key": CANARY,
        "cookie": f"session={CANARY}",
        "x-forwarded-client-cert": CANARY,
        "traceparent": CANARY,
    }
    for path in (f"/a?key={CANARY}", f"/a#{CANARY}", f"/a?#{CANARY}", f"/a#?{CANARY}", f"/{'a' * 5000}?{CANARY}", f"?{CANARY}"):
        request = make_input("GET", path, headers=headers)._replace(context={"secret": CANARY})
        writer = pipe.writers[0] if pipe.writers else pipe.writer()
        emit(writer, allow(principal(attributes={"c": CANARY}, metadata={"m": CANARY}, email=CANARY)), request)
        emit(writer, DENY, request)
    written = pipe.drain()
    assert written.count(b"\n") == 12
    assert CANARY.encode() not in written


def test_lengths_are_capped(pipe: Pipe) -> None:
    """Security rule 23."""
    long = "x" * 100_000
    request = make_input(long, "/" + long, host=long, headers={"x-request-id": long})
    line = record(pipe, Deny(Reason.NO_ROUTE, detail=long, principal=principal(subject=long, issuer=long)), request)
    assert (len(line["path"]), len(line["host"]), len(line["request_id"]), len(line["detail"])) == (MAX_PATH, MAX_HOST, MAX_ID, MAX_DETAIL)
    assert len(json.dumps(line)) < 4096


HOSTILE = 'a"\\\n\r\t\x00\x1b[31m\x7f\x9b\u2028\u202eé\U0001f600'


def test_controls_are_escaped(pipe: Pipe) -> None:
    """Security rule 23: one line, nothing in it that a terminal acts on, and the values as they were."""
    request = make_input("GET", "/", host=HOSTILE, headers={"x-request-id": HOSTILE})
    emit(pipe.writer(), Deny(Reason.AMBIGUOUS_HOST, detail=HOSTILE, principal=principal(subject=HOSTILE)), request)
    written = pipe.drain().decode()
    assert written.count("\n") == 1
    assert written[:-1].isprintable()
    line = json.loads(written)
    assert [line["host"], line["request_id"], line["detail"], line["principal"]["subject"]] == [HOSTILE] * 4


def test_text_that_is_no_unicode_costs_no_other_record(pipe: Pipe) -> None:
    writer = pipe.writer()
    emit(writer, DENY, make_input(host="one"))
    emit(writer, Deny(Reason.NO_ROUTE, detail="\ud800", principal=principal(subject="\udfff")), make_input(host="\ud800two"))
    emit(writer, DENY, make_input(host="three"))
    assert [line["host"] for line in pipe.lines()] == ["one", "?two", "three"]
    assert writer.dropped == 0


# --- the queue ----------------------------------------------------------------------------------------------


def test_records_come_out_in_order_and_none_is_lost(pipe: Pipe) -> None:
    writer = pipe.writer(capacity=100_000)
    for number in range(5000):
        assert emit(writer, allow(), make_input(), number)
    assert [line["decision_id"] for line in pipe.lines()] == [f"ID{number:014d}" for number in range(5000)]
    assert writer.dropped == 0


def test_a_single_record_is_written_soon(pipe: Pipe) -> None:
    writer = pipe.writer()
    for _ in range(3):
        emit(writer, DENY)
        began = time.monotonic()
        os.read(pipe.reading, 65536)
        assert time.monotonic() - began < 0.5
        time.sleep(0.05)


def test_denials_are_dropped_last(stuck: Pipe) -> None:
    writer = stuck.writer(capacity=400)
    allows = tried = 0
    accepted_at = time.monotonic()
    while time.monotonic() < accepted_at + 0.1:  # the writing thread may still be about to take some
        tried += 1
        if emit(writer, allow()):
            allows += 1
            accepted_at = time.monotonic()
    denials = sum(emit(writer, DENY) for _ in range(100))
    assert 300 <= allows <= 300 + MAX_READY * BATCH + TAKE  # queued, encoded ahead, in the hands of the thread
    assert denials == 100
    assert not emit(writer, allow())
    assert sum(emit(writer, DENY) for _ in range(100)) == 0
    assert writer.dropped == tried - allows + 101
    kept = [line["decision"] for line in stuck.lines()]
    assert kept.count("deny") == 100


def test_while_nobody_reads_long_paths_are_not_kept_whole(stuck: Pipe) -> None:
    """Security rule 30. A request with a path of 8 KB costs its sender nothing, and thousands of records wait."""
    writer = stuck.writer(capacity=800)
    for _ in range(MAX_READY * BATCH + TAKE + 800):
        emit(writer, DENY, make_input(path="/" + "a" * 8000 + "?b"))
    assert sum(len(taken[1][2]) > MAX_PATH for taken in writer._queue) <= 100
    assert all(len(line["path"]) == MAX_PATH for line in stuck.lines())


def test_a_reader_that_comes_back_gets_what_waited(stuck: Pipe) -> None:
    writer = stuck.writer()
    for number in range(500):
        assert emit(writer, DENY, None, number)
    assert len(stuck.lines()) == 500


def test_a_reader_that_went_away_costs_records_and_nothing_else(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    """Fault row 41: EPIPE is counted, said once, and the writer goes on."""
    writer = pipe.writer()
    os.close(pipe.reading)
    for _ in range(10):
        for _ in range(10):
            assert emit(writer, DENY)
        time.sleep(0.03)
    eventually(lambda: writer.dropped == 100)
    assert caplog.text.count("decision records cannot be written") == 1
    assert writer.close(1)
    pipe.writers.clear()
    os.close(pipe.writing)
    pipe.reading, pipe.writing = os.pipe()


def test_a_full_disk() -> None:
    """Fault row 40."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = RecordWriter(full.fileno())
        for _ in range(10):
            emit(writer, DENY)
        assert writer.close(1)
    assert writer.dropped == 10


def test_closing_is_bounded_and_counts_what_is_left(stuck: Pipe) -> None:
    writer = stuck.writer()
    for _ in range(1000):
        emit(writer, DENY)
    eventually(lambda: len(writer._queue) <= 1000 - 128)
    began = time.monotonic()
    assert not writer.close(0.2)
    assert time.monotonic() - began < 1
    assert writer.dropped >= 1000 - 128
    assert not emit(writer, DENY)
    stuck.writers.clear()


def test_a_descriptor_that_does_not_block(stuck: Pipe) -> None:
    """Standard output may be shared with a process that made it non-blocking: EAGAIN is waited out."""
    os.set_blocking(stuck.writing, False)
    writer = stuck.writer()
    for number in range(2000):
        emit(writer, DENY, make_input(path="/" + "x" * 200), number)
    time.sleep(0.05)
    assert len(stuck.lines()) == 2000


def test_time_has_microseconds_and_says_utc(pipe: Pipe) -> None:
    time_text = record(pipe, DENY, None)["time"]
    assert datetime.fromisoformat(time_text).timestamp() == pytest.approx(AT, abs=1e-6)
    assert time_text.endswith("Z")
