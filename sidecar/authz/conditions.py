"""Condition trees, compiled twice from one tree: ``compile_condition`` to closures for the decision, ``explain`` to values for people.

tests/unit/authz/test_conditions_agree.py holds the two to the same outcomes, and both to the definition.
"""

import json
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Expression, Not, Operand, Ref

from .attributes import Attribute, Catalogue, Kind
from .cel import compile_expression
from .facts import NOT_HAD, UNREADABLE, Facts, NotHad, Unusable
from .operators import BETWEEN_TIMES, NEGATIONS, SETS, TESTS, Network, Test, address_of, instant, network, pattern
from .ternary import AND, FALSE, NOT, OPEN, OR, SETTLED, TRUE, UNKNOWN, Table, Truth

Holds: TypeAlias = Callable[[Facts], Truth]
Read: TypeAlias = Callable[[Facts], Any]


def compile_condition(condition: Condition, catalogue: Catalogue) -> Holds:
    """Compile a condition whose attributes are known and whose comparisons are possible. Nothing in it does I/O."""
    match condition:
        case AllOf(_, parts):
            return _folded([compile_condition(part, catalogue) for part in parts], AND, TRUE, FALSE)
        case AnyOf(_, parts):
            return _folded([compile_condition(part, catalogue) for part in parts], OR, FALSE, TRUE)
        case Not(_, part):
            holds = compile_condition(part, catalogue)
            return lambda facts: NOT[holds(facts)]
        case Expression(_, text, names):
            return compile_expression(text, {name: catalogue.find(name) for name in names})
        case _:
            return _comparison(condition, catalogue)


def _folded(parts: list[Holds], table: Table, neutral: Truth, final: Truth) -> Holds:
    """Join the parts, by ``table``, from ``neutral`` on, until the outcome is ``final``."""

    def holds(facts: Facts) -> Truth:
        result, mark = neutral, len(facts.wanted)
        for part in parts:
            result = table[result][part(facts)]
            if result == final:
                break
        if result in SETTLED:
            del facts.wanted[mark:]  # whatever was not had makes no difference here
        return result

    return holds


def _comparison(one: Comparison, catalogue: Catalogue) -> Holds:
    attribute = catalogue.find(one.attribute)
    operator = NEGATIONS.get(one.operator, one.operator)
    holds = _quick(attribute, operator, one.operand) or _general(attribute, operator, one.operand, catalogue)
    if operator == one.operator:
        return holds
    return lambda facts: NOT[holds(facts)]


def _quick(attribute: Attribute, operator: str, operand: Operand) -> Holds | None:
    """The commonest comparisons, without the steps that they don't need."""
    read = attribute.read
    if attribute.kind is Kind.TEXTS and operator in {"in", "equals", "contains"} and not isinstance(operand, Ref):
        values = operand if isinstance(operand, tuple) else (operand,)
        if all(isinstance(value, str) for value in values):
            wanted = frozenset(values)
            return lambda facts: FALSE if wanted.isdisjoint(read(facts)) else TRUE
    if operator == "equals" and not attribute.source and isinstance(operand, str) and attribute.kind in {Kind.TEXT, Kind.JSON}:
        return _equals_text(read, operand)
    if attribute.kind is Kind.TIME and operator == "between" and isinstance(operand, tuple) and not any(map(_is_ref, operand)):
        low, high = (minute_of(str(end)) for end in operand)
        if low <= high:
            return lambda facts: TRUE if low <= read(facts) <= high else FALSE
        return lambda facts: TRUE if not high < read(facts) < low else FALSE
    return None


def _equals_text(read: Read, wanted: str) -> Holds:
    test = TESTS["equals"]

    def holds(facts: Facts) -> Truth:
        value = read(facts)
        if type(value) is str:
            return TRUE if value == wanted else FALSE
        if value is NOT_HAD:  # of a check that is over
            return _wants(facts, "")
        return UNKNOWN if value is None else test(value, wanted)

    return holds


def _is_ref(operand: object) -> bool:
    return isinstance(operand, Ref)


def _general(attribute: Attribute, operator: str, operand: Operand, catalogue: Catalogue) -> Holds:
    read, source = attribute.read, attribute.source
    if operator == "exists":
        return _exists(read, source, wanted=bool(operand))
    if operator == "older_than":
        return _older_than(read, source, float(operand))  # type: ignore[arg-type]  # a number of seconds, as checked
    test = BETWEEN_TIMES if operator == "between" and attribute.kind is Kind.TIME else TESTS[operator]
    operands = operand if isinstance(operand, tuple) else (operand,)
    if not any(isinstance(one, Ref) for one in operands):
        prepared = prepare(attribute.kind, operator, operand)

        def holds(facts: Facts) -> Truth:
            value = read(facts)
            if value is None:
                return UNKNOWN
            if value is NOT_HAD:
                return _wants(facts, source)
            return test(value, prepared)

        return holds
    return _with_references(attribute, operator, operand, catalogue)


def _with_references(attribute: Attribute, operator: str, operand: Operand, catalogue: Catalogue) -> Holds:
    """A comparison with other attributes; of one that is a set, its members count, each like a value written there."""
    read, source, kind = attribute.read, attribute.source, attribute.kind
    test = BETWEEN_TIMES if operator == "between" and kind is Kind.TIME else TESTS[operator]
    joined = _joined(operator, test, many=isinstance(operand, tuple))
    others = [_operand(one, kind, operator, catalogue) for one in (operand if isinstance(operand, tuple) else (operand,))]
    read_first = others[0][0] if operator == "equals" else None

    def holds(facts: Facts) -> Truth:
        value = read(facts)
        if value is None:
            return UNKNOWN
        if read_first is not None and type(value) is str and type(other := read_first(facts)) is str:
            return TRUE if value == other else FALSE  # what nearly all of them are
        values = [read_other(facts) for read_other, _ in others]
        if any(one is None or isinstance(one, Unusable) for one in values):
            return UNKNOWN
        not_had = [source] if value is NOT_HAD else []
        not_had += [source_of for one, (_, source_of) in zip(values, others, strict=True) if one is NOT_HAD]
        if not_had:
            facts.wanted.extend(not_had)
            return OPEN
        return joined(value, values)

    return holds


def _joined(operator: str, test: Test, *, many: bool) -> Callable[[Any, list[Any]], Truth]:
    """Compare a value with what stands in the places of the operands."""
    if operator == "in":
        return lambda value, others: test(value, [one for other in others for one in (other if isinstance(other, SETS) else (other,))])
    if many:
        return test

    def with_one(value: Any, others: list[Any]) -> Truth:
        (other,) = others
        if not isinstance(other, SETS):
            return test(value, other)
        result = FALSE  # it holds if it does with any member
        for member in other:
            result = OR[result][test(value, member)]
        return result

    return with_one


def _operand(one: object, kind: Kind, operator: str, catalogue: Catalogue) -> tuple[Read, str]:
    if isinstance(one, Ref):
        other = catalogue.find(one.name)
        return other.read, other.source
    value = _prepared_one(kind, operator, one)
    return (lambda _: value), ""


def _exists(read: Read, source: str, *, wanted: bool) -> Holds:
    def holds(facts: Facts) -> Truth:
        value = read(facts)
        if value is NOT_HAD:
            _wants(facts, source)
            return TRUE | FALSE
        if value is UNREADABLE:
            return UNKNOWN
        there = value is not None and not (isinstance(value, SETS) and not value)
        return TRUE if there is wanted else FALSE

    return holds


def _older_than(read: Read, source: str, seconds: float) -> Holds:
    def holds(facts: Facts) -> Truth:
        value = read(facts)
        if value is NOT_HAD:
            return _wants(facts, source)
        at = instant(value)
        return UNKNOWN if at is None else TRUE if facts.wall - at > seconds else FALSE

    return holds


def _wants(facts: Facts, source: str) -> Truth:
    facts.wanted.append(source)
    return OPEN


def prepare(kind: Kind, operator: str, operand: Operand) -> Any:
    """Turn literal operands into what the tests compare with. Raises ValueError with what is wrong, in words for operators."""
    if operator == "in_cidr":
        return tuple(_network(one) for one in (operand if isinstance(operand, tuple) else (operand,)))
    if isinstance(operand, tuple):
        return tuple(_prepared_one(kind, operator, one) for one in operand)
    return _prepared_one(kind, operator, operand)


def _prepared_one(kind: Kind, operator: str, one: object) -> Any:
    if operator == "matches":
        return pattern(str(one))
    if operator in {"before", "after"} and instant(one) is None:
        raise ValueError("is not a time: write RFC 3339 with a zone, 2026-12-31T23:59:59Z")
    if kind is Kind.TIME:
        return minute_of(str(one))
    if kind is Kind.DATE:
        return ordinal_of(str(one))
    if kind is Kind.ADDRESS and operator != "in_cidr":
        return str(address_of(str(one)) or one)
    return one


def _network(one: object) -> Network:
    try:
        return network(str(one))
    except ValueError:
        raise ValueError("is not a network: write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32, without host bits") from None


def minute_of(text: str) -> int:
    """``HH:MM`` as the minute of the day. Raises ValueError."""
    hours, colon, minutes = text.partition(":")
    if colon and len(hours) == len(minutes) == 2 and hours.isdecimal() and minutes.isdecimal():  # noqa: PLR2004 - two digits each
        minute = int(hours) * 60 + int(minutes)
        if int(minutes) < 60 and minute < 24 * 60:  # noqa: PLR2004
            return minute
    raise ValueError('is not a time of day: write "09:00", from "00:00" to "23:59"')


def ordinal_of(text: str) -> int:
    """``YYYY-MM-DD`` as its ordinal. Raises ValueError."""
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        raise ValueError('is not a date: write "2026-12-31"') from None


class Node(NamedTuple):
    """One part of a condition, evaluated for a person. ``values``: what each attribute in it was, by name."""

    key: str
    text: str
    outcome: Truth
    values: dict[str, object]
    parts: tuple["Node", ...] = ()


def explain(condition: Condition, catalogue: Catalogue, facts: Facts) -> Node:
    """Evaluate every part, whether the outcome hinges on it or not, and say what each value was."""
    match condition:
        case AllOf(key, parts):
            return _joined_nodes(key, "all of", AND, TRUE, [explain(part, catalogue, facts) for part in parts])
        case AnyOf(key, parts):
            return _joined_nodes(key, "any of", OR, FALSE, [explain(part, catalogue, facts) for part in parts])
        case Not(key, part):
            node = explain(part, catalogue, facts)
            return Node(key, "not", NOT[node.outcome], {}, (node,))
        case Expression(key, text, names):
            outcome = compile_condition(condition, catalogue)(facts)
            return Node(key, text, outcome, _values(names, catalogue, facts))
        case Comparison(key, name, operator, operand):
            outcome = compile_condition(condition, catalogue)(facts)
            operands = operand if isinstance(operand, tuple) else (operand,)
            looked_at = [name, *(one.name for one in operands if isinstance(one, Ref))]
            return Node(key, f"{name} {operator} {operand_text(operand)}", outcome, _values(looked_at, catalogue, facts))


def _joined_nodes(key: str, text: str, table: Table, neutral: Truth, nodes: list[Node]) -> Node:
    result = neutral
    for node in nodes:
        result = table[result][node.outcome]
    return Node(key, text, result, {}, tuple(nodes))


def _values(names: Iterable[str], catalogue: Catalogue, facts: Facts) -> dict[str, object]:
    """What each attribute was, times as they are written."""
    values = {}
    for name in names:
        attribute = catalogue.find(name)
        local = {Kind.TIME: facts.local().time_text, Kind.DATE: facts.local().date_text}
        values[name] = local.get(attribute.kind) or attribute.read(facts)
    return values


def operand_text(operand: Operand) -> str:
    """Write an operand as operators read it."""
    if isinstance(operand, tuple):
        return f"[{', '.join(operand_text(one) for one in operand)}]"
    if isinstance(operand, Ref):
        return operand.name
    return str(operand).lower() if isinstance(operand, bool) else str(operand)


def value_text(value: object) -> str:
    """Write an attribute's value for people; what is not there is said so."""
    if value is None:
        return "missing"
    if isinstance(value, NotHad):
        return "not had"
    if isinstance(value, Unusable):
        return "there, without a single meaning"
    if isinstance(value, frozenset):
        return f"[{', '.join(sorted(value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)
