"""An open-loop load generator: it sends at a given rate whatever comes back, as the world does, and gives up as Envoy does.

Runs as a process of its own: a plan (JSON) on standard input, what came of each flow in each of its phases on standard output.
A call not answered within ``timeout_ms`` is cancelled and counts as unanswered; an answer that crosses with that is late.
"""

import json
import selectors
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field

from benchmarks.corpus_file import Message, read_corpus

from .caller import Caller, Closed

TICK = 0.001
"""Seconds between two looks at what is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One kind of request: ``corpus`` (an empty needle: must be denied), and calls a second in each phase."""

    name: str
    corpus: str
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Phases of ``seconds`` each, every flow at its own rate, all over the same connections."""

    address: str
    seconds: tuple[float, ...]
    flows: tuple[Flow, ...]
    timeout_ms: int = 200
    connections: int = 16
    max_requests: int = 0
    """As Envoy's circuit breaker of that name: with so many calls open, further ones are refused on the spot. 0: without."""


@dataclass(slots=True)
class Outcome:
    """One flow in one phase; calls count in the phase in which they were sent. Latencies in ms, of what was allowed.

    ``denied`` by reason. ``errors``: ended without a message. ``late``: answers that crossed with the cancellation.
    ``broken``: refused by the circuit breaker. ``unsent``: no stream or window was left. ``wrong``: an allow that is not its own request's.
    """

    flow: str
    phase: int
    sent: int = 0
    allowed: int = 0
    denied: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    unanswered: int = 0
    late: int = 0
    broken: int = 0
    unsent: int = 0
    wrong: int = 0
    p50: float = 0.0
    p99: float = 0.0
    longest_refusal: float = 0.0
    behind: float = 0.0
    """The most that the generator itself was behind its schedule, in ms."""


def run(plan: Plan) -> list[Outcome]:
    """Have a process of its own carry out the plan. Raises RuntimeError with its words when it fails."""
    command = [sys.executable, "-m", "campaigns.open_loop"]
    done = subprocess.run(command, input=json.dumps(asdict(plan)), text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    sys.stderr.write(done.stderr)
    return [Outcome(**fields) for fields in json.loads(done.stdout)]


def reason_of(message: bytes, needle: bytes) -> str:
    """``allowed``, ``wrong``, or the reason of a denial. Whatever is no denial is taken for an allow."""
    if b'"status":' not in message:
        return "allowed" if needle and needle in message else "wrong"
    for reason in (b"overloaded", b"deadline_exceeded", b"invalid_token", b"not_ready", b"keys_unavailable"):
        if reason in message:
            return reason.decode()
    return "other"


class Sent:
    """A call on its way."""

    __slots__ = ("at", "caller", "needle", "outcome", "stream", "times")

    def __init__(self, at: float, caller: Caller, needle: bytes, outcome: Outcome, times: list[float]) -> None:
        self.at, self.caller, self.needle, self.outcome, self.times = at, caller, needle, outcome, times
        self.stream = 0


class Source:
    """One flow, as it is sent."""

    def __init__(self, flow: Flow, phases: int) -> None:
        self.rates = flow.rates
        self.messages: list[Message] = read_corpus(flow.corpus)
        self.at = 0
        self.outcomes = [Outcome(flow.name, phase) for phase in range(phases)]
        self.times: list[list[float]] = [[] for _ in range(phases)]

    def next(self) -> Message:
        message = self.messages[self.at]
        self.at = self.at + 1 if self.at + 1 < len(self.messages) else 0
        return message


class Generator:
    """Sends, reads, gives up."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.timeout = plan.timeout_ms / 1000
        self.selector = selectors.DefaultSelector()
        self.callers: list[Caller] = []
        for _ in range(plan.connections):
            self._connect()
        self.reconnects = 0
        self.sources = [Source(flow, len(plan.seconds)) for flow in plan.flows]
        self.sent: deque[Sent] = deque()
        self.turn = 0

    def _connect(self) -> None:
        caller = Caller(self.plan.address, self.plan.timeout_ms)
        self.callers.append(caller)
        self.selector.register(caller.sock, selectors.EVENT_READ, caller)

    def _lost(self, caller: Caller) -> None:
        """What was open on a closed connection has failed; a new one takes its place."""
        for sent in caller.waiting.values():
            if isinstance(sent, Sent):
                sent.outcome.errors += 1
        caller.waiting.clear()
        self.selector.unregister(caller.sock)
        caller.close()
        self.callers.remove(caller)
        self.reconnects += 1
        self._connect()

    def go(self) -> list[Outcome]:
        """All phases, then wait for what is still open."""
        self._settle(0.2)
        for phase, seconds in enumerate(self.plan.seconds):
            self._phase(phase, seconds)
        self._settle(self.timeout + 0.1)
        for source in self.sources:
            for outcome, times in zip(source.outcomes, source.times, strict=True):
                if times:
                    times.sort()
                    outcome.p50, outcome.p99 = times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000
        return [outcome for source in self.sources for outcome in source.outcomes]

    def _settle(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self._look(TICK)
            self._give_up()

    def _phase(self, phase: int, seconds: float) -> None:
        begin = last = time.perf_counter()
        counts = Counter[int]()
        while (now := time.perf_counter()) < begin + seconds:
            for number, source in enumerate(self.sources):
                due = int((now - begin) * source.rates[phase]) - counts[number]
                counts[number] += due
                source.outcomes[phase].behind = max(source.outcomes[phase].behind, (now - last - TICK) * 1000)
                for _ in range(due):
                    self._send(source, phase, now)
            last = now
            for caller in tuple(self.callers):
                try:
                    caller.flush()
                except Closed:
                    self._lost(caller)
            self._look(max(0.0, now + TICK - time.perf_counter()))
            self._give_up()

    def _send(self, source: Source, phase: int, now: float) -> None:
        body, needle = source.next()
        outcome = source.outcomes[phase]
        outcome.sent += 1
        if 0 < self.plan.max_requests <= sum(len(caller.waiting) for caller in self.callers):
            outcome.broken += 1
            return
        for _ in range(len(self.callers)):
            self.turn = (self.turn + 1) % len(self.callers)
            caller = self.callers[self.turn]
            if caller.room(len(body)):
                sent = Sent(now, caller, needle, outcome, source.times[phase])
                sent.stream = caller.call(body, sent)
                self.sent.append(sent)
                return
        outcome.unsent += 1

    def _look(self, patience: float) -> None:
        for key, _ in self.selector.select(patience):
            caller: Caller = key.data
            try:
                replies = caller.read()
            except Closed:
                self._lost(caller)
                continue
            now = time.perf_counter()
            for _stream, sent, message in replies:
                if isinstance(sent, Sent):
                    self._take(sent, message, now)

    def _take(self, sent: Sent, message: bytes | None, now: float) -> None:
        outcome, took = sent.outcome, now - sent.at
        if message is None:
            outcome.errors += 1
            return
        said = reason_of(message, sent.needle)
        if took > self.timeout:
            outcome.late += 1
        if said == "allowed":
            outcome.allowed += 1
            sent.times.append(took)
        elif said == "wrong":
            outcome.wrong += 1
        else:
            outcome.denied[said] = outcome.denied.get(said, 0) + 1
            outcome.longest_refusal = max(outcome.longest_refusal, took * 1000)

    def _give_up(self) -> None:
        """Cancel what has waited for too long, after whatever has already come was read."""
        limit = time.perf_counter() - self.timeout
        sent = self.sent
        while sent and sent[0].at < limit:
            old = sent.popleft()
            if old.stream in old.caller.waiting:
                old.caller.cancel(old.stream)
                old.outcome.unanswered += 1


def main() -> None:
    """Read a plan, carry it out, print the outcomes as JSON."""
    fields = json.loads(sys.stdin.read())
    plan = Plan(**{**fields, "flows": tuple(Flow(**{**flow, "rates": tuple(flow["rates"])}) for flow in fields["flows"])})
    generator = Generator(plan)
    sys.stdout.write(json.dumps([asdict(outcome) for outcome in generator.go()]))
    sys.stderr.write(f"{generator.reconnects} reconnects\n")


if __name__ == "__main__":
    main()
