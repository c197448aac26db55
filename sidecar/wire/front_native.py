"""The pygrpc-native front: HTTP/2 outside the GIL, raw bytes in batches, every check decided on one thread.

What the library (0.5) does not do, and how this module lives with it:

* The caller's deadline and cancellation come with ``call_details``, at 3 µs a call. The deadline alone is had for
  nothing by taking ``grpc-timeout`` as the "client key". Its clock starts when a call is received, so every turn takes
  *all* calls that wait: each is then known to be no older than the turn before, and counted as that old. A call that
  is cancelled is only noticed when its reply finds nobody, or when its own deadline passes.
* It has no limit on messages or calls: ``max_check_size`` and ``max_in_flight`` are kept here.
* It cannot be woken: while asks are open the thread looks for their answers every millisecond, else it sleeps.
* ``close`` drops replies accepted in the last milliseconds: wait first.
"""

import asyncio
import threading
from collections import deque
from functools import lru_cache
from typing import Final, TypeAlias

from pygrpc_native import EVENT_CANCEL, NativeGrpcFront

from sidecar.model.addresses import Listen
from sidecar.model.ask import Verify
from sidecar.model.reason import Reason
from sidecar.model.settings import ServerSettings

from .asks import LoopAsks
from .front import CHECK_METHOD, STOPPING, TOO_LATE, TOO_LONG, TOO_MANY, Desk, FrontParts, Limits, wait_quiet
from .health import CHECK_METHOD as HEALTH_CHECK_METHOD
from .health import WATCH_METHOD as HEALTH_WATCH_METHOD
from .health_native import NativeHealth
from .listen import bindable, bound, change_mode
from .seam import WAY_BACK, Pending

Event: TypeAlias = tuple[int, int, int, bytes | None, bytes | str | None]
Call: TypeAlias = tuple[int, bytes, bytes | str | None, float]
"""Call id, payload, ``grpc-timeout`` (bytes) or something else (none was set), monotonic time since which it may have waited."""

METHODS: Final = [(CHECK_METHOD, False), (HEALTH_CHECK_METHOD, False), (HEALTH_WATCH_METHOD, True)]
CHECK, HEALTH_WATCH = 0, 2
TAKE = 4096
"""Calls taken at once: all that wait, so that the age of each is known."""
BATCH = 64
"""Checks decided before the first of them is answered: 3 to 6 µs a call cheaper than one by one, at most 0.7 ms later."""
VERIFY_BATCH = 8
"""New tokens verified before the next calls are taken, at least: they delay cached ones by about a millisecond."""
VERIFY_TIME = 0.005
"""Seconds that go into more of them in one turn, at most: what held everything up, once, must not do it again."""
WAITING_SHARE = 0.75
"""Of the time that a check has left, the part that it may spend waiting for its turn; with less it is refused at once."""
TURNS_KNOWN = 7
"""Turns from which the time that a check takes is known."""
LONG_TURN = 0.001
"""Seconds. Shorter turns than this count as none in the age of a call."""
CLOSING_WAIT = 0.05

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


@lru_cache(1024)
def timeout_seconds(value: bytes) -> float | None:
    """Read a ``grpc-timeout`` (at most 8 digits and a unit), in seconds; None for one that the protocol doesn't know."""
    number, unit = value[:-1], _UNITS.get(value[-1:])
    return int(number) * unit if unit is not None and len(number) <= 8 and number.isdigit() else None  # noqa: PLR2004 - the protocol's


class Pace:
    """Seconds from one check to the next while there is one after the other: the median of the latest turns.

    The median, so that a turn in which the machine stood still says nothing of the others.
    """

    __slots__ = ("_least", "_turns")

    def __init__(self, least: int) -> None:
        """Take each turn as if it had been of ``least`` checks: one alone says nothing of how fast many are."""
        self._least = least
        self._turns = deque([0.0], TURNS_KNOWN)

    def learn(self, took: float, count: int) -> None:
        """Take in a turn of so many seconds and checks."""
        self._turns.append(took / max(count, self._least))

    def seconds(self) -> float:
        """Return the pace; 0 when nothing is known."""
        return sorted(self._turns)[len(self._turns) // 2]


class DecisionThread:
    """Takes calls, decides, answers. Everything without a note belongs to its thread."""

    def __init__(self, native: NativeGrpcFront, health: NativeHealth, asks: LoopAsks, parts: FrontParts) -> None:
        """Take what it works with; nothing runs before ``start``."""
        self.received = 0
        """Checks received so far; read by the loop."""
        self.refusing = False
        """Set by the loop, for good: what is open and what still comes is denied ``not_ready``."""
        self._native = native
        self._checks = parts.checks
        self._desk = Desk(parts.checks, Limits.of(parts.settings))
        self._asks = asks
        self._health = health
        self._meter = parts.meter
        self._mono = parts.clock.mono
        self._backlog: deque[Call] = deque()
        self._unverified: deque[tuple[int, Pending]] = deque()
        self._pace, self._verify_pace = Pace(BATCH), Pace(VERIFY_BATCH)
        """Of the backlog, and of the tokens to verify."""
        self._decided = self._verified = 0
        """So many in this turn."""
        self._hopeless: list[int] = []
        """New tokens that found too many before them, until the end of the batch."""
        self._open: dict[int, Pending] = {}
        self._thread = threading.Thread(target=self._run, name="decide", daemon=True)

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether the thread runs; for the loop."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait until the thread has ended, which it does once the native front is closed."""
        self._thread.join(timeout=5.0)

    def apply(self, limits: Limits) -> None:
        """Go by these from now on; called by the loop."""
        self._desk.limits = limits

    # --- the loop of the thread ---

    def _run(self) -> None:
        receive, mono = self._native.recv_batch, self._mono
        taken = ended = mono()
        while (events := receive(TAKE, patience := self._patience(ended - taken))) is not None:
            since, before, taken = taken, ended, mono()
            # Had without waiting, calls may have come any time since the last take; else they have only just come.
            waited = patience != 0
            self._turn(events, taken if waited else since, taken)
            ended = mono()
            self._learn(ended - (taken if waited else before))
        self._refuse_rest()

    def _patience(self, busy: float) -> int | None:
        """Milliseconds to wait for calls: none with work at hand, one while the loop is asked, else as long as it takes.

        None, too, after a turn that kept calls waiting, so that those are told from calls that come now.
        """
        if busy > LONG_TURN or self._backlog or self._unverified:
            return 0
        return 1 if self._open else None

    def _learn(self, took: float) -> None:
        """Keep the pace by what this turn did in ``took`` seconds, those included in which the thread had to wait for the processor."""
        if self._decided:
            self._pace.learn(took, self._decided)
        if self._verified:
            self._verify_pace.learn(took, self._verified)
        self._decided = self._verified = 0

    def _turn(self, events: list[Event], since: float, now: float) -> None:
        if events:
            self._take(events, since)
        if self.refusing:
            self._refuse_rest()
        if self._backlog:
            self._decide(now)
        if self._open:
            self._collect()
        if self._unverified:
            self._verify(now)

    def _take(self, events: list[Event], since: float) -> None:
        backlog, before = self._backlog, len(self._backlog)
        for kind, call_id, method, payload, key in events:
            if kind == EVENT_CANCEL:
                self._health.drop(call_id)
            elif method == CHECK:
                backlog.append((call_id, payload or b"", key, since))
            else:
                self._health.answer(call_id, payload or b"", watch=method == HEALTH_WATCH)
        new = len(backlog) - before
        self.received += new
        self._meter.in_flight += new
        if len(backlog) > BATCH or self._meter.in_flight > self._desk.limits.max_in_flight:
            self._shed(self._mono())

    def _shed(self, now: float) -> None:
        """Refuse the newest, which would wait longest: those above ``max_in_flight``, and those that would wait for too long."""
        backlog, limits = self._backlog, self._desk.limits
        above: list[int] = []
        hopeless: list[int] = []
        pace = self._pace.seconds() / WAITING_SHARE
        while backlog:
            call_id, _payload, key, at = backlog[-1]
            timeout = timeout_seconds(key) if type(key) is bytes else None
            time_left = limits.check_deadline if timeout is None else min(timeout - (now - at), limits.check_deadline)
            if len(backlog) * pace > time_left:
                hopeless.append(call_id)
            elif self._meter.in_flight - len(above) - len(hopeless) > limits.max_in_flight:
                above.append(call_id)
            else:
                break
            backlog.pop()
        self._refuse(above, Reason.OVERLOADED, TOO_MANY)
        self._refuse(hopeless, Reason.OVERLOADED, TOO_LONG)

    def _refuse(self, call_ids: list[int], reason: Reason, detail: str) -> None:
        """Deny checks unread, all with one answer: each costs next to nothing, whatever comes."""
        if call_ids:
            reply, respond = self._checks.refuse(reason, detail, len(call_ids)), self._native.respond
            for call_id in call_ids:
                respond(call_id, reply)
            self._meter.in_flight -= len(call_ids)

    def _decide(self, now: float) -> None:
        """Decide a batch; answer those that memory answered, together, then see to the others."""
        backlog, begin = self._backlog, self._desk.open
        replies: list[tuple[int, bytes]] = []
        late: list[int] = []
        batch = min(BATCH, len(backlog))
        for _ in range(batch):
            call_id, payload, key, at = backlog.popleft()
            timeout = timeout_seconds(key) if type(key) is bytes else None
            if timeout is not None and (timeout := timeout - (now - at)) < WAY_BACK:
                late.append(call_id)
                continue
            outcome = begin(payload, timeout)
            if type(outcome) is bytes:
                replies.append((call_id, outcome))
            else:
                self._settle(call_id, outcome, new=True)
        respond = self._native.respond
        for call_id, reply in replies:
            respond(call_id, reply)
        self._meter.in_flight -= len(replies)
        self._refuse(late, Reason.OVERLOADED, TOO_LATE)
        self._refuse(self._hopeless, Reason.OVERLOADED, TOO_LONG)
        self._hopeless.clear()
        self._decided += batch

    def _settle(self, call_id: int, outcome: bytes | Pending, *, new: bool = False) -> None:
        """Answer, or see to what is asked: a verification waits its turn here, all else goes to the loop."""
        if not isinstance(outcome, Pending):
            self._reply(call_id, outcome)
        elif isinstance(outcome.ask, Verify):
            if new:
                self._queue(call_id, outcome)
            else:
                self._unverified.append((call_id, outcome))
        elif self._asks.put(call_id, outcome):
            self._open[call_id] = outcome
        else:
            self._reply(call_id, self._checks.fail(outcome, Reason.NOT_READY))

    def _queue(self, call_id: int, pending: Pending) -> None:
        """Have a new token wait among its like, unless that would take too long: cached ones don't wait for any of them."""
        waiting = len(self._unverified)
        if waiting > VERIFY_BATCH and waiting * self._verify_pace.seconds() > (pending.deadline - self._mono()) * WAITING_SHARE:
            pending.generator.close()  # it was not begun, or has asked for nothing but its turn
            self._hopeless.append(call_id)
        else:
            self._unverified.append((call_id, pending))

    def _collect(self) -> None:
        """Go on with what the loop has answered, and give up what has waited too long."""
        while (answer := self._asks.take()) is not None:
            call_id, pending, ok, value = answer
            if self._open.get(call_id) is pending:
                del self._open[call_id]
                self._settle(call_id, self._checks.resume(pending, value) if ok else self._checks.fail(pending, Reason.INTERNAL_ERROR))
        now = self._mono()
        for call_id in [call_id for call_id, pending in self._open.items() if pending.deadline <= now]:
            self._asks.cancel(call_id)
            self._reply(call_id, self._late(self._open.pop(call_id)))

    def _verify(self, since: float) -> None:
        """Read new tokens and check their signatures, each answered at once: a few, or for as long as all else took ``since`` then.

        So that a flood of them takes no more than half of the time, and gets no less: else each that is read only to be refused costs
        the time of one that waits.
        """
        unverified, done, now = self._unverified, 0, self._mono()
        until = now + min(now - since, VERIFY_TIME)
        while unverified and (done < VERIFY_BATCH or self._mono() < until):
            done += 1
            call_id, pending = unverified.popleft()
            outcome: bytes | Pending = pending
            while isinstance(outcome, Pending) and isinstance(outcome.ask, Verify):
                outcome = self._late(outcome) if outcome.deadline <= self._mono() else self._checks.verify(outcome)
            self._settle(call_id, outcome)
        self._verified += done

    def _late(self, pending: Pending) -> bytes:
        return self._checks.fail(pending, Reason.DEADLINE_EXCEEDED)

    def _reply(self, call_id: int, reply: bytes) -> None:
        self._native.respond(call_id, reply)
        self._meter.in_flight -= 1

    def _refuse_rest(self) -> None:
        for call_id in self._open:
            self._asks.cancel(call_id)
        for call_id, pending in (*self._open.items(), *self._unverified):
            self._reply(call_id, self._checks.fail(pending, Reason.NOT_READY))
        self._refuse([call[0] for call in self._backlog], Reason.NOT_READY, STOPPING)
        self._open.clear()
        self._unverified.clear()
        self._backlog.clear()


class NativeFront:
    """A Front on pygrpc-native; see ``front.Front`` for its methods."""

    transport = "native"

    def __init__(self, listen: Listen, parts: FrontParts, *, reason: str) -> None:
        """Bind ``listen``, on the loop that will answer asks. Raises OSError when that cannot be done."""
        self.reason = reason
        self._listen = listen
        self._native = NativeGrpcFront(bindable(listen), METHODS, client_key_metadata="grpc-timeout")
        self.address = bound(listen, self._native.bound_port)
        self._health = NativeHealth(self._native)
        asks = LoopAsks(asyncio.get_running_loop(), parts.answer)
        self._thread = DecisionThread(self._native, self._health, asks, parts)
        self._clock = parts.clock
        self._meter = parts.meter

    async def start(self) -> None:
        """Begin to answer."""
        self._native.start()
        self._thread.start()

    def set_serving(self, serving: bool) -> None:  # noqa: D102 - Front
        self._health.set_serving(serving)

    def in_flight(self) -> int:  # noqa: D102 - Front
        return self._meter.in_flight

    def alive(self) -> bool:  # noqa: D102 - Front
        return self._thread.alive()

    def apply(self, settings: ServerSettings) -> None:  # noqa: D102 - Front
        self._thread.apply(Limits.of(settings))
        change_mode(self._listen, settings.socket_mode)

    async def drain(self, quiet: float, *, until: float) -> bool:  # noqa: D102 - Front
        done = await wait_quiet(lambda: self._thread.received, self.in_flight, self._clock, quiet, until)
        if not done:
            self._thread.refusing = True
            # Whatever is open is refused in the next turn, which is at most a millisecond away while anything is.
            await wait_quiet(lambda: 0, self.in_flight, self._clock, 0.0, self._clock.mono() + 1.0)
        return done

    async def close(self) -> None:  # noqa: D102 - Front
        if self.in_flight() > 0:
            self._thread.refusing = True  # ``native.close`` would end these with a gRPC error: no answer of ours
        await asyncio.sleep(CLOSING_WAIT)
        await asyncio.to_thread(self._native.close)
        await asyncio.to_thread(self._thread.join)
