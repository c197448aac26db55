"""Lines to a descriptor that may block, by a thread of their own behind a bounded queue.

Whoever puts a line never waits: a reader that stopped reading, a full disk or a closed pipe fills the queue, and
what doesn't fit is counted as lost (fault matrix: blocked sink, blocked stdout).
"""

import logging
import os
import re
import select
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 128
"""Items that are waited for before writing; reaching it wakes the thread."""
TAKE = 1024
"""Items taken at once: a busy deciding thread gives way every 5 ms only, and may have put many more than a batch."""
LINGER = 0.02
"""Seconds that the first item of a batch waits for company."""
_POLL_MS = 100
_NEWLINE = 0x0A

_UNPRINTABLE = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")


def escape_json_text(text: str) -> str:
    r"""Write as ``\uXXXX`` what JSON allows raw but a terminal or viewer acts on: DEL, C1, bidirectional controls."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Output:
    """Writes whole lines to ``fd``, for one thread. Holds no buffer and never raises."""

    def __init__(self, fd: int, *, on_change: Callable[[str], None] | None = None) -> None:
        """``on_change`` hears the words of an error when writing starts to fail, and an empty text when it works again."""
        self.giving_up = False
        """Set by another thread: no longer wait for a reader that doesn't read."""
        self._fd = fd
        self._on_change = on_change
        self._trouble = ""
        self._torn = False

    def write(self, lines: bytes) -> int:
        """Write ``lines``, each ended by a newline; return how many of them did not get out whole."""
        # A line that was cut by an earlier error is ended first, so that the next one stands alone.
        data = memoryview(b"\n" + lines if self._torn else lines)
        sent = 0
        try:
            while sent < len(data):
                sent += self._write_some(data[sent:])
        except OSError as error:
            self._report((error.strerror or type(error).__name__).lower())
            unsent = lines if sent == 0 else bytes(data[sent:])
            self._torn = data[sent - 1] != _NEWLINE if sent else self._torn
            return unsent.count(b"\n")
        self._torn = False
        self._report("")
        return 0

    def _write_some(self, data: memoryview) -> int:
        """Write what fits; wait for room on a descriptor that doesn't block (it may be shared with the outside)."""
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                if self.giving_up:
                    raise
                poller = select.poll()
                poller.register(self._fd, select.POLLOUT)
                poller.poll(_POLL_MS)

    def _report(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if self._on_change is not None:
                self._on_change(trouble)


class Pump(Generic[T]):
    """A bounded queue and the thread that writes what is in it.

    ``queue`` is a plain list: appending, and the thread's slicing and deleting from its front, are each one step
    under the GIL, so there is no lock to wait for. Producers append, then call :meth:`wake` if ``idle`` is set or
    a batch is full.
    """

    def __init__(self, output: Output, encode: Callable[[list[T]], bytes], name: str, *, linger: float = LINGER) -> None:
        """``encode`` turns items into lines, in the thread. Nothing runs before :meth:`start`."""
        self.queue: list[T] = []
        self.idle = False
        self.lost = 0
        """Items that the thread could not write."""
        self._output = output
        self._encode = encode
        self._linger = linger
        self._wake = threading.Event()
        self._closing = False
        self._in_hand = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread that there is work, or a full batch of it."""
        self.idle = False
        self._wake.set()

    def close(self, timeout: float) -> bool:
        """Write what is queued, for at most ``timeout`` seconds; return whether all of it was."""
        self._closing = True
        self.wake()
        if self._thread.ident is None:
            return not self.queue
        self._thread.join(timeout)
        self._output.giving_up = True
        if self._thread.is_alive():
            self.lost += self._in_hand  # it hangs in a write that the process will not wait for
        return not self._thread.is_alive() and not self.queue

    def _run(self) -> None:
        while self._await_batch():
            batch = self.queue[:TAKE]
            del self.queue[: len(batch)]
            self._in_hand = len(batch)
            try:
                self.lost += self._output.write(self._encode(batch))
            except Exception:  # a supervised background task: logged, counted, and nothing hangs on its answer
                self.lost += len(batch)
                log.exception("lines could not be written", extra={"lines": len(batch)})
            self._in_hand = 0

    def _await_batch(self) -> bool:
        """Wait for something to write; return False when closing and nothing is left."""
        if not self.queue:
            if self._closing:
                return False
            self._wake.clear()
            self.idle = True
            # Looked at again after ``idle`` was raised: an item appended in between would wake nobody.
            if not self.queue and not self._closing:
                self._wake.wait()
            self.idle = False
        if len(self.queue) < BATCH and not self._closing:
            self._wake.clear()
            self._wake.wait(self._linger)
        return bool(self.queue) or not self._closing
