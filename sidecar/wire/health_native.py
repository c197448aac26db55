"""Health checks on the native front: calls come on the deciding thread, changes of the status on the loop's."""

import threading

from pygrpc_native import STREAM_SENT, NativeGrpcFront

from .health import UNKNOWN_SERVICE, Health, Refusal

UNAVAILABLE = 14


class NativeHealth:
    """Answers Health/Check and keeps the open Health/Watch streams."""

    def __init__(self, native: NativeGrpcFront) -> None:
        """Start as not serving, with no stream open."""
        self._native = native
        self._health = Health()
        self._watches: dict[int, bool] = {}
        """Watch streams by call id; True if their service's status can change."""
        self._lock = threading.Lock()

    def answer(self, call_id: int, payload: bytes, *, watch: bool) -> None:
        """Answer a Check, or open a Watch stream with the current status."""
        with self._lock:
            answer = self._open(call_id, payload) if watch else self._health.check(payload)
        if isinstance(answer, Refusal):
            self._native.fail(call_id, answer.code, answer.message)
        elif not watch:
            self._native.respond(call_id, answer)

    def _open(self, call_id: int, payload: bytes) -> bytes | Refusal:
        known = self._health.watch(payload, len(self._watches))
        if isinstance(known, Refusal):
            return known
        self._watches[call_id] = known
        first = self._health.current() if known else UNKNOWN_SERVICE
        self._native.stream_try_send(call_id, first)
        return first

    def drop(self, call_id: int) -> None:
        """Forget a Watch stream that its caller has left."""
        with self._lock:
            self._watches.pop(call_id, None)

    def set_serving(self, serving: bool) -> None:
        """Change the status and tell who watches.

        A watcher that does not read would miss the change: its stream is ended, so that it asks again.
        """
        with self._lock:
            if serving == self._health.serving:
                return
            self._health.serving = serving
            for call_id in [call_id for call_id, known in self._watches.items() if known]:
                if self._native.stream_try_send(call_id, self._health.current()) != STREAM_SENT:
                    self._native.fail(call_id, UNAVAILABLE, "watch again")
                    del self._watches[call_id]
