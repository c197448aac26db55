"""Which comparisons are possible: what could only ever be unknown is refused when the configuration loads."""

from typing import Final

from sidecar.model.condition import Comparison, Operand, Ref

from .attributes import Attribute, Catalogue, Kind
from .conditions import prepare
from .operators import INSTANTS, NEGATIONS, ORDERINGS, PATTERNS

_EQUALITY: Final = frozenset({"equals", "in"})
_POSSIBLE: Final = {
    Kind.TEXT: _EQUALITY | PATTERNS | INSTANTS | {"contains", "exists", "in_cidr"},
    Kind.TEXTS: _EQUALITY | PATTERNS | {"contains", "exists"},
    Kind.ADDRESS: _EQUALITY | {"exists", "in_cidr"},
    Kind.TIME: ORDERINGS | _EQUALITY,
    Kind.DATE: ORDERINGS | _EQUALITY,
    Kind.JSON: ORDERINGS | _EQUALITY | PATTERNS | INSTANTS | {"contains", "exists", "in_cidr"},
}
_TEXTUAL: Final = frozenset({Kind.TEXT, Kind.TEXTS, Kind.ADDRESS})
_PAIR: Final = 2


def check_comparison(one: Comparison, catalogue: Catalogue) -> None:
    """Check a comparison of known attributes.

    Raises:
        ValueError: it is not possible; with why and the way out, in words for operators.

    """
    attribute = catalogue.find(one.attribute)
    operator = NEGATIONS.get(one.operator, one.operator)
    if operator not in _POSSIBLE[attribute.kind]:
        if operator in ORDERINGS:
            raise ValueError(f"{one.attribute} is a {attribute.kind.value}, which has no order: compare it with equals or in")
        possible = ", ".join(sorted(_POSSIBLE[attribute.kind]))
        raise ValueError(f"{one.attribute} is a {attribute.kind.value}, for which there is {possible}")
    _check_form(operator, one.operand)
    if operator in {"exists", "older_than"}:
        return
    for operand in one.operand if isinstance(one.operand, tuple) else (one.operand,):
        if isinstance(operand, Ref):
            _check_kinds(attribute, catalogue.find(operand.name), operator)
        else:
            _check_literal(attribute.kind, operator, operand)
    if not _has_reference(one.operand):
        prepared = prepare(attribute.kind, operator, one.operand)
        if operator == "between" and attribute.kind is not Kind.TIME and prepared[0] > prepared[1]:
            raise ValueError("is empty: its first end is greater than the second")


def _has_reference(operand: Operand) -> bool:
    return any(isinstance(one, Ref) for one in (operand if isinstance(operand, tuple) else (operand,)))


def _check_form(operator: str, operand: Operand) -> None:
    many = isinstance(operand, tuple)
    if operator == "between" and (not isinstance(operand, tuple) or len(operand) != _PAIR):
        raise ValueError("needs a list of two: the first and the last, both in")
    if operator == "in" and not many and not isinstance(operand, Ref):
        raise ValueError("needs a list of values")
    if many and operator not in {"in", "between", "in_cidr"}:
        raise ValueError("needs one value; for several, write `in`, or one comparison each under `or`")
    if operator == "exists" and not isinstance(operand, bool):
        raise ValueError("needs true or false")
    if operator in {"in_cidr", "matches", "older_than"} and _has_reference(operand):
        raise ValueError("needs a value that stands here, not a reference")
    if operator == "older_than" and (isinstance(operand, bool) or not isinstance(operand, int | float)):
        raise ValueError("needs a duration: 30d")


def _check_literal(kind: Kind, operator: str, operand: object) -> None:
    if operator in ORDERINGS and kind is Kind.JSON and (isinstance(operand, bool) or not isinstance(operand, int | float)):
        raise ValueError("needs a number: texts have no order")
    textual = kind in _TEXTUAL or operator in PATTERNS | {"in_cidr"} or kind in {Kind.TIME, Kind.DATE}
    if textual and operator not in INSTANTS and not isinstance(operand, str):
        raise ValueError("needs text: put the value in quotes")


def _check_kinds(attribute: Attribute, other: Attribute, operator: str) -> None:
    one, two = attribute.kind, other.kind
    if one is two or (Kind.JSON in {one, two} and not {one, two} & {Kind.TIME, Kind.DATE}) or {one, two} <= _TEXTUAL:
        if operator in ORDERINGS and two in _TEXTUAL:
            raise ValueError(f"{other.name} is a {two.value}, which has no order")
        return
    raise ValueError(f"{attribute.name} is a {one.value} and {other.name} a {two.value}: they are never equal")
