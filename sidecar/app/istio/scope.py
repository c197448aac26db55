"""What an import knows beside the documents: the workload they are for, its port, whose addresses count, whose tokens do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ROOT_NAMESPACE: Final = "istio-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the operator says.

    ``namespace`` and ``labels``: the workload, where the documents are for several. ``port``: the one that the sidecar
    guards. ``audiences``: for issuers that name none. ``trusted_hops``: as in ``server.client_address``; above 0, addresses
    are those of X-Forwarded-For, as Istio's remote ones. ``providers``: names under which Istio asks this sidecar.
    """

    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    root_namespace: str = ROOT_NAMESPACE
    port: int | None = None
    audiences: tuple[str, ...] = ()
    trusted_hops: int = 0
    trusted_from: tuple[str, ...] = ()
    providers: frozenset[str] = frozenset()
    partial: bool = False


@dataclass(slots=True)
class Claims:
    """Claims that rules look at: what an issuer has to map. ``attributes``: claim path by the attribute's name."""

    scopes: bool = False
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def attribute(self, path: tuple[str, ...]) -> str:
        """Name a claim that ``user.claims.…`` cannot reach, as a dot in its name would part it."""
        for name, known in self.attributes.items():
            if known == path:
                return f"user.{name}"
        name = f"claim_{len(self.attributes) + 1}"
        self.attributes[name] = path
        return f"user.{name}"


@dataclass(frozen=True, slots=True)
class Scope:
    """``tokens``: empty where all tokens are verified here that Istio verifies, else what is wrong with that.

    ``wide``: where two readings are possible, that which holds more often (of what denies).
    """

    wishes: Wishes
    tokens: str
    split: frozenset[str]
    """Claims that Istio splits at spaces."""
    claims: Claims
    wide: bool = False
