"""A configuration with attribute policies, and the engine deciding under it in this process."""

from collections.abc import Sequence
from typing import Any

from sidecar.authn.keytable import KeyTable
from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.engine.check import decide_as
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import ApiKeyTableRef, LiveTables, Snapshot
from sidecar.engine.trace import Trace
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.principal import Identity
from sidecar.model.request import CheckInput
from sidecar.model.steps import to_end

NOON = 1_795_521_600.0
"""2026-11-24T12:00:00Z, a Tuesday."""


def snapshot_of(text: str) -> Snapshot:
    """Compile a configuration. Raises ConfigError."""
    files = ConfigFiles(path="config.yaml", base="/", is_directory=False, files=(("config.yaml", text.encode()),))
    settings = load(files, frozenset(), with_files=False).settings
    tables = LiveTables(
        keys={name: KeyTable() for name in settings.issuers}, api_keys={name: ApiKeyTableRef() for name in settings.api_keys}
    )
    return to_end(compile_snapshot(settings, "r1", tables, Meter()))


def person(subject: str = "ann", *, roles: Sequence[str] = (), **fields: Any) -> Identity:
    """Somebody whom the issuer ``corp`` vouches for."""
    return Identity(kind="jwt", authenticator="corp", issuer="https://idp.example.com", subject=subject, roles=tuple(roles), **fields)


def decided(identity: Identity, request: CheckInput, snapshot: Snapshot, wall: float = NOON, trace: Trace | None = None) -> Decision:
    """Decide as if ``identity`` had been authenticated."""
    decision = decide_as(snapshot.rbac.principal(identity, wall), request, snapshot, Instant(wall, 0.0), trace)
    assert isinstance(decision, Allow | Deny)
    return decision
