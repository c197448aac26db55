"""Conditions as they are put together: True and False where a rule says so by itself, else what the configuration holds."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

Leaf: TypeAlias = dict[str, Any]
Condition: TypeAlias = Leaf | bool

ALWAYS: Final[Leaf] = {"request.method": {"exists": True}}
NEVER: Final[Leaf] = {"request.method": {"exists": False}}
_REFERENCES: Final = ("user.", "resource.", "environment.", "request.")


def all_of(parts: Iterable[Condition]) -> Condition:
    """Join with *and*; of nothing: True."""
    return _joined("and", parts, neutral=True)


def any_of(parts: Iterable[Condition]) -> Condition:
    """Join with *or*; of nothing: False."""
    return _joined("or", parts, neutral=False)


def _joined(word: str, parts: Iterable[Condition], *, neutral: bool) -> Condition:
    found: list[Leaf] = []
    for part in parts:
        if isinstance(part, bool):
            if part is not neutral:
                return part
        elif list(part) == [word]:
            found.extend(part[word])
        else:
            found.append(part)
    if not found:
        return neutral
    return found[0] if len(found) == 1 else {word: found}


def negated(part: Condition) -> Condition:
    """Turn it round."""
    if isinstance(part, bool):
        return not part
    if list(part) == ["not"]:
        inner: Leaf = part["not"]
        return inner
    return {"not": part}


def written(part: Condition) -> Leaf:
    """Give the form that a configuration can hold: one that always or never holds is said of the method, which every request has."""
    if isinstance(part, bool):
        return ALWAYS if part else NEVER
    return part


def literal(text: str) -> Any:
    """Mark a text that would read like a reference to an attribute."""
    return {"literal": text} if text.startswith(_REFERENCES) else text


def compare(attribute: str, operator: str, value: Any, *, guard: bool = False) -> Leaf:
    """One comparison; with ``guard`` it is false instead of unknown where the attribute is missing, as in Istio."""
    return {attribute: {"exists": True, operator: value}} if guard else {attribute: {operator: value}}


def keeps_out_by(condition: Leaf, attribute: str, *, denies: bool) -> bool:
    """Tell whether a look at ``attribute`` can keep someone out: in what denies, or under ``not`` of what allows."""
    for key, inner in condition.items():
        if key == "not":
            if keeps_out_by(inner, attribute, denies=not denies):
                return True
        elif key in {"and", "or"}:
            if any(keeps_out_by(one, attribute, denies=denies) for one in inner):
                return True
        elif key == attribute and denies:
            return True
    return False
