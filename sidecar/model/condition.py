"""Conditions of attribute policies, as validated: trees of comparisons. What they mean is in ``sidecar.authz``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Ref:
    """An attribute in the place of a value."""

    name: str


Scalar: TypeAlias = str | int | float | bool
Operand: TypeAlias = Scalar | Ref | tuple[Scalar | Ref, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``attribute: {operator: operand}``. ``key``: where it stands in the policy, such as ``conditions.and[1]``."""

    key: str
    attribute: str
    operator: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; ``parts`` is not empty."""

    key: str
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds; ``parts`` is not empty."""

    key: str
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    key: str
    part: "Condition"


@dataclass(frozen=True, slots=True)
class Expression:
    """A CEL expression; ``attributes``: the names in it, found when the configuration was checked."""

    key: str
    text: str
    attributes: tuple[str, ...]


Condition: TypeAlias = Comparison | AllOf | AnyOf | Not | Expression


def leaves(condition: Condition) -> Iterator[Comparison | Expression]:
    """Give every comparison and expression, left to right."""
    match condition:
        case AllOf(_, parts) | AnyOf(_, parts):
            for part in parts:
                yield from leaves(part)
        case Not(_, part):
            yield from leaves(part)
        case _:
            yield condition


def attributes_of(condition: Condition) -> frozenset[str]:
    """Return the name of every attribute that the condition looks at."""
    names: set[str] = set()
    for leaf in leaves(condition):
        if isinstance(leaf, Expression):
            names.update(leaf.attributes)
            continue
        names.add(leaf.attribute)
        operands = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
        names.update(operand.name for operand in operands if isinstance(operand, Ref))
    return frozenset(names)
