"""What both fronts share: their protocol, admission, and the wait until it is quiet."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from sidecar.model.errors import SidecarError
from sidecar.model.meter import Meter
from sidecar.model.reason import Reason
from sidecar.model.settings import ServerSettings
from sidecar.ports import Clock

from .seam import CHECK_SERVICE, WAY_BACK, Answerer, Checks, Pending

CHECK_METHOD = f"/{CHECK_SERVICE}/Check"
TOO_LATE = "less than 2 ms left on arrival"
TOO_LONG = "its turn would have come too late"
TOO_MANY = "max_in_flight reached"
TOO_LARGE = "larger than max_check_size"
STOPPING = "shutting down"

_POLL = 0.01


class StartError(SidecarError):
    """The check listener cannot be opened as configured; the text names the setting and the way out."""


class Front(Protocol):
    """A running check listener. Its methods are called on the event loop's thread."""

    transport: str
    """``native`` or ``grpcio``."""
    reason: str
    """Why this transport, in words for the log and /status."""
    address: str
    """Where it listens, with the port that was bound."""

    def set_serving(self, serving: bool) -> None:
        """Answer health checks with SERVING or NOT_SERVING from now on, and tell who watches. NOT_SERVING at first."""

    def in_flight(self) -> int:
        """Checks received and not yet answered."""

    def alive(self) -> bool:
        """Whether checks are still being decided; False after close, or when the deciding thread has died."""

    def apply(self, settings: ServerSettings) -> None:
        """Hold what comes from now on to the limits, allowed peers and socket mode of a new configuration.

        What else it says of the listener needs a restart.
        """

    async def drain(self, quiet: float, *, until: float) -> bool:
        """Go on answering until no check has come for ``quiet`` seconds, at most until ``until`` (monotonic seconds).

        Returns True when it got quiet. Otherwise what is left, and what still comes, is denied ``not_ready``.
        """

    async def close(self) -> None:
        """Stop listening; the libraries remove a socket file. Replies given before are delivered."""


class Limits(NamedTuple):
    """What a reload can change about a running listener; replaced whole, by one reference."""

    max_in_flight: int
    max_check_size: int
    check_deadline: float
    """Seconds."""
    allowed_peers: frozenset[bytes]
    """SANs as grpc gives them; empty: not asked for."""

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Take them from the configuration."""
        peers = frozenset(peer.encode() for peer in settings.allowed_peers)
        return cls(settings.max_in_flight, settings.max_check_size, settings.check_deadline, peers)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontParts:
    """What either front is made of."""

    settings: ServerSettings
    checks: Checks
    answer: Answerer
    meter: Meter
    clock: Clock


class Desk:
    """Admits checks, or has them refused unread."""

    __slots__ = ("_open", "_refuse", "limits")

    def __init__(self, checks: Checks, limits: Limits) -> None:
        """``limits.max_check_size``: bytes, above which a CheckRequest is refused unread."""
        self._open = checks.open
        self._refuse = checks.refuse
        self.limits = limits

    def open(self, payload: bytes, time_left: float | None) -> bytes | Pending:
        """Begin a check; ``time_left`` is the caller's own, in seconds."""
        if len(payload) > self.limits.max_check_size:
            return self._refuse(Reason.MALFORMED_REQUEST, TOO_LARGE)
        if time_left is not None and time_left < WAY_BACK:
            return self._refuse(Reason.OVERLOADED, TOO_LATE)
        return self._open(payload, time_left)


async def wait_quiet(received: Callable[[], int], in_flight: Callable[[], int], clock: Clock, quiet: float, until: float) -> bool:
    """Wait until nothing was received for ``quiet`` seconds and nothing is in flight; False when ``until`` came first."""
    seen = received()
    since = clock.mono()
    while (now := clock.mono()) < until:
        count = received()
        if count != seen or in_flight() > 0:
            seen, since = count, now
        elif now - since >= quiet:
            return True
        await asyncio.sleep(_POLL)
    return False
