"""One attribute source that is asked over HTTP, as it runs: one request for each question, a bound, a breaker, and what it came to."""

import asyncio
import logging
from collections import Counter

from sidecar.model.ask import Failed, Got
from sidecar.model.strict_json import read_json
from sidecar.ports import AttributeClient, Clock, FetchError

from .breaker import Breaker

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 64
"""Questions at once; more would only wait in line, beyond the time of their checks."""
RESULTS = ("value", "missing", "failed", "refused")
TOO_MANY = f"{MAX_IN_FLIGHT} requests are on their way already"
OPEN = "not asked: it failed too often just now"
REPLACED = "the source was replaced or is closed"


class HttpFeed:
    """Implements ``model.ask.AttributeFetcher``. Used on the event loop.

    ``client`` is None until the source is in use, and when it is closed.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        """``name``: of the source, for the log."""
        self.name = name
        self.client: AttributeClient | None = None
        self.breaker = Breaker(clock)
        self.results: Counter[str] = Counter(dict.fromkeys(RESULTS, 0))
        self.last_success = 0.0
        """Wall seconds; 0: never."""
        self.last_error = ""
        self._clock = clock
        self._flights: dict[str, asyncio.Task[Got | Failed]] = {}

    @property
    def in_flight(self) -> int:
        """Requests on their way."""
        return len(self._flights)

    async def fetch(self, url: str, timeout: float) -> Got | Failed:  # noqa: ASYNC109 - bounds the whole request
        """Ask for ``url``, or wait with those who have asked for it already. The request goes on when this is cancelled."""
        flight = self._flights.get(url)
        if flight is None:
            refused = self._refusal()
            if refused:
                self.results["refused"] += 1
                return Failed(refused)
            flight = self._flights[url] = asyncio.create_task(self._ask(url, timeout), name=f"attribute {self.name}")
            flight.add_done_callback(lambda _: self._flights.pop(url, None))
        await asyncio.wait((flight,))
        return Failed(REPLACED) if flight.cancelled() else flight.result()

    async def close(self) -> None:
        """Give up what is on its way, and close the connections."""
        client, self.client = self.client, None
        flights = tuple(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)
        if client is not None:
            await client.close()

    def _refusal(self) -> str:
        if self.client is None:
            return REPLACED
        if len(self._flights) >= MAX_IN_FLIGHT:
            return TOO_MANY
        return "" if self.breaker.admits() else OPEN

    async def _ask(self, url: str, timeout: float) -> Got | Failed:  # noqa: ASYNC109
        client, began = self.client, self._clock.mono()
        ended = False
        try:
            if client is None:
                return Failed(REPLACED)
            body = await client.get(url, timeout)
            got = Got(None, 0, began) if body is None else Got(read_json(body.decode()), len(body), began)
            ended = True
        except (FetchError, ValueError, RecursionError) as error:
            ended = True
            return self._failed(str(error) if isinstance(error, FetchError) else "answered with something that is no JSON")
        finally:
            if not ended:
                self.breaker.given_up()
        self._answered(got)
        return got

    def _answered(self, got: Got) -> None:
        self.results["missing" if got.value is None else "value"] += 1
        self.last_success = self._clock.now().wall
        if self.breaker.state != "closed":
            log.info("attribute source answers again", extra={"source": self.name})
        self.breaker.succeeded()

    def _failed(self, why: str) -> Failed:
        self.results["failed"] += 1
        self.last_error = why
        before = self.breaker.state
        if self.breaker.failed() and before == "closed":
            log.warning("attribute source is left alone for a while: %s", why, extra={"source": self.name})
        return Failed(why)
