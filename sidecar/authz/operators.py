"""What the operators of a condition say of a value: true, false, or unknown for a value of another type.

Positive operators hold on a set if any member does; a negative one is the opposite of its positive. Ordering is
for numbers, times and dates; on plain text it is unknown, since "10" < "9" is nothing that anyone meant.
"""

import operator as python
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

from .ternary import FALSE, OR, TRUE, UNKNOWN, Truth

Test: TypeAlias = Callable[[Any, Any], Truth]
"""(value, operand as ``prepared``) → outcome. The value is there: neither missing nor of a source that did not answer."""

NEGATIONS: Final = {"not_equals": "equals", "not_in": "in"}
ORDERINGS: Final = frozenset({"greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal", "between"})
PATTERNS: Final = frozenset({"starts_with", "ends_with", "matches"})
INSTANTS: Final = frozenset({"before", "after", "older_than"})
OPERATORS: Final = (
    "equals", "not_equals", "in", "not_in", "between", "greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal",
    "contains", "starts_with", "ends_with", "matches", "exists", "in_cidr", "before", "after", "older_than",
)  # fmt: skip
SETS: Final = (frozenset, list, tuple)


def truth(holds: bool | None) -> Truth:
    """Turn a plain answer into an outcome; None: unknown."""
    return UNKNOWN if holds is None else TRUE if holds else FALSE


def _of_any(test: Callable[[Any, Any], bool | None]) -> Test:
    """Lift a test of one value to sets: it holds if it holds for any member."""

    def lifted(value: Any, operand: Any) -> Truth:
        if not isinstance(value, SETS):
            return truth(test(value, operand))
        result = FALSE
        for member in value:
            result = OR[result][truth(test(member, operand))]
            if result == TRUE:
                break
        return result

    return lifted


def _number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _equals(value: Any, operand: Any) -> bool | None:
    if type(value) is type(operand) or (_number(value) and _number(operand)):
        return bool(value == operand) if isinstance(value, str | int | float | bool) else None
    return None


def _in(value: Any, operand: Iterable[Any]) -> bool | None:
    unknown = False
    for one in operand:
        equal = _equals(value, one)
        if equal:
            return True
        unknown = unknown or equal is None
    return None if unknown else False


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    return lambda value, operand: compare(value, operand) if _number(value) and _number(operand) else None


def _between(value: Any, operand: Any) -> bool | None:
    low, high = operand
    return low <= value <= high if _number(value) and _number(low) and _number(high) else None


def _between_times(value: Any, operand: Any) -> bool | None:
    """Both ends in; past midnight where the first is the later one."""
    low, high = operand
    if not (_number(value) and _number(low) and _number(high)):
        return None
    return bool(low <= value <= high if low <= high else value >= low or value <= high)


def _contains(value: Any, operand: Any) -> Truth:
    """Exact membership in a set, substring of a text."""
    if isinstance(value, SETS):
        return _of_any(_equals)(value, operand)
    return truth(operand in value) if isinstance(value, str) and isinstance(operand, str) else UNKNOWN


def _on_text(test: Callable[[str, Any], bool]) -> Callable[[Any, Any], bool | None]:
    return lambda value, operand: test(value, operand) if isinstance(value, str) and isinstance(operand, str) else None


def _matches(value: Any, pattern: Any) -> bool | None:
    return (pattern.fullmatch(value) is not None) is True if isinstance(value, str) else None


@lru_cache(4096)
def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one that stands for an IPv4 one is that one. None: it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


Network: TypeAlias = IPv4Network | IPv6Network


def _in_cidr(value: Any, networks: tuple[Network, ...]) -> bool | None:
    address = address_of(value) if isinstance(value, str) else None
    return None if address is None else any(address in network for network in networks)


@lru_cache(4096)
def seconds_of(text: str) -> float | None:
    """Read an RFC 3339 time with its zone as seconds since the epoch; None: it is none."""
    try:
        read = datetime.fromisoformat(text)
        return read.timestamp() if read.tzinfo is not None and len(text) > len("2026-01-01") else None
    except (ValueError, OverflowError):
        return None


def instant(value: Any) -> float | None:
    """Seconds since the epoch of a timestamp: RFC 3339 text, or a number as tokens have it."""
    if isinstance(value, str):
        return seconds_of(value)
    return float(value) if _number(value) else None


def _instants(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], bool | None]:
    def test(value: Any, operand: Any) -> bool | None:
        at, other = instant(value), instant(operand)
        return None if at is None or other is None else compare(at, other)

    return test


TESTS: Final[dict[str, Test]] = {
    "equals": _of_any(_equals),
    "in": _of_any(_in),
    "greater_than": _of_any(_ordered(python.gt)),
    "greater_than_or_equal": _of_any(_ordered(python.ge)),
    "less_than": _of_any(_ordered(python.lt)),
    "less_than_or_equal": _of_any(_ordered(python.le)),
    "between": _of_any(_between),
    "contains": _contains,
    "starts_with": _of_any(_on_text(str.startswith)),
    "ends_with": _of_any(_on_text(str.endswith)),
    "matches": _of_any(_matches),
    "in_cidr": _of_any(_in_cidr),
    "before": _of_any(_instants(python.lt)),
    "after": _of_any(_instants(python.gt)),
}
"""By operator, without negations, ``exists`` and ``older_than``, which need more than a value."""
BETWEEN_TIMES: Final = _of_any(_between_times)


def pattern(text: str) -> Any:
    """Compile a RE2 pattern, which is matched with the whole of a text. Raises ValueError with what is wrong with it."""
    import re2  # noqa: PLC0415 - only where a pattern is written

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said = error.args[0] if error.args else "not a RE2 pattern"
        raise ValueError(said.decode() if isinstance(said, bytes) else str(said)) from None


def network(text: str) -> Network:
    """Read a network. Raises ValueError."""
    return ip_network(text)
