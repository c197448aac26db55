"""Whether a holder meets a demand: always, never, or depending on what is left of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from sidecar.authz.conditions import compile_condition
from sidecar.authz.facts import Facts
from sidecar.authz.ternary import FALSE, TRUE
from sidecar.model.condition import attributes_of
from sidecar.model.request import NO_CONTENT, CheckInput

from .atoms import Atom, Audience, Begins, Capped, Ends, Holds, Leaf, Named, Scope, Within, atom_text, listed
from .demand import Clause, Demand
from .grants import NOBODY
from .holders import Holder
from .meaning import source_of
from .recorded import NoHeaders
from .reviewed import Reviewed

Verdict: TypeAlias = Literal["always", "depends", "never"]


class Left(NamedTuple):
    """What is left to hold; ``met``: clauses that what the holder has meets by itself."""

    clauses: tuple[Clause, ...]
    met: tuple[Clause, ...]


_NO_REQUEST = CheckInput("GET", "", "/", NoHeaders(), "", "", {}, NO_CONTENT)


class Weighing:
    """Weighs holders against the demands of one configuration."""

    def __init__(self, reviewed: Reviewed) -> None:
        """Take the configuration."""
        self._reviewed = reviewed
        self._settled: dict[tuple[Holder, Leaf], bool | None] = {}
        self._attributes: dict[Leaf, frozenset[str]] = {}

    def left(self, demand: Demand, holder: Holder, route: str = "") -> Left | None:
        """Return what is left of a demand for a holder; None: it can never be met. ``route``: keys may be confined to some."""
        if holder.state or (holder.routes and route and route not in holder.routes):
            return None
        left = [Clause(NOBODY, frozenset({atom}), "the credential") for atom in holder.hinges]
        met = []
        for clause in demand:
            found = self._weigh(clause, holder)
            if found is None:
                return None
            if found is clause:
                met.append(clause)
            else:
                left.append(found)
        return Left(tuple(left), tuple(met))

    def _weigh(self, clause: Clause, holder: Holder) -> Clause | None:
        """Return the clause itself when it is met, None when it cannot be, else what of it may still hold."""
        if not holder.roles.isdisjoint(clause.roles):
            return clause
        possible: set[Atom] = set()
        for atom in clause.atoms:
            holds = self._holds(atom, holder)
            if holds:
                return clause
            if holds is None:
                possible.add(atom)
        for roles, permissions, at in holder.later:
            if not roles.isdisjoint(clause.roles) or any(
                isinstance(one, Holds) and permissions.grants(one.permission) for one in clause.atoms
            ):
                possible.add(Begins(at))
        others = NOBODY if holder.exact else self._others(clause.roles, holder)
        return Clause(others, frozenset(possible), clause.origin, clause.wanted) if possible or others else None

    def _others(self, roles: frozenset[str], holder: Holder) -> frozenset[str]:
        obtainable = self._reviewed.obtainable(holder.authenticator)
        return roles if obtainable is None else roles & obtainable

    def _holds(self, atom: Atom, holder: Holder) -> bool | None:
        """None: it depends."""
        match atom:
            case Named():
                return holder.kind != "anonymous"
            case Holds(permission):
                return self._has(permission, holder)
            case Scope(name):
                if holder.exact:
                    return name in holder.principal.scopes
                issuer = self._reviewed.settings.issuers.get(holder.authenticator)
                return None if issuer is None or issuer.claims.scopes is not None else False
            case Audience(names):
                if holder.exact or holder.authenticator not in self._reviewed.settings.issuers:
                    return False  # keys are for nobody in particular
                audiences = self._reviewed.settings.issuers[holder.authenticator].audiences
                return True if audiences and audiences <= names else None
            case Capped() | Begins() | Ends() | Within():
                return None
            case Leaf(roles=roles) if roles is not None:
                return False if not holder.roles.isdisjoint(roles) else True if holder.exact else self._none_of(roles, holder)
            case Leaf():
                return self._leaf(atom, holder)

    def _none_of(self, roles: frozenset[str], holder: Holder) -> bool | None:
        return None if self._others(roles, holder) else True

    def _has(self, permission: str, holder: Holder) -> bool | None:
        if holder.permissions.grants(permission):
            return True
        if holder.exact:
            return False
        granted = self._reviewed.direct.get(holder.authenticator)
        may = self._reviewed.can_claim(holder.authenticator, permission) or (granted is not None and granted.grants(permission))
        return None if may else False

    def _leaf(self, leaf: Leaf, holder: Holder) -> bool | None:
        names = self._attributes.get(leaf)
        if names is None:
            names = self._attributes[leaf] = attributes_of(leaf.condition)
        resources = _constants(leaf)
        settings = self._reviewed.settings
        if not all(_is_known(name, holder, resources) and source_of(settings, name) is None for name in names):
            return None
        key = (holder, leaf)
        if key not in self._settled:
            self._settled[key] = self._evaluate(leaf, holder, resources)
        return self._settled[key]

    def _evaluate(self, leaf: Leaf, holder: Holder, resources: Mapping[str, str]) -> bool:
        templates = {name: _always(text) for name, text in resources.items()}
        surroundings: Any = self._reviewed.surroundings
        facts = Facts(holder.principal, _NO_REQUEST, templates, self._reviewed.wall, surroundings)
        outcome = compile_condition(leaf.condition, self._reviewed.catalogue)(facts)
        return outcome == (TRUE if leaf.wanted else FALSE)


def _always(text: str) -> Any:
    return lambda _: text


def _constants(leaf: Leaf) -> dict[str, str]:
    """The ``resource.`` attributes that are the same for every request of the route."""
    pairs = leaf.meaning if isinstance(leaf.meaning, tuple) else ()
    return {name[9:]: text for name, text in pairs if name.startswith("resource.") and isinstance(text, str) and "{" not in text}


def _is_known(name: str, holder: Holder, resources: Mapping[str, str]) -> bool:
    if name.startswith("resource."):
        return name[9:] in resources
    if name.startswith("user."):
        return name in holder.known or any(family.endswith(".") and name.startswith(family) for family in holder.known)
    return False


def contributes(holder: Holder, left: Left) -> bool:
    """Tell whether what the holder has makes a difference: some clause is met by a role or a permission of it."""
    return any(meets(holder, clause) for clause in left.met) or any(
        isinstance(atom, Begins) for clause in left.clauses for atom in clause.atoms
    )


def meets(holder: Holder, clause: Clause) -> bool:
    """Tell whether a role or a direct permission of the holder meets the clause."""
    return not holder.roles.isdisjoint(clause.roles) or any(
        isinstance(atom, Holds) and holder.permissions.grants(atom.permission) for atom in clause.atoms
    )


def verdict_of(left: Left | None) -> Verdict:
    """Name what ``left`` says."""
    return "never" if left is None else "depends" if left.clauses else "always"


def clause_text(clause: Clause) -> str:
    """Say what of the clause has to hold."""
    words = sorted(atom_text(atom) for atom in clause.atoms if not isinstance(atom, Holds))
    direct = sorted(atom.permission for atom in clause.atoms if isinstance(atom, Holds))
    if clause.roles:
        words.insert(0, f"{'a role of' if len(clause.roles) > 1 else 'the role'} {listed(clause.roles)}")
    if direct:
        words.append(f"permission {' or '.join(direct)} given directly")
    return " or ".join(words) or "nothing could"


def conditions(clauses: Iterable[Clause]) -> Iterator[str]:
    """Write each clause with what of the configuration demands it."""
    yield from dict.fromkeys(f"{clause.origin}: {clause_text(clause)}" for clause in clauses)
