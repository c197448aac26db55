"""``require``: every part must hold. Compiled to closures once."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from sidecar.model.principal import Principal
from sidecar.model.reason import Reason
from sidecar.model.settings import RequireSettings

Test: TypeAlias = Callable[[Principal], bool]


class Unmet(NamedTuple):
    """The first part of ``require`` that does not hold."""

    reason: Reason
    keyword: str
    detail: str


class Requirement:
    """A compiled ``require``."""

    __slots__ = ("_parts",)

    def __init__(self, settings: RequireSettings) -> None:
        """Compile; raises ValueError on an empty list of values, which would mean nothing or everything."""
        self._parts = tuple((keyword, values, _compile(keyword, values)) for keyword, values in settings.parts)
        if not self._parts:
            raise ValueError("an empty require")

    def check(self, principal: Principal) -> Unmet | None:
        """Return None when every part holds."""
        for keyword, values, holds in self._parts:
            if not holds(principal):
                return _unmet(keyword, values, principal)
        return None

    def parts(self, principal: Principal) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """Give each part and whether it holds, for an explanation."""
        for keyword, values, holds in self._parts:
            yield keyword, values, holds(principal)


def _compile(keyword: str, values: tuple[str, ...]) -> Test:
    if keyword == "authenticated":
        return lambda principal: principal.identity.kind != "anonymous"
    if not values:
        raise ValueError(f"require.{keyword} without a value")
    wanted = frozenset(values)
    tests: dict[str, Test] = {
        "permission": lambda principal: all(principal.permissions.grants(name) for name in values),
        "all_permissions": lambda principal: all(principal.permissions.grants(name) for name in values),
        "any_permission": lambda principal: any(principal.permissions.grants(name) for name in values),
        "role": lambda principal: wanted <= principal.closure,
        "all_roles": lambda principal: wanted <= principal.closure,
        "any_role": lambda principal: not wanted.isdisjoint(principal.closure),
        "scope": lambda principal: wanted <= principal.scopes,
        "all_scopes": lambda principal: wanted <= principal.scopes,
        "any_scope": lambda principal: not wanted.isdisjoint(principal.scopes),
        "audiences": lambda principal: not wanted.isdisjoint(principal.identity.audiences),
    }
    if keyword not in tests:
        raise ValueError(f"require.{keyword} is not known")
    return tests[keyword]


def _unmet(keyword: str, values: tuple[str, ...], principal: Principal) -> Unmet:
    if principal.identity.kind == "anonymous":
        return Unmet(Reason.MISSING_CREDENTIAL, keyword, "anonymous caller")
    reason = Reason.INSUFFICIENT_SCOPE if "scope" in keyword else Reason.INSUFFICIENT_PERMISSION
    return Unmet(reason, keyword, f"{keyword} {', '.join(values)} not met")
