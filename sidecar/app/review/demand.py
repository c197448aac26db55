"""What a route demands, as clauses that all have to hold: one way to write it, so that two demands can be compared."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from sidecar.engine.rules import REQUIRING
from sidecar.model.condition import AnyOf
from sidecar.model.settings import RouteSettings, Settings

from .atoms import Atom, Audience, Capped, Holds, Named, Scope, implies
from .grants import NOBODY, Granting
from .meaning import Meanings, resources_at, source_of

PERMISSIONS = frozenset({"permission", "all_permissions", "any_permission"})
ROLES = frozenset({"role", "all_roles", "any_role"})
SCOPES = frozenset({"scope", "all_scopes", "any_scope"})


class Clause(NamedTuple):
    """One of these roles, or one of these atoms, has to be there. ``origin``: what of the configuration says so.

    ``wanted``: the permission or role that it stands for, as ``permission NAME`` or ``role NAME``.
    """

    roles: frozenset[str]
    atoms: frozenset[Atom]
    origin: str
    wanted: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[frozenset[str], frozenset[Atom]]:
        """All of it that makes a difference to access."""
        return self.roles, self.atoms

    def implies(self, other: "Clause") -> bool:
        """Tell whether ``other`` certainly holds wherever this one does."""
        return self.roles <= other.roles and all(
            atom in other.atoms or any(implies(atom, one) for one in other.atoms) for atom in self.atoms
        )


Demand: TypeAlias = tuple[Clause, ...]
"""Every clause has to hold; none: nothing is demanded. Equal demands of two configurations are one object."""


def follows(demand: Iterable[Clause], other: Iterable[Clause]) -> bool:
    """Tell whether whoever meets ``demand`` certainly meets ``other``."""
    given = tuple(demand)
    return all(any(one.implies(clause) for one in given) for clause in other)


Parts: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]


class Demands:
    """Makes the demands of one configuration. ``shared`` holds what was made, so that equal ones are one object."""

    def __init__(self, settings: Settings, granting: Granting, meanings: Meanings, shared: "dict[object, Demand]") -> None:
        """Take a configuration, and the demands that were made so far, under others too."""
        self._policies = settings.policies
        self._granting = granting
        self._meanings = meanings
        self._shared = shared
        self._known: dict[object, Demand] = {}
        self._either: dict[tuple[str, ...], AnyOf] = {}
        self._on_resources = {
            policy.name
            for policy in settings.policies.values()
            if any(name.startswith("resource.") or source_of(settings, name) is not None for name in policy.attributes)
        }

    def of(self, route: RouteSettings, pattern: str, *, capped: bool = False) -> Demand:
        """Return what a route demands at one of its paths. ``capped``: of an issuer whose scopes are a ceiling."""
        parts = route.require.parts if route.require is not None else ()
        resources = resources_at(route, pattern) if self._on_resources and self._looks_at_resources(route, parts) else {}
        key = (parts, route.deny, tuple(sorted(resources.items())), capped)
        known = self._known.get(key)
        if known is None:
            unique = {clause.key: clause for clause in self._clauses(route.deny, parts, resources, capped=capped)}
            known = self._known[key] = self._shared.setdefault(frozenset(unique), tuple(unique.values()))
        return known

    def _looks_at_resources(self, route: RouteSettings, parts: Parts) -> bool:
        names = [*route.deny, *(name for keyword, values in parts if keyword in REQUIRING for name in values)]
        return not self._on_resources.isdisjoint(names)

    def _clauses(self, deny: tuple[str, ...], parts: Parts, resources: Mapping[str, str], *, capped: bool) -> Iterator[Clause]:
        for name in deny:
            if not self._policies[name].shadow:
                for roles, atoms in self._meanings.parts(self._policies[name].condition, resources, wanted=False):
                    yield Clause(roles, atoms, f"deny {name}")
        for keyword, values in parts:
            if keyword in REQUIRING:
                yield from self._policies_hold(keyword, values, resources)
            else:
                yield from self._part(keyword, values, capped=capped)

    def _policies_hold(self, keyword: str, names: tuple[str, ...], resources: Mapping[str, str]) -> Iterator[Clause]:
        enforced = [self._policies[name] for name in names if not self._policies[name].shadow]
        if keyword == "any_policy" and len(enforced) > 1:
            # One object for each list of policies, since conditions are known by identity.
            either = self._either.setdefault(names, AnyOf("", tuple(policy.condition for policy in enforced)))
            found = self._meanings.parts(either, resources, wanted=True)
            label = f"any_policy {' or '.join(policy.name for policy in enforced)}"
            yield from (Clause(roles, atoms, label) for roles, atoms in found)
            return
        for policy in enforced:
            for roles, atoms in self._meanings.parts(policy.condition, resources, wanted=True):
                yield Clause(roles, atoms, f"policy {policy.name}")

    def _part(self, keyword: str, values: tuple[str, ...], *, capped: bool) -> Iterator[Clause]:
        if keyword == "authenticated":
            yield Clause(NOBODY, frozenset({Named()}), keyword)
        elif keyword == "audiences":
            yield Clause(NOBODY, frozenset({Audience(frozenset(values))}), f"audiences {', '.join(values)}")
        elif keyword in SCOPES:
            yield from _joined(keyword, values, [(NOBODY, Scope(name)) for name in values], "scope")
        elif keyword in ROLES:
            yield from _joined(keyword, values, [(self._granting.standing_for(name), None) for name in values], "role")
        else:
            yield from _joined(keyword, values, [(self._granting.bringing(name), Holds(name)) for name in values], "permission")
            if capped:
                groups = [values] if keyword == "any_permission" else [(value,) for value in values]
                for group in groups:
                    yield Clause(NOBODY, frozenset({self._capped(group)}), f"{keyword} {', '.join(group)}")

    def _capped(self, permissions: tuple[str, ...]) -> Capped:
        granting = {
            (name, role)
            for permission in permissions
            for name in self._granting.names_granting(permission)
            for role in self._granting.naming(name)
        }
        return Capped(permissions, frozenset(granting))


def _joined(keyword: str, values: tuple[str, ...], ways: "list[tuple[frozenset[str], Atom | None]]", kind: str) -> Iterator[Clause]:
    """One clause for each value, or one for all where any will do."""
    if keyword.startswith("any_"):
        roles = NOBODY.union(*(roles for roles, _ in ways))
        atoms = frozenset(atom for _, atom in ways if atom is not None)
        yield Clause(roles, atoms, f"{keyword} {', '.join(values)}", tuple(f"{kind} {value}" for value in values))
        return
    for value, (roles, atom) in zip(values, ways, strict=True):
        yield Clause(roles, frozenset() if atom is None else frozenset({atom}), f"{keyword} {value}", (f"{kind} {value}",))
