"""The process's own log. Security rules 22 and 23."""

import json
import logging
import os
import time
from collections.abc import Iterator

import pytest

from sidecar.adapters import logs
from sidecar.adapters.logs import LogWriter, configure, human_line, json_line, redact
from sidecar.model.secret import Secret

CANARY = "s3cr3t-canary"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def record(message: object = "words", *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("sidecar.x").makeRecord("sidecar.x", logging.WARNING, "x.py", 1, message, arguments, None, "f", extra)


def fail(text: str) -> None:
    raise ValueError(text)


def failed(text: str) -> logging.LogRecord:
    made = record()
    try:
        fail(text)
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    return made


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_fields_of_a_line() -> None:
    line = json.loads(json_line(record("fetched %s", "keys", issuer="corp", seconds=1.5, retry=None, names=["a"])))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "sidecar.x",
        "message": "fetched keys",
        "issuer": "corp",
        "seconds": 1.5,
        "retry": None,
        "names": "['a']",
    }


def test_an_exception_is_one_field() -> None:
    text = json_line(failed("bad\nnews"))
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: bad\nnews\n")


def test_what_a_caller_gives_cannot_forge_a_field_or_a_line() -> None:
    hostile = 'x","level":"info\n\r\x1b[2J\x7f\x9b\u202e'
    for render in (json_line, human_line):
        text = render(record(hostile, field=hostile))
        assert "\n" not in text
        assert text.isprintable()
    assert json.loads(json_line(record(hostile)))["message"] == hostile


def test_lengths_are_capped() -> None:
    many = {f"f{number}": "x" * 10_000 for number in range(100)}
    assert len(json_line(record("x" * 100_000, **many))) < 50_000
    assert json.loads(json_line(failed("x" * 100_000)))["exception"].endswith("x\n")
    assert len(json_line(failed("x" * 100_000))) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        f"Authorization: Bearer {JWT}",
        f"got eyJhbGciOiJIUzI1NiJ9.{CANARY}.x",
        f"bearer {CANARY}",
        f"Basic {CANARY}==",
        f"GET https://user:{CANARY}@host/path",
        f"GET https://host/path?token={CANARY}",
        f"GET http://host/path#{CANARY} failed",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    for render in (json_line, human_line):
        for made in (record(text), record("%s", text), record(field=text), failed(text)):
            assert CANARY not in render(made)
            assert "eyJzdWIiOiIxIn0" not in render(made)


def test_a_cut_token_is_taken_out_too() -> None:
    text = "x" * (logs.MAX_MESSAGE - 40) + f" eyJhbGciOiJSUzI1NiJ9.{CANARY}{'y' * 100}.c2ln"
    assert CANARY not in json_line(record(text))


def test_secrets_hide_themselves() -> None:
    assert CANARY not in json_line(record("%s %r", Secret(CANARY.encode()), Secret(CANARY.encode()), field=Secret(CANARY.encode())))


def test_ordinary_words_stay() -> None:
    for text in ("a bearer token is missing", "https://idp.example.com/keys answered 500", "eyJ", "basic auth", "expected 3 parts"):
        assert redact(text) == text


def test_plain_lines_for_a_terminal() -> None:
    text = human_line(record("fetched", issuer="corp"))
    assert text.endswith("WARNING fetched issuer=corp")
    assert human_line(failed("no")).splitlines()[-1] == "  ValueError: no"


class LogPipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def text(self) -> str:
        os.set_blocking(self.reading, False)
        parts = []
        try:
            while part := os.read(self.reading, 65536):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts).decode()


@pytest.fixture
def pipe() -> Iterator[LogPipe]:
    made = LogPipe()
    yield made
    os.close(made.reading)
    os.close(made.writing)


@pytest.mark.usefixtures("restored")
def test_everything_logged_goes_to_the_descriptor(pipe: LogPipe) -> None:
    writer = configure(pipe.writing)
    logging.getLogger("sidecar.x").info("ours")
    logging.getLogger("asyncio").error("theirs")
    logging.getLogger("uvicorn.error").info("not worth a line")
    logging.getLogger("httpx").info("GET https://idp/keys?secret")
    logging.getLogger("sidecar.x").debug("too fine")
    assert writer.finish(2)
    assert [json.loads(line)["message"] for line in pipe.text().splitlines()] == ["ours", "theirs"]


@pytest.mark.usefixtures("restored")
def test_a_malformed_log_call_is_a_line_that_says_so(pipe: LogPipe) -> None:
    writer = configure(pipe.writing)
    logging.getLogger("sidecar.x").warning("%d", "text")
    logging.getLogger("sidecar.x").warning("\ud800")
    assert writer.finish(2)
    first, second = (json.loads(line) for line in pipe.text().splitlines())
    assert first["message"].startswith("malformed log call in test_logs:")
    assert "malformed" in second["message"] or second["message"] == "?"


def test_a_blocked_reader_blocks_nobody_and_hears_what_it_missed(pipe: LogPipe) -> None:
    """Fault row 42."""
    os.set_blocking(pipe.writing, False)
    try:
        while True:
            os.write(pipe.writing, b" " * 4096)
    except BlockingIOError:
        os.set_blocking(pipe.writing, True)
    writer = LogWriter(pipe.writing, json_line, capacity=50)
    began = time.monotonic()
    for number in range(5000):
        writer.handle(record("number %d", number))
    assert time.monotonic() - began < 2
    assert writer.dropped >= 5000 - 50 - 128
    text = pipe.text()
    until = time.monotonic() + 5
    while writer._pump.queue and time.monotonic() < until:
        text += pipe.text()
        time.sleep(0.01)
    writer.handle(record("after"))
    assert writer.finish(2)
    messages = [json.loads(line)["message"] for line in (text + pipe.text()).splitlines()]
    told = [int(message.split()[0]) for message in messages if message.endswith("log lines were dropped")]
    assert sum(told) == writer.dropped
    assert messages[-1] == "after"
