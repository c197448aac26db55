"""What access hinges on, in its smallest parts; and when one part cannot hold without another."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from sidecar.authz.conditions import minute_of, operand_text
from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Expression, Not, Operand, Ref
from sidecar.model.permission import compile_permissions

MAX_NAMED = 3
"""Names that a text gives before the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Named:
    """It is somebody: not an anonymous caller."""


@dataclass(frozen=True, slots=True)
class Holds:
    """A permission that was given directly: by a claim, to a person or to a key."""

    permission: str


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of the credential."""

    name: str


@dataclass(frozen=True, slots=True)
class Audience:
    """The token is for one of these."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Capped:
    """What is granted survives the cut to the token's scopes. ``granting``: all that could grant it, so that a change shows."""

    permissions: tuple[str, ...]
    granting: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Begins:
    """A grant or a key that counts later: from ``at``, in seconds since the epoch."""

    at: float


@dataclass(frozen=True, slots=True)
class Ends:
    """A grant or a key that counts until ``at``, in seconds since the epoch."""

    at: float


@dataclass(frozen=True, slots=True)
class Within:
    """The request comes from one of these networks."""

    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison, or one expression, that has to be true (``wanted``) or to be false; unknown is neither.

    ``meaning``: what its attributes mean under their configuration. ``roles``: of a comparison of ``user.role`` that has
    to be false, the roles that make it true.
    """

    wanted: bool
    attribute: str
    operator: str
    operand: str
    meaning: Hashable
    roles: frozenset[str] | None = None
    condition: Condition = field(compare=False, default=Expression("", "", ()))


Atom: TypeAlias = Named | Holds | Scope | Audience | Capped | Begins | Ends | Within | Leaf


def implies(one: Atom, other: Atom) -> bool:
    """Tell whether ``other`` certainly holds wherever ``one`` does. False where that cannot be shown."""
    if one == other:
        return True
    if isinstance(one, Holds) and isinstance(other, Holds):
        return compile_permissions([one.permission]).grants(other.permission)
    if isinstance(one, Within) and isinstance(other, Within):
        return set(one.networks) <= set(other.networks)
    if isinstance(one, Begins) and isinstance(other, Begins):
        return other.at <= one.at
    if isinstance(one, Ends) and isinstance(other, Ends):
        return one.at <= other.at
    if isinstance(one, Audience) and isinstance(other, Audience):
        return one.names <= other.names
    if isinstance(one, Leaf) and isinstance(other, Leaf):
        return _leaf_implies(one, other)
    return False


def _leaf_implies(one: Leaf, other: Leaf) -> bool:
    if (one.attribute, one.wanted, one.meaning) != (other.attribute, other.wanted, other.meaning) or not one.attribute:
        return False
    if one.roles is not None or other.roles is not None:
        return one.roles is not None and other.roles is not None and other.roles <= one.roles
    if not isinstance(one.condition, Comparison) or not isinstance(other.condition, Comparison):
        return False
    narrow, wide = (one, other) if one.wanted else (other, one)
    return _within(narrow, wide)


def _within(narrow: Leaf, wide: Leaf) -> bool:
    """Whether every value that makes ``narrow`` true makes ``wide`` true, and every one that makes ``wide`` false, ``narrow``."""
    assert isinstance(narrow.condition, Comparison)
    assert isinstance(wide.condition, Comparison)
    values, others = _values(narrow.operator, narrow.condition.operand), _values(wide.operator, wide.condition.operand)
    if values is not None and others is not None:
        return values <= others
    if narrow.operator == wide.operator == "between":
        inner, outer = _range(narrow.condition.operand), _range(wide.condition.operand)
        return inner is not None and outer is not None and outer[0] <= inner[0] <= inner[1] <= outer[1]
    return False


def _values(operator: str, operand: Operand) -> frozenset[str] | None:
    """The literal values of an ``equals`` or ``in``, each with its type."""
    values = operand if isinstance(operand, tuple) else (operand,)
    if operator not in {"equals", "in"} or any(isinstance(value, Ref) for value in values):
        return None
    return frozenset(map(repr, values))


def _range(operand: Operand) -> tuple[float, float] | None:
    """The ends of a ``between`` of times of day that does not wrap, or of numbers."""
    if not isinstance(operand, tuple):
        return None
    ends: list[float] = []
    for end in operand:
        if isinstance(end, int | float) and not isinstance(end, bool):
            ends.append(end)
        elif isinstance(end, str):
            try:
                ends.append(minute_of(end))
            except ValueError:
                return None
        else:
            return None
    return (ends[0], ends[1]) if ends[0] <= ends[1] else None


def atom_text(atom: Atom) -> str:
    """Say what has to hold, in words."""
    match atom:
        case Named():
            return "the caller says who it is"
        case Holds(permission):
            return f"permission {permission} given directly"
        case Leaf():
            text = condition_text(atom.condition)
            return text if atom.wanted else f"not ({text})"
        case Begins(at):
            return f"not before {time_text(at)}"
        case Ends(at):
            return f"until {time_text(at)}"
    return _credential_text(atom)


def _credential_text(atom: Scope | Audience | Capped | Within) -> str:
    match atom:
        case Scope(name):
            return f"scope {name}"
        case Audience(names):
            return f"a token for {' or '.join(sorted(names))}"
        case Capped(permissions):
            return f"the token's scopes cover {' or '.join(permissions)}"
        case Within(networks):
            return f"from {' or '.join(networks)}"


def condition_text(condition: Condition) -> str:
    """Write a condition on one line."""
    match condition:
        case AllOf(_, parts):
            return " and ".join(map(_inner, parts))
        case AnyOf(_, parts):
            return " or ".join(map(_inner, parts))
        case Not(_, part):
            return f"not ({condition_text(part)})"
        case Expression(_, text, _):
            return f"when {text}"
        case Comparison(_, attribute, operator, operand):
            return f"{attribute} {operator} {operand_text(operand)}"


def _inner(condition: Condition) -> str:
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, AllOf | AnyOf) else text


def time_text(at: float) -> str:
    """Write a moment as configurations do."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def listed(names: Iterable[str], most: int = MAX_NAMED) -> str:
    """Some names and the number of the others."""
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more
