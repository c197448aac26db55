"""The process's own log: JSON lines on standard error, or plain lines where a person looks at a terminal.

Logging never blocks whoever logs (fault matrix: blocked stdout): lines are made by the caller and written by a
thread behind a bounded queue. Controls are escaped and lengths capped (security rule 23). Modules log with the
standard library and give fields as ``extra={…}``.
"""

import logging
import os
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from .output import BATCH, Output, Pump, escape_json_text

CAPACITY = 2000
"""Lines that wait at most; what comes on top is dropped and counted."""
MAX_MESSAGE = 4096
MAX_VALUE = 1024
MAX_TRACEBACK = 8192
MAX_EXTRAS = 32

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "time", "level", "logger", "exception"}
_QUIET = ("httpcore", "httpx", "uvicorn", "uvicorn.error", "watchfiles")
"""Third parties whose INFO lines say what we say ourselves, or show whole URLs (httpx)."""

_HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}"), "[token]"),
    (re.compile(r"\b(bearer|basic|dpop|apikey)\s+[\w.~+/=-]{12,}", re.IGNORECASE), r"\1 [hidden]"),
    (re.compile(r"(\bhttps?://)[^\s/?#@\"']+@"), r"\1"),
    (re.compile(r"(\bhttps?://[^\s?#\"']*)[?#][^\s\"']*"), r"\1"),
)
_encode = msgspec.json.Encoder().encode


def redact(text: str) -> str:
    """Take out what looks like a credential: the last net under exception texts of libraries, not a permission to log one."""
    for pattern, replacement in _HIDDEN:
        text = pattern.sub(replacement, text)
    return text


class LogWriter(logging.Handler):
    """Queues rendered lines for the writing thread."""

    def __init__(self, fd: int, render: Callable[[logging.LogRecord], str], *, capacity: int = CAPACITY) -> None:
        """Start the thread that writes to ``fd``."""
        super().__init__()
        self._render = render
        self._capacity = capacity
        self._pump: Pump[bytes] = Pump(Output(fd), b"".join, "logs")
        self._refused = 0
        self._told = 0
        self._pump.start()

    @property
    def dropped(self) -> int:
        """Lines that did not get out."""
        return self._refused + self._pump.lost

    def emit(self, record: logging.LogRecord) -> None:
        """Render one record and queue it; never waits, never raises for a badly formed record."""
        queue = self._pump.queue
        if len(queue) >= self._capacity:
            self._refused += 1
            return
        missing = self.dropped - self._told
        if missing:
            self._told += missing
            queue.append(self._line(_own(record, f"{missing} log lines were dropped")))
        queue.append(self._line(record))
        if self._pump.idle or len(queue) == BATCH:
            self._pump.wake()

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self._render(record)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            text = self._render(_own(record, f"malformed log call in {record.module}:{record.lineno}: {type(error).__name__}"))
        return text.encode("utf-8", "backslashreplace") + b"\n"

    def finish(self, timeout: float) -> bool:
        """Write what waits, for at most ``timeout`` seconds; return whether all of it was."""
        return self._pump.close(timeout)


def _own(cause: logging.LogRecord, message: str) -> logging.LogRecord:
    """Make a record of this module's own, at the time of ``cause``."""
    return logging.makeLogRecord(
        {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": message, "created": cause.created}
    )


def json_line(record: logging.LogRecord) -> str:
    """Render as one JSON object: time, level, logger, message, the extras, exception."""
    fields: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _capped(record.getMessage(), MAX_MESSAGE),
    }
    fields.update(_extras(record))
    if record.exc_info:
        fields["exception"] = _exception(record)
    return escape_json_text(_encode(fields).decode())


def human_line(record: logging.LogRecord) -> str:
    """Render for a terminal. Only the traceback has lines of its own, each indented."""
    time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
    extras = "".join(f" {name}={value}" for name, value in _extras(record).items())
    line = f"{time} {record.levelname:<7} {_capped(record.getMessage(), MAX_MESSAGE)}{extras}"
    lines = [line, *("  " + part for part in (_exception(record).splitlines() if record.exc_info else ()))]
    return "\n".join(_printable(part) for part in lines)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields that the caller gave as ``extra``, values capped."""
    given = [(name, value) for name, value in vars(record).items() if name not in _STANDARD][:MAX_EXTRAS]
    return {name: value if isinstance(value, bool | int | float | None) else _capped(str(value), MAX_VALUE) for name, value in given}


def _exception(record: logging.LogRecord) -> str:
    """Return the end of the traceback, which says most."""
    text = "".join(traceback.format_exception(*record.exc_info)) if isinstance(record.exc_info, tuple) else ""
    return redact(text)[-MAX_TRACEBACK:]


def _capped(text: str, length: int) -> str:
    # Cut first: the patterns then see a bounded text, and still know a token by its start.
    return redact(text if len(text) <= length else text[:length] + "…")


def _printable(text: str) -> str:
    """Escape everything that a terminal would act on."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def configure(fd: int = 2) -> LogWriter:
    """Send everything logged in this process, from info on, to ``fd``: JSON, or for people where it is a terminal."""
    writer = LogWriter(fd, human_line if os.isatty(fd) else json_line)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(writer)
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return writer
