"""Identity headers: compiled from the configuration, worked out once per principal, never cleaned or cut."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from sidecar.model.mutation import Mutations, Upstream
from sidecar.model.permission import compile_permissions
from sidecar.model.principal import JsonValue, Principal
from sidecar.model.settings import IdentityHeader

MAX_VALUE = 4 * 1024
MAX_PLANS = 4
"""Plans that one principal remembers: a cached principal may outlive many reloads."""
_PERCENT_SAFE = "!#$&'()*+-./:;<=>?@[]^_`{|}~ "

Members: TypeAlias = Callable[[Principal], Sequence[str]]


class UnsafeIdentity(NamedTuple):
    """A value that could be read as something else upstream; ``detail`` names the header, not the value."""

    detail: str


class IdentityPlan:
    """All identity headers of one configuration."""

    __slots__ = ("_headers", "_removed", "names")

    def __init__(self, headers: tuple[IdentityHeader, ...], removed: Iterable[str], concrete: tuple[str, ...]) -> None:
        """Compile; ``removed``: names to remove from every request, ``concrete``: what ``expand`` lists."""
        self.names = tuple(header.name for header in headers)
        self._headers = tuple((header, _members(header, concrete)) for header in headers)
        self._removed = tuple(name for name in dict.fromkeys(removed) if name not in self.names)

    def mutations(self, principal: Principal) -> Mutations | UnsafeIdentity:
        """Return the principal's headers, remembered on it: each set, or removed where there is no value."""
        known = principal.header_sets.get(self)
        if known is None:
            if len(principal.header_sets) >= MAX_PLANS:
                principal.header_sets.clear()
            known = principal.header_sets[self] = self._work_out(principal)
        return known  # type: ignore[return-value]  # keyed on this plan: always its own answer

    def _work_out(self, principal: Principal) -> Mutations | UnsafeIdentity:
        values: list[tuple[str, str]] = []
        absent: list[str] = []
        for header, members in self._headers:
            value = _join(header, members(principal))
            if isinstance(value, UnsafeIdentity):
                return value
            if value:
                values.append((header.name, value))
            else:
                absent.append(header.name)
        return Mutations(Upstream(tuple(values), (*absent, *self._removed)))


def _join(header: IdentityHeader, members: Sequence[str]) -> str | UnsafeIdentity:
    if header.percent_encode:
        value = header.join.join([_percent(member, header.join) for member in members])
    else:
        value = header.join.join(members)
        if members and not _is_safe(header.join, members, value):
            return UnsafeIdentity(f"{header.name}: a value with a comma, control or non-ASCII character, or white space at its edge")
    if len(value) > MAX_VALUE:
        return UnsafeIdentity(f"{header.name}: a value above 4 KiB")
    return value


def _is_safe(join: str, members: Sequence[str], value: str) -> bool:
    """Tell whether every member is read upstream as what it is; ``value`` is all of them, joined."""
    if not value.isascii() or not value.isprintable():
        return False
    if join == ",":
        # All at once: as many members as between commas, and no white space beside one.
        commas = value.count(",") == len(members) - 1
        return commas and all(members) and value == value.strip() and ", " not in value and " ," not in value
    return all(member and member == member.strip() and "," not in member and join not in member for member in members)


def _percent(member: str, join: str) -> str:
    safe = "".join(char for char in _PERCENT_SAFE if char not in join)
    inner = quote(member, safe=safe)
    return inner if inner == inner.strip() else quote(member, safe=safe.replace(" ", ""))


def _members(header: IdentityHeader, concrete: tuple[str, ...]) -> Members:
    """Compile where the header's values come from."""
    if header.source == "permissions" and header.expand:
        return lambda principal: [name for name in concrete if principal.permissions.grants(name)]
    kind, _, name = header.source.partition(".")
    if kind == "attributes" and name:
        return lambda principal: _texts(principal.identity.attributes.get(name))
    if kind == "metadata" and name:
        return lambda principal: _texts(principal.identity.metadata.get(name))
    sources: dict[str, Members] = {
        "subject": lambda principal: _known(principal.identity.subject),
        "email": lambda principal: _known(principal.identity.email if principal.identity.email_trusted else None),
        "roles": lambda principal: principal.roles,
        "permissions": lambda principal: principal.permissions.names,
        "scopes": lambda principal: principal.identity.scopes,
        "issuer": lambda principal: _known(principal.identity.issuer),
        "authenticator": lambda principal: _known(principal.identity.authenticator),
        "key_id": _key_id,
    }
    return sources[header.source]


def _known(value: str | None) -> list[str]:
    return [value] if value else []


def _key_id(principal: Principal) -> list[str]:
    identity = principal.identity
    return [identity.credential_id] if identity.kind == "api_key" and identity.credential_id else []


def _texts(value: JsonValue) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for one in values if (text := _text(one))]


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def concrete_permissions(named: Iterable[str]) -> tuple[str, ...]:
    """Every permission without a wildcard that the configuration names, for ``expand``."""
    return tuple(name for name in compile_permissions(named).names if "*" not in name.split(":"))
