"""Facts for tests of conditions, without an engine."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sidecar.authz.attributes import Catalogue
from sidecar.authz.facts import NOT_HAD, Calendar, Facts, Surroundings
from sidecar.authz.grants import Rbac
from sidecar.engine.canonical import Path, canonical_host, canonical_path
from sidecar.model.principal import Identity
from sidecar.model.request import CheckInput
from tests.support.inputs import make_input

NOON = 1_795_521_600.0
"""2026-11-24T12:00:00Z, a Tuesday."""
MAPPED = ("department", "level", "since", "tags")


class Given:
    """Sources that gave what stands here; nothing of all else."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def get(self, name: str, facts: Facts) -> Any:
        return self._values.get(name, NOT_HAD)


CATALOGUE = Catalogue(MAPPED, {"resource.owner": "owners", "resource.class": "classes"}, {"id", "type"})


def facts(
    request: CheckInput | None = None, *, wall: float = NOON, zone: str = "UTC", sources: Mapping[str, Any] | None = None, **identity: Any
) -> Facts:
    """Facts of a request; ``identity``: fields of whom it is from."""
    who = Identity(**{"kind": "jwt", "authenticator": "corp", "issuer": "https://idp", "subject": "ann", **identity})
    principal = Rbac({}, ()).principal(who, wall)

    def segments(path: str) -> tuple[str, ...]:
        read = canonical_path(path)
        assert isinstance(read, Path)
        return read.segments

    surroundings = Surroundings(Calendar(ZoneInfo(zone)), lambda one: one.source_ip, canonical_host, segments)
    resources = {"id": lambda parts: parts[-1] if parts else "", "type": lambda _: "post"}
    return Facts(principal, request or make_input(path="/posts/7"), resources, wall, surroundings, Given(sources or {}))
