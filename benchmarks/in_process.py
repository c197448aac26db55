"""The Check service without a front: the real configuration layer, engine, codec, records and metrics, called in a loop."""

import gc
import time
from collections.abc import Sequence
from statistics import median
from typing import Protocol

from sidecar.app.collector import settle
from sidecar.model.ask import Attributes, Got, Verify
from sidecar.model.principal import JsonValue
from sidecar.wire.seam import Checks, Pending

from .corpus_file import Message

SETTLE_SECONDS = 0.03
"""Longer than the record writer lets a record wait, so that the writing of a pass is counted to it."""


OWNER: JsonValue = {"id": "user_001", "department": "eng"}
"""What the source says of every post's owner."""


class WrongAnswer(Exception):
    """A reply is not the allow that it should be."""


def check(checks: Checks, body: bytes) -> bytes:
    """One check, its signature verified if it asks for that."""
    outcome = checks.open(body, None)
    while isinstance(outcome, Pending):
        if isinstance(outcome.ask, Attributes):  # once for each post: remembered then
            outcome = checks.resume(outcome, tuple(Got(OWNER, 40, time.monotonic()) for _ in outcome.ask.requests))
        elif isinstance(outcome.ask, Verify):
            outcome = checks.resume(outcome, outcome.ask.run())
        else:
            raise WrongAnswer(f"asks for {outcome.ask}")
    return outcome


def one_pass(checks: Checks, messages: Sequence[Message]) -> float:
    """Answer all messages once; return the CPU time of the process for one of them, in µs, its record's writing included.

    Raises WrongAnswer, after the clock has been read.
    """
    open_check = checks.open
    begin = time.process_time_ns()
    replies = [open_check(message.body, None) for message in messages]
    # a pass fits the record queue, and the writer gets the processor now, as it does while a front waits for calls
    time.sleep(SETTLE_SECONDS)
    spent = time.process_time_ns() - begin
    for reply, message in zip(replies, messages, strict=True):
        expect(reply, message)
    return spent / len(messages) / 1000


def expect(reply: bytes | Pending, message: Message) -> None:
    """Raise WrongAnswer unless ``reply`` is the allow that ``message`` should get."""
    if not isinstance(reply, bytes) or message.needle not in reply:
        raise WrongAnswer(repr(reply))


def warm(checks: Checks, messages: Sequence[Message]) -> None:
    """See every token and route before the measurement, then put what there is out of the collector's way, as ``serve`` does."""
    for message in messages:
        expect(check(checks, message.body), message)
    gc.collect()
    settle()


class Case(Protocol):
    """Something that is measured in passes."""

    def __call__(self) -> float:
        """Run one pass; return its figure."""


def alternate(passes: int, *cases: Case) -> list[list[float]]:
    """Run cases in turn, the order turned around every time; return the figures of each."""
    figures: list[list[float]] = [[] for _ in cases]
    pairs = list(zip(cases, figures, strict=True))
    for _ in range(passes):
        for case, of_case in pairs:
            of_case.append(case())
        pairs.reverse()
    return figures


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of what was measured together."""
    return median(a / b for a, b in zip(above, below, strict=True))
