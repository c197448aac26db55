"""One line of an access review, and how a configuration's routes are grouped for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sidecar.model.permission import compile_permissions
from sidecar.model.settings import RouteSettings

from .demand import Clause, Demand
from .holders import Holder
from .reviewed import ANONYMOUS, Reviewed
from .verdicts import Left, Verdict, conditions, meets, verdict_of

Way = tuple[str, ...]


class Row(NamedTuple):
    """Who has which access to routes that demand the same.

    ``chain``: for each thing demanded the way to it, from the role over those that it inherits to the permission.
    ``conditions``: what else has to hold. ``state``: why a key counts for nothing. ``validity``: from when, until when.
    """

    who: str
    kind: str
    authenticator: str
    name: str
    routes: tuple[str, ...]
    verdict: Verdict
    chain: tuple[Way, ...]
    conditions: tuple[str, ...]
    validity: str
    state: str


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A route at one of its paths."""

    route: RouteSettings
    pattern: str


class Group(NamedTuple):
    """Spots that demand the same of the same callers. ``demands``: by authenticator, ``anonymous`` among them."""

    spots: tuple[Spot, ...]
    demands: tuple[tuple[str, Demand], ...]

    @property
    def routes(self) -> tuple[str, ...]:
        """Names, each once."""
        return tuple(dict.fromkeys(spot.route.name for spot in self.spots))


def groups(reviewed: Reviewed, routes: Iterable[RouteSettings]) -> Iterator[Group]:
    """Group routes, in their order."""
    found: dict[tuple[tuple[str, int], ...], tuple[list[Spot], list[tuple[str, Demand]]]] = {}
    for route in routes:
        for pattern in route.paths:
            demands = [(name, reviewed.demand(route, pattern, name)) for name in route.authenticate]
            key = tuple((name, id(demand)) for name, demand in demands)
            found.setdefault(key, ([], demands))[0].append(Spot(route, pattern))
    for spots, demands in found.values():
        yield Group(tuple(spots), tuple(demands))


def row_of(reviewed: Reviewed, holder: Holder, group: Group, left: Left | None, routes: tuple[str, ...] | None = None) -> Row:
    """Make a line; ``routes``: those of the group that it is about, all by default."""
    return Row(
        who=holder.label,
        kind=holder.kind,
        authenticator=holder.authenticator or ANONYMOUS,
        name=holder.name,
        routes=group.routes if routes is None else routes,
        verdict=verdict_of(left),
        chain=tuple(way for clause in left.met for way in ways(reviewed, holder, clause)) if left is not None else (),
        conditions=tuple(conditions(left.clauses)) if left is not None else (),
        validity=holder.validity,
        state=holder.state,
    )


def ways(reviewed: Reviewed, holder: Holder, clause: Clause) -> Iterator[Way]:
    """Give how the holder comes by what a clause demands; one way for each."""
    if not meets(holder, clause):
        return
    for wanted in clause.wanted:
        kind, _, value = wanted.partition(" ")
        way = _way(reviewed, holder, kind, value)
        if way:
            yield way
            return
    by_policy = sorted(holder.roles & clause.roles)
    if by_policy:
        yield by_policy[0], clause.origin


def _way(reviewed: Reviewed, holder: Holder, kind: str, value: str) -> Way:
    granting = reviewed.granting
    for role in sorted(holder.roles):
        way = granting.way_to_permission(role, value) if kind == "permission" else granting.way_to_role(role, value)
        if way:
            return way if way[-1] == value or kind == "role" else (*way, value)
    if kind == "permission":
        for name in holder.permissions.names:
            if compile_permissions([name]).grants(value):
                return (name,) if name == value else (name, value)
    return ()
