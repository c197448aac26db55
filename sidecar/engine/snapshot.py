"""One immutable snapshot per request: the compiled configuration and references to live tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.authn.api_key import ApiKeyTable
from sidecar.authn.extract import Bearer, Extraction
from sidecar.authn.issuer import Issuer
from sidecar.authn.keytable import KeyTable
from sidecar.authz.attributes import Catalogue
from sidecar.authz.facts import Surroundings, Template
from sidecar.authz.grants import Rbac
from sidecar.authz.policies import Policy, Rules
from sidecar.authz.require import Requirement
from sidecar.model.meter import RouteRow
from sidecar.model.settings import Settings

from .attributes import AttributeRef, AttributeSources
from .client_address import ClientAddress
from .identity import IdentityPlan
from .removals import Credentials, LookAlikes
from .routes import RouteTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One compiled route; compared by identity, since verdicts are remembered under it."""

    name: str
    row: RouteRow
    features: frozenset[str]
    """Doubtful path features that it admits."""
    extraction: Extraction
    bearer: Bearer | None
    """How tokens come, for the short way (``wire/warm.py``)."""
    anonymous: bool
    """Callers without a credential are let in, if ``requirement`` is met."""
    requirement: Requirement | None
    rules: Rules | None
    """Its policies. Verdicts without them are remembered under this object, and never count alone."""
    keywords: tuple[str, ...]
    """Of ``require``, in the order written."""
    resources: Mapping[str, Template]
    """How ``resource.`` attributes are made from the path."""
    rule: str
    """Key path of what grants: ``routes.NAME.require.permission``."""
    challenges: tuple[str, ...]
    first_store: str
    """The first API key store that it accepts, or an empty string: its status answers a malformed key."""


ANYWHERE = "*"
"""No route has this name."""


class ApiKeyTableRef:
    """The live table of one store: ``current`` is None until the store could be read once."""

    __slots__ = ("current", "last_error", "loaded_at")

    def __init__(self, current: ApiKeyTable | None = None) -> None:
        """Start with what is known; ``loaded_at`` is monotonic seconds, kept by whoever replaces ``current``."""
        self.current = current
        self.loaded_at = 0.0
        self.last_error = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTables:
    """Tables that outlive snapshots; each is immutable inside and replaced by one reference."""

    keys: Mapping[str, KeyTable]
    """By issuer name."""
    api_keys: Mapping[str, ApiKeyTableRef]
    """By store name."""
    attributes: Mapping[str, AttributeRef] = field(default_factory=dict)
    """By source name; one that is not here never gives anything, unless its table stands in the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that a check reads. ``settings`` stays for comparisons at the next reload and for /status."""

    revision: str
    epoch: object
    """Stands for this very snapshot, without keeping it alive in whatever was remembered under it."""
    settings: Settings
    check_deadline: float
    routes: RouteTable[Route]
    issuers: dict[str, Issuer]
    longest_token: int
    """The largest ``max_token_size`` of any issuer."""
    by_iss: Mapping[str, Issuer]
    api_keys: Mapping[str, ApiKeyTableRef]
    invalid_key_status: Mapping[str, int]
    rbac: Rbac
    identity: IdentityPlan
    look_alikes: LookAlikes
    credentials: Credentials
    client_address: ClientAddress
    policies: Mapping[str, Policy]
    catalogue: Catalogue
    attributes: AttributeSources
    surroundings: Surroundings
    lenient: frozenset[str]
    """Names of routes whose denials are let through (``unsafe_shadow_allows``); ANYWHERE: those of all, and of no route."""


class Current:
    """The one reference that a reload replaces; None until the first snapshot is compiled."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        """Start with ``snapshot``."""
        self.snapshot = snapshot
