"""Each pair's requests put to both: Istio's filters in Envoy, and the engine under our import of the same policy."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.app.istio.scope import Wishes
from sidecar.app.istio.text import config_text
from tests.servers.ports import free_port

from .moved import at_hand
from .ours import LABELS, Ours, Verdict, authentication, holes, imported, token
from .pairs import Pair
from .requests import Request, named, requests_for
from .theirs import Theirs

LOOPBACK = ("127.0.0.0/8",)


@dataclass(slots=True)
class Outcome:
    """What came of one pair."""

    pair: Pair
    holes: tuple[str, ...] = ()
    compared: int = 0
    allowed: int = 0
    refused: int = 0
    skipped: int = 0
    different: list[str] = field(default_factory=list)
    wider: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all of it was carried over. What a CUSTOM policy with a bad provider denies, Istio denies, too."""
        return not self.holes or self.pair.name.startswith("custom-bad")


def wishes_for(pair: Pair, port: int) -> Wishes:
    """Addresses are the direct peer's, unless the pair is about those behind proxies only."""
    found = named(pair.documents)
    behind = bool(found.remote) and not found.direct
    return Wishes(
        namespace="foo", labels=LABELS, port=port, partial=True, trusted_hops=1 if behind else 0, trusted_from=LOOPBACK if behind else ()
    )


class Comparison:
    """Envoy with all pairs; imports made as they are needed."""

    def __init__(self, pairs: Iterable[Pair], folder: Path) -> None:
        """Start Envoy."""
        self.ports = (free_port(), free_port(), free_port())
        self.pairs = {f"case-{number}": at_hand(pair, self.ports) for number, pair in enumerate(pairs)}
        self.theirs = Theirs(folder, {case: pair.filters for case, pair in self.pairs.items()}, self.ports)
        self._tokens: dict[str, str] = {}

    def token(self, request: Request) -> str:
        """The request's token."""
        if request.claims is None:
            return ""
        key = json.dumps(request.claims)
        if key not in self._tokens:
            self._tokens[key] = token(request.claims)
        return self._tokens[key]

    def case(self, name: str) -> str:
        """The case of a pair."""
        return next(case for case, pair in self.pairs.items() if pair.name == name)

    def run(self, case: str, change: Callable[[str], str] = lambda text: text, requests: Sequence[Request] = ()) -> Outcome:
        """Compare one pair; ``change`` breaks the imported configuration."""
        pair = self.pairs[case]
        outcome = Outcome(pair)
        requests = requests or requests_for(pair)
        engines: dict[int, Ours] = {}
        for request in requests:
            if request.port not in engines:
                result = imported([*pair.documents, authentication(requests)], wishes_for(pair, self.ports[request.port]))
                outcome.holes = tuple(sorted({*outcome.holes, *holes(result)}))
                engines[request.port] = Ours(change(config_text(result)))
            bearer = self.token(request)
            self._note(outcome, request, engines[request.port].decide(request, bearer), self.theirs.status(case, request, bearer))
        return outcome

    @staticmethod
    def _note(outcome: Outcome, request: Request, ours: Verdict, status: int) -> None:
        if status not in {200, 403}:
            outcome.skipped += 1
            assert status == 400, f"{outcome.pair.name}: Envoy answers {status} to {request}"
            return
        outcome.compared += 1
        outcome.allowed += status == 200
        if ours.allowed and status != 200:
            outcome.wider.append(f"{outcome.pair.name}: Istio denies, we allow: {request}")
        if ours.refused:
            outcome.refused += 1
        elif ours.allowed is not (status == 200):
            outcome.different.append(f"{outcome.pair.name}: Istio {status}, we {ours.reason}: {request}")


@contextmanager
def comparing(pairs: Iterable[Pair], folder: Path) -> Iterator[Comparison]:
    """A comparison, stopped at the end."""
    one = Comparison(pairs, folder)
    try:
        yield one
    finally:
        one.theirs.stop()
