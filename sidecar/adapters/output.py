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
"""Items of a full batch. The thread lingers until so many wait; producers of records encode them when they do (``press``)."""
TAKE = 1024
"""Items taken at once: a busy deciding thread gives way every 5 ms only, and may have put many more than a batch."""
MAX_READY = 8
TELL_AT = 6
"""Batches that producers encode ahead of the thread, and how many they let come together before they wake it early: a
wake-up on another processor costs what a dozen items do."""
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

    ``queue`` is a plain list: appending, and slicing and deleting from its front, are each one step under the GIL.
    Producers append, then call :meth:`wake` if ``idle`` is set, or :meth:`press` when a batch is full. They never
    wait: what could block, they leave to the thread.
    """

    def __init__(self, output: Output, encode: Callable[[list[T]], bytes], name: str, *, linger: float = LINGER) -> None:
        """``encode`` turns items into lines, in either thread. Nothing runs before :meth:`start`."""
        self.queue: list[T] = []
        self.idle = False
        self.lost = 0
        """Items that could not be written."""
        self._output = output
        self._encode = encode
        self._linger = linger
        self._ready: list[tuple[int, bytes]] = []
        """Batches encoded by producers, older than all in ``queue``: how many items, and their lines (none if that failed)."""
        self._taking = threading.Lock()
        """Held while items are taken from the queue, so that they come out in order."""
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

    def press(self) -> None:
        """Encode a full batch here: on another processor each item's way there costs more than encoding it."""
        if len(self._ready) < MAX_READY and self._taking.acquire(blocking=False):
            try:
                batch = self.queue[:BATCH]
                del self.queue[: len(batch)]
                self._ready.append((len(batch), self._encoded(batch)))
            finally:
                self._taking.release()
        if self.idle or len(self._ready) >= TELL_AT:
            self.wake()

    def close(self, timeout: float) -> bool:
        """Write what is queued, for at most ``timeout`` seconds; return whether all of it was."""
        self._closing = True
        self.wake()
        if self._thread.ident is None:
            return not self._waiting()
        self._thread.join(timeout)
        self._output.giving_up = True
        if self._thread.is_alive():  # it hangs in a write that the process will not wait for
            self.lost += self._in_hand + sum(count for count, _ in self._ready)
        return not self._thread.is_alive() and not self._waiting()

    def _waiting(self) -> bool:
        return bool(self.queue or self._ready)

    def _encoded(self, batch: list[T]) -> bytes:
        """Encode; a failure costs the batch, is logged, and nothing hangs on it."""
        try:
            return self._encode(batch)
        except Exception:
            log.exception("lines could not be written", extra={"lines": len(batch)})
            return b""

    def _run(self) -> None:
        while self._await_batch():
            with self._taking:
                ready, self._ready = self._ready, []
                batch = [] if ready else self.queue[:TAKE]
                del self.queue[: len(batch)]
                self._in_hand = len(batch) + sum(count for count, _ in ready)
            for count, lines in ready or [(len(batch), self._encoded(batch))]:
                self.lost += self._output.write(lines) if lines else count
                self._in_hand -= count

    def _await_batch(self) -> bool:
        """Wait for something to write; return False when closing and nothing is left."""
        if not self._waiting():
            if self._closing:
                return False
            self._wake.clear()
            self.idle = True
            # Looked at again after ``idle`` was raised: an item appended in between would wake nobody.
            if not self._waiting() and not self._closing:
                self._wake.wait()
            self.idle = False
        if len(self.queue) < BATCH and len(self._ready) < TELL_AT and not self._closing:
            self._wake.clear()
            self._wake.wait(self._linger)
        return self._waiting() or not self._closing
