"""Conditions of policies as clauses, and what an attribute means under one configuration.

Two comparisons that read alike are alike only if their attributes mean the same: ``environment.time`` in another zone,
``resource.owner`` of another path variable are not.
"""

from collections.abc import Hashable, Mapping
from typing import Final, TypeAlias

from sidecar.authz.operators import NEGATIONS
from sidecar.engine.routes import VARIABLE
from sidecar.model.condition import AllOf, AnyOf, Comparison, Condition, Expression, Not, Operand, Ref, attributes_of
from sidecar.model.settings import RouteSettings, Settings

from .atoms import Atom, Leaf
from .grants import NOBODY, Granting
from .words import plain

Part: TypeAlias = tuple[frozenset[str], frozenset[Atom]]
"""Roles and atoms of which one has to hold."""
MAX_CLAUSES: Final = 32
"""A condition that would come apart into more is taken whole."""
_MEMBER = frozenset({"equals", "in", "contains"})


def resources_at(route: RouteSettings, pattern: str) -> dict[str, str]:
    """Return what each ``resource.`` attribute is at one path: text with ``{index}`` or ``{index=**}`` for a segment of the path."""
    variables = {}
    for index, part in enumerate(pattern.strip("/").split("/")):
        found = VARIABLE.fullmatch(part)
        if found is not None:
            variables[found[1]] = f"{{{index}{found[2] or ''}}}"
    filled = {name: VARIABLE.sub(lambda found: variables.get(found[1], found[0]), text) for name, text in route.resource.items()}
    return {**variables, **filled}


class Meanings:
    """Turns the conditions of one configuration into clauses. ``roles_token`` stands for what all roles mean there."""

    def __init__(self, settings: Settings, granting: Granting, roles_token: Hashable) -> None:
        """Take a configuration; tokens of two are equal only if their roles and permissions mean the same."""
        self._settings = settings
        self._granting = granting
        self._roles_token = roles_token
        self._known: dict[tuple[int, bool, Hashable], tuple[Part, ...]] = {}

    def parts(self, condition: Condition, resources: Mapping[str, str], *, wanted: bool) -> tuple[Part, ...]:
        """Return the clauses that all have to hold for the condition to be true, or with ``wanted`` False: to be false."""
        key = (id(condition), wanted, tuple(sorted(resources.items())))  # conditions live as long as the settings
        known = self._known.get(key)
        if known is None:
            found = self._clauses(condition, resources, wanted=wanted)
            known = self._known[key] = tuple(found) if found is not None else (self._whole(condition, resources, wanted=wanted),)
        return known

    def _clauses(self, condition: Condition, resources: Mapping[str, str], *, wanted: bool) -> list[Part] | None:
        """None: there are too many."""
        if isinstance(condition, Not):
            return self._clauses(condition.part, resources, wanted=not wanted)
        if not isinstance(condition, AllOf | AnyOf):
            return [self._leaf(condition, resources, wanted=wanted)]
        several = [self._clauses(part, resources, wanted=wanted) for part in condition.parts]
        if isinstance(condition, AllOf) is wanted:
            joined = [clause for one in several if one is not None for clause in one]
            return None if None in several or len(joined) > MAX_CLAUSES else joined
        product: list[Part] = [(NOBODY, frozenset())]
        for one in several:
            if one is None or len(product) * len(one) > MAX_CLAUSES:
                return None
            product = [(roles | more, atoms | others) for roles, atoms in product for more, others in one]
        return product

    def _leaf(self, condition: Comparison | Expression, resources: Mapping[str, str], *, wanted: bool) -> Part:
        if isinstance(condition, Expression):
            means = self._meaning(condition.attributes, resources)
            return NOBODY, frozenset({Leaf(wanted, "", "when", condition.text, means, None, condition)})
        operator = NEGATIONS.get(condition.operator, condition.operator)
        if operator != condition.operator:
            condition, wanted = Comparison(condition.key, condition.attribute, operator, condition.operand), not wanted
        values = _literals(condition.operand) if operator in _MEMBER else None
        if condition.attribute == "user.role" and values is not None:
            roles = NOBODY.union(*map(self._granting.standing_for, values))
            if wanted:
                return roles, frozenset()
            return NOBODY, frozenset({Leaf(False, "user.role", "in", "", "", roles, condition)})
        if condition.attribute == "user.permissions" and values is not None:
            meaning: Hashable = NOBODY.union(*map(self._granting.naming, values))
        else:
            meaning = self._meaning(attributes_of(condition), resources)
        leaf = Leaf(wanted, condition.attribute, operator, repr(condition.operand), meaning, None, condition)
        return NOBODY, frozenset({leaf})

    def _whole(self, condition: Condition, resources: Mapping[str, str], *, wanted: bool) -> Part:
        meaning = self._meaning(attributes_of(condition), resources)
        return NOBODY, frozenset({Leaf(wanted, "", "whole", repr(condition), meaning, None, condition)})

    def _meaning(self, names: "frozenset[str] | tuple[str, ...]", resources: Mapping[str, str]) -> Hashable:
        found = ((name, self._definition(name, resources)) for name in sorted(names))
        return tuple((name, meaning) for name, meaning in found if meaning is not None)

    def _definition(self, name: str, resources: Mapping[str, str]) -> Hashable:
        """What gives the attribute its value, where a configuration has a say in that."""
        source = source_of(self._settings, name)
        if source is not None:
            return "source", repr(plain(source)), tuple(sorted(resources.items()))  # its address may hold variables of the path
        if name in {"user.role", "user.permissions"}:
            return self._roles_token
        if name in {"environment.time", "environment.date", "environment.weekday"}:
            return self._settings.timezone
        if name == "environment.ip_address":
            return self._settings.server.client_address
        if name == "request.path":
            return self._settings.server.paths.case
        if name.startswith("resource."):
            return resources.get(name.removeprefix("resource."))
        return None


def source_of(settings: Settings, name: str) -> object:
    """Return the settings of the source that gives an attribute, or a field of it; None: no source does."""
    for source in settings.attributes.values():
        if name == source.provides or name.startswith(f"{source.provides}."):
            return source
    return None


def _literals(operand: Operand) -> tuple[str, ...] | None:
    values = operand if isinstance(operand, tuple) else (operand,)
    texts = tuple(value for value in values if isinstance(value, str))
    return texts if len(texts) == len(values) and not any(isinstance(value, Ref) for value in values) else None
