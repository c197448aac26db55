"""Lines to a descriptor: whole, or counted as lost."""

import os
import time
from collections.abc import Iterator

import pytest

from sidecar.adapters import output as module
from sidecar.adapters.output import Output, Pump, escape_json_text


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    return []


def scripted(monkeypatch: pytest.MonkeyPatch, written: list[bytes], results: list[int | OSError]) -> None:
    """Let os.write accept so many bytes, or fail, call by call; without more results it accepts all."""

    def write(_fd: int, data: memoryview) -> int:
        result = results.pop(0) if results else len(data)
        if isinstance(result, OSError):
            raise result
        written.append(bytes(data[:result]))
        return min(result, len(data))

    monkeypatch.setattr(module.os, "write", write)


def test_partial_writes_are_continued(monkeypatch: pytest.MonkeyPatch, written: list[bytes]) -> None:
    scripted(monkeypatch, written, [2, 1, 3])
    assert Output(1).write(b"one\ntwo\nthree\n") == 0
    assert b"".join(written) == b"one\ntwo\nthree\n"


def test_a_torn_line_is_ended_before_the_next_and_counted_once(monkeypatch: pytest.MonkeyPatch, written: list[bytes]) -> None:
    scripted(monkeypatch, written, [6, OSError(28, "No space left on device"), OSError(28, "No space left on device")])
    output = Output(1)
    assert output.write(b"one\ntwo\nthree\n") == 2
    assert output.write(b"four\n") == 1
    assert output.write(b"five\n") == 0
    assert output.write(b"six\n") == 0
    assert b"".join(written) == b"one\ntw\nfive\nsix\n"


def test_an_error_between_lines_tears_nothing(monkeypatch: pytest.MonkeyPatch, written: list[bytes]) -> None:
    scripted(monkeypatch, written, [4, OSError(32, "Broken pipe")])
    output = Output(1)
    assert output.write(b"one\ntwo\n") == 1
    assert output.write(b"three\n") == 0
    assert b"".join(written) == b"one\nthree\n"


def test_changes_are_told_once(monkeypatch: pytest.MonkeyPatch, written: list[bytes]) -> None:
    told: list[str] = []
    failure = OSError(32, "Broken pipe")
    scripted(monkeypatch, written, [failure, failure, 99, 99])
    output = Output(1, on_change=told.append)
    for _ in range(4):
        output.write(b"x\n")
    assert told == ["broken pipe", ""]


def test_a_thread_outlives_what_its_encoder_raises(caplog: pytest.LogCaptureFixture) -> None:
    def encode(items: list[int]) -> bytes:
        if 13 in items:
            raise ValueError("no")
        return b"".join(b"%d\n" % item for item in items)

    reading, writing = os.pipe()
    pump = Pump(Output(writing), encode, "test", linger=0.001)
    pump.start()
    for item in (1, 13, 2):
        pump.queue.append(item)
        pump.wake()
        until = time.monotonic() + 5
        while (pump.queue or not pump.idle) and time.monotonic() < until:
            time.sleep(0.002)
    assert pump.close(5)
    assert os.read(reading, 100) == b"1\n2\n"
    assert pump.lost == 1
    assert "lines could not be written" in caplog.text
    os.close(reading)
    os.close(writing)


def test_closing_before_starting() -> None:
    pump: Pump[bytes] = Pump(Output(1), b"".join, "test")
    assert pump.close(0)


@pytest.fixture
def unprintable() -> Iterator[str]:
    return (chr(code) for code in range(0x20, 0x11000) if not chr(code).isprintable() and chr(code).isascii())


def test_escapes_keep_the_meaning(unprintable: Iterator[str]) -> None:
    assert escape_json_text("plain é \U0001f600") == "plain é \U0001f600"
    assert escape_json_text("\x7f\x9b\u202e") == "\\u007f\\u009b\\u202e"
    assert all(escape_json_text(char) != char for char in unprintable)
