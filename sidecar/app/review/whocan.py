"""``sidecar who-can``: everybody who may use a route, or has a permission, and how they come by it."""

from collections.abc import Iterator
from typing import NamedTuple

from sidecar.config.suggest import did_you_mean
from sidecar.model.errors import SidecarError
from sidecar.model.permission import compile_permissions, fault_of_permission
from sidecar.model.settings import RouteSettings

from .atoms import Holds
from .demand import PERMISSIONS, Clause, Demand
from .grants import NOBODY
from .holders import Holder, anonymous, anyone, holder_of_permission, holder_of_role, keys, persons
from .reviewed import ANONYMOUS, Reviewed
from .rows import Group, Row, groups, row_of
from .verdicts import Left, Weighing, contributes


class NotFound(SidecarError):
    """There is nothing of that name in the configuration."""


class Review(NamedTuple):
    """``about``: what was asked, in words. ``routes``: those that it is about."""

    about: str
    routes: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def who_can(reviewed: Reviewed, asked: str, *, permission: bool = False) -> Review:
    """Review a route by name, or a permission (``permission``: even if a route has that name). Raises NotFound."""
    route = reviewed.settings.routes.get(asked)
    if route is not None and not permission:
        rows = tuple(row for group in groups(reviewed, [route]) for row in callers(reviewed, group))
        return Review(f"routes.{asked}", (asked,), rows, tuple(_notes(reviewed, [route])))
    demanding = [one for one in reviewed.settings.routes.values() if _demands(one, asked)]
    known = demanding or any(True for _ in reviewed.granting.names_granting(asked)) or _given_directly(reviewed, asked)
    if fault_of_permission(asked) or not known:
        hint = did_you_mean(asked, [*reviewed.settings.routes, *_permissions(reviewed)])
        raise NotFound(f"there is no route {asked!r}, and nothing names such a permission" + (f" ({hint})" if hint else ""))
    rows = tuple(row for group in groups(reviewed, demanding) for row in callers(reviewed, group))
    names = tuple(one.name for one in demanding)
    if not demanding:
        rows = tuple(_having(reviewed, asked))
    notes = [] if demanding else [f"no route demands {asked}: this is who has it"]
    return Review(f"permission {asked}", names, rows, (*notes, *_notes(reviewed, demanding)))


def callers(reviewed: Reviewed, group: Group) -> Iterator[Row]:
    """Give everybody who may use the routes of a group, at least on conditions."""
    weighing = Weighing(reviewed)
    for authenticator, demand in group.demands:
        for holder in candidates(reviewed, authenticator, demand):
            yield from _rows(reviewed, weighing, group, demand, holder)


def candidates(reviewed: Reviewed, authenticator: str, demand: Demand) -> Iterator[Holder]:
    """Give each holder that may make a difference to a demand on callers of one authenticator."""
    if authenticator == ANONYMOUS:
        yield anonymous()
        return
    if authenticator in reviewed.settings.api_keys:
        yield from keys(reviewed, authenticator)
        return
    yield anyone(reviewed, authenticator)
    roles = NOBODY.union(*(clause.roles for clause in demand))
    yield from (holder_of_role(reviewed, authenticator, role) for role in sorted(roles) if reviewed.can_give(authenticator, role))
    direct = sorted({atom.permission for clause in demand for atom in clause.atoms if isinstance(atom, Holds)})
    yield from (holder_of_permission(reviewed, authenticator, name) for name in direct if reviewed.can_claim(authenticator, name))
    yield from persons(reviewed, authenticator)


def _rows(reviewed: Reviewed, weighing: Weighing, group: Group, demand: Demand, holder: Holder) -> Iterator[Row]:
    routes = tuple(name for name in group.routes if not holder.routes or name in holder.routes)
    left = weighing.left(demand, holder) if routes or not group.spots else None
    if left is None or not listed_for(holder, demand, left):
        return
    yield row_of(reviewed, holder, group, left, routes)


def listed_for(holder: Holder, demand: Demand, left: Left) -> bool:
    """Tell whether a holder belongs on the list: it makes a difference, or is the one who stands for everybody."""
    if holder.exact:
        return True
    if holder.kind == "anyone":
        return not any(only_given(clause) for clause in demand)
    return contributes(holder, left)


def only_given(clause: Clause) -> bool:
    """Tell whether only somebody to whom something was given can meet a clause."""
    return all(isinstance(atom, Holds) for atom in clause.atoms)


def _demands(route: RouteSettings, permission: str) -> bool:
    wanted = compile_permissions([permission])
    parts = route.require.parts if route.require is not None else ()
    return any(wanted.grants(value) for keyword, values in parts if keyword in PERMISSIONS for value in values)


def _given_directly(reviewed: Reviewed, permission: str) -> bool:
    return any(given.grants(permission) for given in reviewed.direct.values())


def _permissions(reviewed: Reviewed) -> Iterator[str]:
    for role in reviewed.settings.roles.values():
        yield from role.permissions
    for route in reviewed.settings.routes.values():
        for keyword, values in route.require.parts if route.require is not None else ():
            if keyword in PERMISSIONS:
                yield from values


def _having(reviewed: Reviewed, permission: str) -> Iterator[Row]:
    """Give who has a permission that no route demands."""
    clause = Clause(reviewed.granting.bringing(permission), frozenset({Holds(permission)}), "", (f"permission {permission}",))
    group = Group((), tuple((name, (clause,)) for name in (*reviewed.settings.issuers, *reviewed.settings.api_keys)))
    yield from callers(reviewed, group)


def _notes(reviewed: Reviewed, routes: "list[RouteSettings]") -> Iterator[str]:
    preflights = [route.name for route in routes if route.cors_preflight]
    if preflights:
        yield f"CORS preflights of {', '.join(preflights)} pass without a credential"
    stores = sorted({name for route in routes for name in route.authenticate if name in reviewed.settings.api_keys})
    if stores and not reviewed.with_files:
        yield f"the keys of {', '.join(stores)} were not read"
