"""Access before and after for all holders of one kind at once: roles that make the same difference are compared as one."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .atoms import Holds, Leaf
from .changes import Change, Effect, effect_between, effect_of, state_of
from .demand import Clause, Demand, follows
from .grants import NOBODY
from .holders import Holder, anonymous, anyone, holder_of_permission, holder_of_role
from .reviewed import ANONYMOUS, Reviewed
from .sides import Caller, Met, Side, Sides
from .verdicts import Left, contributes
from .whocan import only_given


class Compared(NamedTuple):
    """What becomes of some holders' access."""

    who: tuple[str, ...]
    before: Left | None
    after: Left | None
    effect: Effect


def changes_of(sides: Sides, met: Met) -> Iterator[Change]:
    """Give what changes on routes that meet, for everybody but persons and keys that are themselves changed."""
    old, new = met.old or {}, met.new or {}
    for caller in dict.fromkeys((*old, *new)):
        before, after = old.get(caller), new.get(caller)
        if before is after and not _gives_otherwise(sides, caller):
            continue
        for one in compared(sides, caller, before, after):
            yield Change(one.effect, "access", one.who, met.routes, met.places, state_of(one.before), state_of(one.after))


def _gives_otherwise(sides: Sides, caller: Caller) -> bool:
    """Whether callers can have other roles or permissions than before."""
    old, new = sides.old.names.get(caller, ""), sides.new.names.get(caller, "")
    if caller[0] == ANONYMOUS:
        return False
    if old != new:
        return True  # new, gone, or under another name, which conditions may look at
    one, other = sides.old.reviewed, sides.new.reviewed
    claims = [
        side.settings.issuers[name].claims.permissions if caller[0] == "issuer" else None for side, name in ((one, old), (other, new))
    ]
    return sides.obtainable(sides.old, caller) != sides.obtainable(sides.new, caller) or claims[0] != claims[1]


def compared(sides: Sides, caller: Caller, before: Demand | None, after: Demand | None) -> list[Compared]:
    """Compare two demands on callers of one authenticator; None: it is not accepted."""
    found = [one for one in _blocks(sides, caller, before, after) if one.effect != "none"]
    opening = any(one.effect in {"opens", "changes"} for one in found)
    if before is not None and after is not None and not opening and not follows(after, before):
        # Nobody with one role alone gains by it; somebody with several could.
        effect = effect_between(before, after)
        who = (f"callers of {caller[1]} with more than one of these",)
        found.append(Compared(who, Left(before, ()), Left(after, ()), effect))
    return found


def _blocks(sides: Sides, caller: Caller, before: Demand | None, after: Demand | None) -> Iterator[Compared]:
    if caller[0] == ANONYMOUS:
        yield _compare(sides, before, after, ("anonymous callers",), lambda _: anonymous())
        return
    name = sides.new.names.get(caller) or sides.old.names[caller]
    yield _compare(sides, before, after, (f"any caller of {name}",), lambda side: _in(side, caller, anyone))
    clauses = (*(before or ()), *(after or ()))
    for roles in _alike(sides, caller, clauses):
        role = min(roles)
        who = sides.of_roles(roles, name)
        yield _compare(sides, before, after, who, lambda side, role=role: _of_role(sides, side, caller, role))  # type: ignore[misc]  # a default
    for permission in sorted({atom.permission for clause in clauses for atom in clause.atoms if isinstance(atom, Holds)}):
        who = (f"callers of {name} with permission {permission} given directly",)
        yield _compare(sides, before, after, who, lambda side, given=permission: _of_permission(sides, side, caller, given))  # type: ignore[misc]


def _compare(
    sides: Sides, before: Demand | None, after: Demand | None, who: tuple[str, ...], holder: Callable[[Side], Holder | None]
) -> Compared:
    one, other = _left(sides.old, before, holder(sides.old)), _left(sides.new, after, holder(sides.new))
    return Compared(who, one, other, effect_of(one, other))


def _left(side: Side, demand: Demand | None, holder: Holder | None) -> Left | None:
    """What is left for a holder that makes a difference; None for one that makes none."""
    if demand is None or holder is None:
        return None
    left = side.weighing.left(demand, holder)
    if left is None or holder.exact:
        return left
    if holder.kind == "anyone":
        return None if any(only_given(clause) for clause in demand) else left
    return left if contributes(holder, left) else None


def _in(side: Side, caller: Caller, make: Callable[[Reviewed, str], Holder]) -> Holder | None:
    name = side.names.get(caller)
    return None if name is None else make(side.reviewed, name)


def _of_role(sides: Sides, side: Side, caller: Caller, role: str) -> Holder | None:
    name = side.names.get(caller)
    if name is None:
        return None
    roles = sides.obtainable(side, caller)
    return holder_of_role(side.reviewed, name, role) if roles is None or role in roles else None


def _of_permission(sides: Sides, side: Side, caller: Caller, permission: str) -> Holder | None:
    name = side.names.get(caller)
    if name is None:
        return None
    possible = side.reviewed.can_claim(name, permission) or sides.given_directly(caller, permission)
    return holder_of_permission(side.reviewed, name, permission) if possible else None


def _alike(sides: Sides, caller: Caller, clauses: tuple[Clause, ...]) -> Iterator[frozenset[str]]:
    """Part the roles that any clause names into those that make no different difference."""
    named = NOBODY.union(*(clause.roles for clause in clauses))
    blocks = [named] if named else []
    cuts = list({id(clause.roles): clause.roles for clause in clauses if clause.roles}.values())
    cuts += [atom.roles for clause in clauses for atom in clause.atoms if isinstance(atom, Leaf) and atom.roles]
    for side in (sides.old, sides.new):
        obtainable = sides.obtainable(side, caller)
        if obtainable is not None:
            cuts.append(obtainable)
    for cut in cuts:
        blocks = [part for block in blocks for part in ((block & cut, block - cut) if not block <= cut else (block,)) if part]
    yield from blocks
