"""What the load generator is asked to do, and what it says afterwards: JSON between two processes."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server: ``address`` is ``host:port`` or ``unix:///path``; ``expect``, bytes in hex, replaces what the corpus expects."""

    name: str
    address: str
    pid: int
    corpus: str
    expect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rounds over all targets in turn, ``seconds`` each; the order is turned around every round."""

    targets: tuple[Target, ...]
    rounds: int
    seconds: float
    warmup: float
    connections: int = 4
    streams: int = 32
    grpc_timeout: str = ""

    def to_json(self) -> str:
        """For the driver's standard input."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what ``to_json`` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "targets": tuple(Target(**target) for target in fields["targets"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One target in one round; times in seconds, ``cpu`` is the server's, ``driver_cpu`` the generator's own.

    ``total`` counts all replies of this target up to the end of the round, the warm-up's included.
    """

    target: str
    replies: int
    total: int
    seconds: float
    cpu: float
    driver_cpu: float
    p50: float
    p99: float

    @property
    def cost(self) -> float:
        """The server's CPU time for one call, in seconds."""
        return self.cpu / self.replies

    @property
    def rate(self) -> float:
        """Replies per second."""
        return self.replies / self.seconds


def rounds_to_json(rounds: list[Round]) -> str:
    """For the driver's standard output."""
    return json.dumps([asdict(one) for one in rounds])


def rounds_from_json(text: str) -> list[Round]:
    """Read what ``rounds_to_json`` wrote."""
    return [Round(**fields) for fields in json.loads(text)]
