"""The attributes that conditions know: the kind of each, and how it is read.

Readers return None for what is missing (null is missing), UNUSABLE for what has no single meaning, and NOT_HAD for
what a source did not give.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from .device import device_type
from .facts import NOT_HAD, Facts

Read: TypeAlias = Callable[[Facts], Any]


class Kind(Enum):
    """What values an attribute has; JSON: whatever its source says."""

    TEXT = "text"
    TEXTS = "set of texts"
    ADDRESS = "address"
    TIME = "time of day"
    DATE = "date"
    JSON = "JSON value"


@dataclass(frozen=True, slots=True)
class Attribute:
    """``source``: the attribute source that gives it, or an empty string."""

    name: str
    kind: Kind
    read: Read
    source: str = ""


class UnknownAttribute(Exception):
    """A name that no attribute has."""


def _user_id(facts: Facts) -> str | None:
    return facts.principal.identity.subject or None


def _email(facts: Facts) -> str | None:
    identity = facts.principal.identity
    return identity.email if identity.email_trusted else None  # what nobody vouches for is as good as missing


FIXED: Final[Mapping[str, Attribute]] = {
    attribute.name: attribute
    for attribute in (
        Attribute("user.id", Kind.TEXT, _user_id),
        Attribute("user.email", Kind.TEXT, _email),
        Attribute("user.role", Kind.TEXTS, lambda facts: facts.principal.closure),
        Attribute("user.permissions", Kind.TEXTS, lambda facts: facts.principal.permissions.exact),
        Attribute("user.scopes", Kind.TEXTS, lambda facts: facts.principal.scopes),
        Attribute("user.issuer", Kind.TEXT, lambda facts: facts.principal.identity.issuer or None),
        Attribute("user.authenticator", Kind.TEXT, lambda facts: facts.principal.identity.authenticator or None),
        Attribute("environment.time", Kind.TIME, lambda facts: facts.local().minute),
        Attribute("environment.date", Kind.DATE, lambda facts: facts.local().date),
        Attribute("environment.weekday", Kind.TEXT, lambda facts: facts.local().weekday),
        Attribute("environment.ip_address", Kind.ADDRESS, lambda facts: facts.surroundings.client(facts.request) or None),
        Attribute("environment.device_type", Kind.TEXT, device_type),
        Attribute("environment.country", Kind.TEXT, lambda facts: facts.request.context.get("country")),
        Attribute("request.method", Kind.TEXT, lambda facts: facts.request.method),
        Attribute("request.host", Kind.TEXT, lambda facts: facts.surroundings.host(facts.request.host)),
        Attribute("request.path", Kind.TEXT, lambda facts: "/" + "/".join(facts.segments)),
    )
}
OPEN_FAMILIES: Final = ("user.claims.", "user.metadata.", "request.headers.", "request.query.", "request.body.")
"""Attributes whose last part is free."""


class Catalogue:
    """The attributes of one configuration.

    ``mapped``: names that issuers' ``claims.attributes`` give; ``sources``: attribute → source; ``resources``: what
    routes say of their resource and their path variables, by name (without ``resource.``).
    """

    __slots__ = ("_mapped", "_resources", "_sources")

    def __init__(self, mapped: Iterable[str], sources: Mapping[str, str], resources: Iterable[str]) -> None:
        self._mapped = frozenset(mapped)
        self._sources = dict(sources)
        self._resources = frozenset(resources)

    def names(self) -> list[str]:
        """Every name that is known whole, for suggestions."""
        return sorted(
            {*FIXED, *(f"user.{name}" for name in self._mapped), *self._sources, *(f"resource.{name}" for name in self._resources)}
        )

    def knows(self, name: str) -> bool:
        """Tell whether there is such an attribute."""
        try:
            self.find(name)
        except UnknownAttribute:
            return False
        return True

    def find(self, name: str) -> Attribute:
        """Return the attribute. Raises UnknownAttribute."""
        if name in FIXED:
            return FIXED[name]
        given = self._given(name)
        if given is not None:
            return given
        head, _, rest = name.partition(".")
        if head == "resource" and rest in self._resources:
            return Attribute(name, Kind.TEXT, _resource(rest))
        if head == "user" and rest in self._mapped:
            return Attribute(name, Kind.JSON, _mapped(rest))
        family = next((family for family in OPEN_FAMILIES if name.startswith(family) and len(name) > len(family)), None)
        if family is None:
            raise UnknownAttribute(name)
        return _open(name, family, name[len(family) :])

    def _given(self, name: str) -> Attribute | None:
        """What a source gives: the attribute itself, or a field of it."""
        parts = name.split(".")
        for end in range(len(parts), 1, -1):
            provided = ".".join(parts[:end])
            source = self._sources.get(provided)
            if source is not None:
                return Attribute(name, Kind.JSON, _field(provided, tuple(parts[end:])), source)
        return None


def _resource(name: str) -> Read:
    return lambda facts: facts.resource(name)


def _mapped(name: str) -> Read:
    return lambda facts: facts.principal.identity.attributes.get(name)


def _metadata(name: str) -> Read:
    return lambda facts: facts.principal.identity.metadata.get(name)


def _open(name: str, family: str, rest: str) -> Attribute:
    if family == "request.headers.":
        lower = rest.lower()
        return Attribute(name, Kind.TEXT, lambda facts: facts.header(lower))
    if family == "request.query.":
        return Attribute(name, Kind.TEXT, lambda facts: facts.query(rest))
    if family == "request.body.":
        path = tuple(rest.split("."))
        return Attribute(name, Kind.JSON, lambda facts: facts.body(path))
    if family == "user.metadata.":
        return Attribute(name, Kind.JSON, _metadata(rest))
    return Attribute(name, Kind.JSON, _mapped(f"claims.{rest}"))


def _field(provided: str, path: tuple[str, ...]) -> Read:
    """A field of what a source gave; of an object as a whole, its ``id``."""

    def read(facts: Facts) -> Any:
        value = facts.sources.get(provided, facts)
        for step in path:
            if value is NOT_HAD:
                return value
            value = value.get(step) if isinstance(value, dict) else None
        return value.get("id") if isinstance(value, dict) else value

    return read


def claims_read(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Claims that conditions look at, by the attribute name under which an identity keeps them: ``claims.a.b`` → (a, b)."""
    return {name[len("user.") :]: tuple(name.split(".")[2:]) for name in sorted(set(names)) if name.startswith("user.claims.")}
