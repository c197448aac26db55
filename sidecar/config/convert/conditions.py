"""Condition trees as written → conditions of known attributes and possible comparisons."""

from collections.abc import Iterator
from typing import Any

from sidecar.authz.attributes import Catalogue
from sidecar.authz.comparable import check_comparison
from sidecar.authz.operators import OPERATORS
from sidecar.config.marks import KeyPath, Nothing, key_text, shown
from sidecar.config.schema.fields import duration_of
from sidecar.config.suggest import did_you_mean, hint_for
from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Not, Operand, Ref, Scalar

from .place import Place

GROUPS = ("user.", "resource.", "environment.", "request.")
MAX_DEPTH = 24
MAX_VALUES = 1000


class Unusable(Exception):
    """A part that was reported already."""


class ConditionReader:
    """Reads the conditions of one policy; ``root`` is the policy's own key path."""

    def __init__(self, root: KeyPath, catalogue: Catalogue, place: Place) -> None:
        """Note what is wrong in ``place``."""
        self._root = root
        self._catalogue = catalogue
        self._place = place

    def read(self, value: Any) -> Condition | None:
        """Return the condition; None when something in it is wrong."""
        try:
            return self._condition(value, (*self._root, "conditions"), 0)
        except Unusable:
            return None

    def _wrong(self, path: KeyPath, message: str, hint: str = "") -> Unusable:
        self._place.wrong(path, message, hint)
        return Unusable()

    def _key(self, path: KeyPath) -> str:
        return key_text(path[len(self._root) :])

    def _condition(self, value: Any, path: KeyPath, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise self._wrong(path, f"is nested more than {MAX_DEPTH} deep")
        if not isinstance(value, dict) or not value:
            raise self._wrong(path, "is not a condition", "write {attribute: {operator: value}}, or and, or, not")
        parts = list(self._parts(value, path, depth))
        return parts[0] if len(parts) == 1 else AllOf(self._key(path), tuple(parts))

    def _parts(self, value: dict[str, Any], path: KeyPath, depth: int) -> Iterator[Condition]:
        failed = False
        for name, inner in value.items():
            try:
                yield self._part(name, inner, (*path, name), depth)
            except Unusable:
                failed = True
        if failed:
            raise Unusable

    def _part(self, name: str, inner: Any, path: KeyPath, depth: int) -> Condition:
        if name in {"and", "or"}:
            if not isinstance(inner, list) or not inner:
                raise self._wrong(path, "needs a list of conditions", "an empty one would mean everything or nothing")
            parts = tuple(self._condition(one, (*path, number), depth + 1) for number, one in enumerate(inner))
            return (AllOf if name == "and" else AnyOf)(self._key(path), parts)
        if name == "not":
            return Not(self._key(path), self._condition(inner, path, depth + 1))
        return self._comparisons(name, inner, path)

    def _comparisons(self, name: str, inner: Any, path: KeyPath) -> Condition:
        self._check_known(name, path)
        if not isinstance(inner, dict) or not inner:
            raise self._wrong(path, "needs an operator", f"write {{{shown(name)}: {{equals: ...}}}}")
        found = [self._comparison(name, operator, value, (*path, operator)) for operator, value in inner.items()]
        return found[0] if len(found) == 1 else AllOf(self._key(path), tuple(found))

    def _comparison(self, name: str, operator: str, value: Any, path: KeyPath) -> Comparison:
        if operator not in OPERATORS:
            raise self._wrong(path, f"there is no operator {shown(operator)!r}", hint_for(operator, OPERATORS))
        one = Comparison(self._key(path), name, operator, self._operand(operator, value, path))
        try:
            check_comparison(one, self._catalogue)
        except ValueError as error:
            raise self._wrong(path, str(error)) from None
        return one

    def _check_known(self, name: str, path: KeyPath) -> None:
        if not self._catalogue.knows(name):
            names = self._catalogue.names()
            raise self._wrong(path, f"there is no attribute {shown(name)!r}", did_you_mean(name, names) or unknown_hint(name))

    def _operand(self, operator: str, value: Any, path: KeyPath) -> Operand:
        if operator == "older_than":
            return self._duration(value, path)
        if isinstance(value, list):
            if not value:
                raise self._wrong(path, "is empty: nothing is in it", "name at least one value")
            if len(value) > MAX_VALUES:
                raise self._wrong(path, f"has more than {MAX_VALUES} values", "map them to a role or an attribute")
            return tuple(self._one(one, (*path, number)) for number, one in enumerate(value))
        return self._one(value, path)

    def _duration(self, value: Any, path: KeyPath) -> float:
        try:
            return duration_of(value if isinstance(value, str) else "")
        except ValueError as error:
            raise self._wrong(path, "is not a duration", str(error)) from None

    def _one(self, value: Any, path: KeyPath) -> Scalar | Ref:
        if isinstance(value, dict) and len(value) == 1:
            ((kind, inner),) = value.items()
            if kind == "literal" and isinstance(inner, str | int | float):
                return inner
            if kind == "ref" and isinstance(inner, str):
                self._check_known(inner, (*path, "ref"))
                return Ref(inner)
        if isinstance(value, str) and value.startswith(GROUPS):
            if not self._catalogue.knows(value):
                names = self._catalogue.names()
                hint = did_you_mean(value, names) or f"if this text is meant, write {{literal: {shown(value)}}}"
                raise self._wrong(path, f"reads like an attribute, and there is none {shown(value)!r}", hint)
            return Ref(value)
        if isinstance(value, Nothing) or not isinstance(value, str | int | float):
            raise self._wrong(path, "is not a value", "write text, a number, true or false, {ref: attribute} or {literal: text}")
        return value


def unknown_hint(name: str) -> str:
    """Say where an attribute of this kind would come from."""
    if name.startswith("user."):
        return "map it under issuers.NAME.claims.attributes, or write user.claims.NAME, user.metadata.NAME"
    if name.startswith("resource."):
        return "give it under `resource` of the route, as a path variable, or by a source under `attributes`"
    return "attributes start with user., resource., environment. or request."
