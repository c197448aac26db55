"""One rule of an AuthorizationPolicy → one condition: any of ``from``, any of ``to``, all of ``when``."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sidecar.config.marks import KeyPath, Nothing, shown

from .algebra import Condition, all_of, any_of, negated
from .fields import MAX_VALUES, OPERATION, SOURCE, Field, Values, by_key
from .findings import Untranslatable
from .scope import Scope

_RULE: Final = frozenset({"from", "to", "when"})
_WHEN: Final = frozenset({"key", "values", "notValues"})


@dataclass(frozen=True, slots=True)
class Hole:
    """A part that conditions cannot say. ``path``: in the rule."""

    path: KeyPath
    message: str
    hint: str = ""


@dataclass(slots=True)
class Reader:
    """Reads one rule. Parts that conditions cannot say are noted in ``holes``, and count as holding.

    So with holes, the condition holds wherever the rule does, and elsewhere too: more is denied by a DENY rule read
    like that; an ALLOW rule must not be used.
    """

    scope: Scope
    holes: list[Hole] = field(default_factory=list)

    def rule(self, rule: Any) -> Condition:
        """Return the condition of a rule."""
        if not isinstance(rule, dict):
            return self._hole((), "is no rule")
        self._unknown(rule, _RULE, ())
        parts: list[Condition] = []
        for key, inner, known in (("from", "source", SOURCE), ("to", "operation", OPERATION)):
            if (alternatives := self._list(rule, key, (key,))) is not None:
                parts.append(any_of(self._alternatives(alternatives, key, inner, known)))
        if (when := self._list(rule, "when", ("when",))) is not None:
            parts.extend(self._condition(one, ("when", number)) for number, one in enumerate(when))
        return all_of(parts)

    def _hole(self, path: KeyPath, message: str, hint: str = "") -> Condition:
        self.holes.append(Hole(path, message, hint))
        return True

    def _unknown(self, value: Mapping[str, Any], known: Iterable[str], path: KeyPath) -> Condition:
        for key in value:
            if key not in known:
                self._hole((*path, key), "is not known here")
        return True

    def _list(self, value: Mapping[str, Any], key: str, path: KeyPath) -> list[Any] | None:
        """Return a list; None where there is nothing in it, which in Istio is as good as missing."""
        found = value.get(key)
        if found is None or isinstance(found, Nothing) or found == []:
            return None
        if not isinstance(found, list):
            self._hole(path, "is no list")
            return None
        return found

    def _alternatives(self, entries: list[Any], key: str, inner: str, known: Mapping[str, Field]) -> Iterator[Condition]:
        for number, entry in enumerate(entries):
            path: KeyPath = (key, number)
            if not isinstance(entry, dict):
                yield self._hole(path, "is no map")
                continue
            self._unknown(entry, (inner,), path)
            fields = entry.get(inner, {})
            if isinstance(fields, Nothing):
                fields = {}
            if not isinstance(fields, dict):
                yield self._hole((*path, inner), "is no map")
                continue
            yield self._dominated(lambda fields=fields, path=(*path, inner): self._fields(fields, known, path))  # type: ignore[misc]

    def _fields(self, fields: Mapping[str, Any], known: Mapping[str, Field], path: KeyPath) -> Condition:
        negatives = {_negative(name): name for name in known}
        self._unknown(fields, (*known, *negatives), path)
        parts: list[Condition] = []
        for name, read in known.items():
            parts.append(self._values(fields, name, read, path))
            parts.append(self._values(fields, _negative(name), read, path, negative=True))
        return all_of(parts)

    def _dominated(self, read: Callable[[], Condition]) -> Condition:
        """Read a conjunction; where the rest of it never holds, what could not be read in it makes no difference."""
        before = len(self.holes)
        condition = read()
        if condition is False:
            del self.holes[before:]
        return condition

    def _condition(self, one: Any, path: KeyPath) -> Condition:
        if not isinstance(one, dict) or not isinstance(one.get("key"), str):
            return self._hole(path, "has no key")
        self._unknown(one, _WHEN, path)
        key = one["key"]

        def read(values: Values, scope: Scope) -> Condition:
            try:
                return by_key(key)(values, scope)
            except Untranslatable as error:
                raise Untranslatable(f"{shown(key)}: {error.message}", error.hint) from None

        given = [self._list(one, name, (*path, name)) for name in ("values", "notValues")]
        if given == [None, None]:
            return self._hole(path, "has neither values nor notValues")
        return all_of((self._values(one, "values", read, path), self._values(one, "notValues", read, path, negative=True)))

    def _values(self, fields: Mapping[str, Any], name: str, read: Field, path: KeyPath, *, negative: bool = False) -> Condition:
        values = self._list(fields, name, (*path, name))
        if values is None:
            return True
        if not all(isinstance(value, str) and value for value in values):
            return self._hole((*path, name), "has a value that is no text, or empty", "put numbers in quotes")
        if len(values) > MAX_VALUES:
            return self._hole((*path, name), f"has more than {MAX_VALUES} values")
        try:
            condition = read(values, replace(self.scope, wide=self.scope.wide is not negative))
        except Untranslatable as error:
            return self._hole((*path, name), error.message, error.hint)
        return negated(condition) if negative else condition


def _negative(name: str) -> str:
    return f"not{name[0].upper()}{name[1:]}"


def read_rule(rule: Any, scope: Scope) -> tuple[Condition, tuple[Hole, ...]]:
    """Return a rule's condition and what of it conditions cannot say (see ``Reader``); a rule that never holds has none of that."""
    reader = Reader(scope)
    condition = reader.rule(rule)
    return condition, () if condition is False else tuple(reader.holes)
