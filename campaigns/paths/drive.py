"""Every path through every lane, by both listeners; and the smallest path that still goes wrong."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .client import Answer, Client, Http1, Http2
from .grammar import Case
from .judge import Outcome, judge
from .lane import LISTENERS, Lane

WORKERS = 6
"""Requests under way in one lane."""
TRIES = 5
SHRINKS = 400


@dataclass(frozen=True, slots=True)
class Wrong:
    """A path that reached a handler it must not reach."""

    lane: Lane
    listener: str
    case: Case
    answer: Answer


@dataclass(slots=True)
class Tally:
    """What came of the paths of one lane by one listener, and the wrong ones."""

    outcomes: dict[str, Counter[Outcome]] = field(default_factory=lambda: {name: Counter() for name in LISTENERS})
    wrong: list[Wrong] = field(default_factory=list)


class Sender:
    """Connections of one worker to one lane: one for each listener and protocol, opened when needed."""

    def __init__(self, lane: Lane, token: str) -> None:
        self._lane = lane
        self._token = token
        self._clients: dict[tuple[str, bool], Client] = {}

    async def send(self, listener: str, case: Case) -> Answer:
        """One request; where nobody judged it, again."""
        key = (listener, case.http2)
        if key not in self._clients:
            self._clients[key] = (Http2 if case.http2 else Http1)(self._lane.ports[listener])
        for attempt in range(TRIES):
            answer = await self._clients[key].get(case.path, self._token if case.signed else "")
            if judge(answer) is not Outcome.FAULT:
                break
            await asyncio.sleep(0.05 * 2**attempt)
        return answer

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


async def drive(lanes: Sequence[Lane], cases: Iterable[Case], token: str, seconds: float = 0) -> dict[str, Tally]:
    """Send all cases through all lanes at once, or what ``seconds`` (0: no bound) leave time for. Tallies by the lane's name.

    Each path goes through each lane by one of its two listeners, and through half of the lanes by the other one.
    """
    until = time.monotonic() + seconds if seconds else float("inf")
    tallies: dict[str, Tally] = {}
    async with asyncio.TaskGroup() as group:
        for index, (lane, own) in enumerate(zip(lanes, itertools.tee(cases, len(lanes)), strict=True)):
            tally = tallies[lane.program.name] = Tally()
            shared = ((LISTENERS[(case.number + index) % 2], case) for case in own)
            for _ in range(WORKERS):
                group.create_task(_work(lane, shared, token, tally, until))
    return tallies


async def _work(lane: Lane, turns: Iterator[tuple[str, Case]], token: str, tally: Tally, until: float) -> None:
    sender = Sender(lane, token)
    for listener, case in turns:
        if time.monotonic() > until:
            break
        answer = await sender.send(listener, case)
        outcome = judge(answer)
        tally.outcomes[listener][outcome] += 1
        if outcome is Outcome.WRONG:
            tally.wrong.append(Wrong(lane, listener, case, answer))
    sender.close()


async def smallest(wrong: Wrong, token: str) -> Wrong:
    """Leave out pieces, then bytes, as long as the path still reaches a handler that it must not reach."""
    sender = Sender(wrong.lane, token)
    best = wrong
    tried = 0
    for pieces in (best.case.parts, None):
        parts = pieces or tuple(bytes([byte]) for byte in best.case.path)
        index = 0
        while index < len(parts) and tried < SHRINKS:
            fewer = parts[:index] + parts[index + 1 :]
            tried += 1
            case = best.case._replace(parts=fewer)
            answer = await sender.send(wrong.listener, case) if case.path else None
            if answer is not None and judge(answer) is Outcome.WRONG:
                best, parts = Wrong(wrong.lane, wrong.listener, case, answer), fewer
            else:
                index += 1
    sender.close()
    return best
