"""Callers in Envoy's front: threads that send requests one after the other and keep what came back."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from tests.servers.client import Connection

from .invariants import Answer

ALLOWED = 200
Ask = Callable[[], tuple[str, str]]
"""Target and token of the next request."""


class Callers:
    """A thread for each kind, each on a kept-alive connection, ``pause`` seconds between requests. Kinds as in ``invariants``."""

    def __init__(self, port: int, kinds: Mapping[str, Ask], pause: float = 0.01) -> None:
        self.answers: list[Answer] = []
        self._port, self._pause = port, pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=pair) for pair in kinds.items()]

    @property
    def wrongly_allowed(self) -> list[Answer]:
        """Bad requests that were let in."""
        return [answer for answer in self.of("bad") if answer.status == ALLOWED]

    def of(self, kind: str, since: float = 0.0, until: float = math.inf) -> list[Answer]:
        """Answers of the kinds that begin so, by the monotonic time of their request."""
        return [answer for answer in list(self.answers) if answer.kind.startswith(kind) and since <= answer.at < until]

    def statuses(self, kind: str, since: float = 0.0, until: float = math.inf) -> set[int]:
        """The different statuses among them."""
        return {answer.status for answer in self.of(kind, since, until)}

    def _call(self, kind: str, ask: Ask) -> None:
        connection = Connection(self._port)
        while not self._stop.is_set():
            target, token = ask()
            began = time.monotonic()
            reply = connection.send("GET", target, [("host", "api.example.com"), ("authorization", f"Bearer {token}")])
            self.answers.append(Answer(began, kind, reply.status, time.monotonic() - began))
            self._stop.wait(self._pause)
        connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
