"""Persons of ``users`` and API keys that are not what they were, and what becomes of their access."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sidecar.model.key_entry import Digest, KeyEntry
from sidecar.model.settings import UserGrant

from .atoms import Ends, time_text
from .changes import Change, Effect, Setting, State, effect_of, state_of
from .demand import Demand
from .grants import NOBODY
from .holders import Holder, key, person
from .reviewed import Reviewed
from .sides import Caller, Met, Side, Sides, names_of
from .verdicts import Left, meets

NO_DIGEST = Digest(None, b"")


class Somebody(NamedTuple):
    """A person or a key before and after; None: not there. ``gained``, ``lost``: what of grants ends later, or sooner."""

    caller: Caller
    label: str
    old: Holder | None
    new: Holder | None
    gained: tuple[Holder, ...] = ()
    lost: tuple[Holder, ...] = ()


def changed_people(sides: Sides) -> Iterator[Somebody]:
    """Give everybody whose own entry changed, or whose key is confined to a route that has become another."""
    yield from _changed_persons(sides)
    yield from _changed_keys(sides)


def _changed_persons(sides: Sides) -> Iterator[Somebody]:
    for caller in sides.callers():
        if caller[0] != "issuer":
            continue
        old, new = _grants(sides.old, caller), _grants(sides.new, caller)
        for name in dict.fromkeys((*old, *new)):
            before, after = old.get(name, ()), new.get(name, ())
            if before != after:
                issuer = sides.new.names.get(caller) or sides.old.names[caller]
                yield Somebody(
                    caller,
                    f"{issuer}:{name}",
                    _person(sides.old, caller, name),
                    _person(sides.new, caller, name),
                    tuple(_only(sides.new, caller, grant) for grant in after if not any(_covers(one, grant) for one in before)),
                    tuple(_only(sides.old, caller, grant) for grant in before if not any(_covers(one, grant) for one in after)),
                )


def _grants(side: Side, caller: Caller) -> dict[str, tuple[UserGrant, ...]]:
    """Grants of the people whom an issuer vouches for, whatever the issuer is called."""
    found: dict[str, list[UserGrant]] = {}
    for grant in side.reviewed.grants.get(side.names.get(caller, ""), ()):
        found.setdefault(grant.subject or grant.email or "", []).append(replace(grant, issuer=""))
    return {name: tuple(grants) for name, grants in found.items()}


def _covers(one: UserGrant, other: UserGrant) -> bool:
    """Whether ``one`` gives all that ``other`` does, for as long."""
    starts = (one.not_before or 0.0) <= (other.not_before or 0.0)
    ends = one.expires_at is None or (other.expires_at is not None and other.expires_at <= one.expires_at)
    same = (one.subject, one.email) == (other.subject, other.email)
    return same and starts and ends and set(other.roles) <= set(one.roles) and set(other.permissions) <= set(one.permissions)


def _person(side: Side, caller: Caller, name: str) -> Holder | None:
    issuer = side.names.get(caller)
    return None if issuer is None else person(side.reviewed, issuer, name)


def _only(side: Side, caller: Caller, grant: UserGrant) -> Holder:
    """Somebody with this grant alone."""
    whole = person(side.reviewed, side.names[caller], grant.subject or grant.email or "")
    permissions = side.reviewed.granting.permissions((), grant.permissions)
    return replace(whole, roles=frozenset(grant.roles), permissions=permissions, later=(), since=grant.not_before, until=grant.expires_at)


def _changed_keys(sides: Sides) -> Iterator[Somebody]:
    moved = {name for meeting in sides.meetings for name in names_of(meeting) if len(set(names_of(meeting))) > 1}
    for store in dict.fromkeys((*sides.old.reviewed.keys, *sides.new.reviewed.keys)):
        old, new = ({entry.id: entry for entry in side.reviewed.keys.get(store, ())} for side in (sides.old, sides.new))
        for key_id in dict.fromkeys((*old, *new)):
            before, after = old.get(key_id), new.get(key_id)
            confined = {*(before.routes if before else ()), *(after.routes if after else ())}
            if _of_key(before) != _of_key(after) or not moved.isdisjoint(confined):
                label = f"key:{store}/{key_id}"
                yield Somebody(("store", store), label, _key(sides.old, store, before), _key(sides.new, store, after))


def _of_key(entry: KeyEntry | None) -> KeyEntry | None:
    """All of an entry but the secret's digest."""
    return None if entry is None else replace(entry, digest=NO_DIGEST)


def _key(side: Side, store: str, entry: KeyEntry | None) -> Holder | None:
    if entry is None or ("store", store) not in side.names:
        return None
    holder = key(side.reviewed, store, entry)
    ends = (Ends(entry.expires_at),) if entry.expires_at is not None else ()
    return replace(holder, hinges=(*holder.hinges, *ends))


def changes_for(sides: Sides, somebody: Somebody, met: Met) -> Iterator[Change]:
    """Give what changes for a person or a key on routes that meet."""
    old, new = (met.old or {}).get(somebody.caller), (met.new or {}).get(somebody.caller)
    if old is None and new is None:
        return
    for part, admitted in _parts(somebody, met):
        before = _left(sides.old, old, somebody.old if admitted[0] else None)
        after = _left(sides.new, new, somebody.new if admitted[1] else None)
        effect = effect_of(before, after)
        if effect == "none" and before is not None and after is not None:
            effect = _of_times(somebody, old, new)
        if effect != "none":
            states = _with_times(somebody.old, state_of(before)), _with_times(somebody.new, state_of(after))
            yield Change(effect, "access", (somebody.label,), part.routes, part.places, *states)


def _parts(somebody: Somebody, met: Met) -> Iterator[tuple[Met, tuple[bool, bool]]]:
    """Part the routes by whether a key that is confined to some counts there."""
    confined = [holder.routes if holder is not None else NOBODY for holder in (somebody.old, somebody.new)]
    if not any(confined):
        yield met, (True, True)
        return
    found: dict[tuple[bool, bool], Met] = {}
    for meeting in met.meetings:
        counts = [not routes or name in routes for routes, name in zip(confined, names_of(meeting), strict=True)]
        found.setdefault((counts[0], counts[1]), met.part([])).meetings.append(meeting)
    yield from ((part, admitted) for admitted, part in found.items())


def _left(side: Side, demand: Demand | None, holder: Holder | None) -> Left | None:
    return None if demand is None or holder is None else side.weighing.left(demand, holder)


def _of_times(somebody: Somebody, old: Demand | None, new: Demand | None) -> Effect:
    """What becomes of access that hinges on the same and begins or ends at another time."""
    if any(meets(holder, clause) for holder in somebody.gained for clause in new or ()):
        return "opens"
    return "closes" if any(meets(holder, clause) for holder in somebody.lost for clause in old or ()) else "none"


def _with_times(holder: Holder | None, state: State) -> State:
    if holder is None or state.verdict == "never" or not holder.validity:
        return state
    return State(state.verdict, tuple(dict.fromkeys((*state.conditions, holder.validity))))


def listed_changes(sides: Sides) -> Iterator[Setting]:
    """Say what of ``users`` and of key files changed, whatever comes of it."""
    for caller in sides.callers():
        if caller[0] == "issuer":
            old, new = _grants(sides.old, caller), _grants(sides.new, caller)
            for name in dict.fromkeys((*old, *new)):
                if old.get(name) != new.get(name):
                    issuer = sides.new.names.get(caller) or sides.old.names[caller]
                    yield Setting("none", "users", f"{issuer}:{name}", _said(old.get(name, ())), _said(new.get(name, ())))
    yield from _listed_keys(sides.old.reviewed, sides.new.reviewed)


def _listed_keys(old: Reviewed, new: Reviewed) -> Iterator[Setting]:
    for store in dict.fromkeys((*old.keys, *new.keys)):
        before, after = ({entry.id: entry for entry in side.keys.get(store, ())} for side in (old, new))
        for key_id in dict.fromkeys((*before, *after)):
            one, other = before.get(key_id), after.get(key_id)
            if one != other:
                rotated = one is not None and other is not None and one.digest != other.digest
                words = _entry(other) + (", another secret" if rotated else "")
                yield Setting("none", "api_keys", f"key:{store}/{key_id}", _entry(one), words)


def _said(grants: tuple[UserGrant, ...]) -> str:
    return "; ".join(map(_grant_text, grants))


def _grant_text(grant: UserGrant) -> str:
    parts = [*(f"role {role}" for role in grant.roles), *(f"permission {name}" for name in grant.permissions)]
    since = f" from {time_text(grant.not_before)}" if grant.not_before is not None else ""
    until = f" until {time_text(grant.expires_at)}" if grant.expires_at is not None else ""
    return ", ".join(parts) + since + until


def _entry(entry: KeyEntry | None) -> str:
    if entry is None:
        return ""
    names = ("owner", "roles", "permissions", "scopes", "routes", "cidrs")
    given = {name: value for name in names if (value := getattr(entry, name))}
    words = [f"{name} {value if isinstance(value, str) else ', '.join(value)}" for name, value in given.items()]
    words += [f"from {time_text(entry.not_before)}"] if entry.not_before is not None else []
    words += [f"until {time_text(entry.expires_at)}"] if entry.expires_at is not None else []
    return "; ".join([*words, *(["revoked"] if entry.revoked else [])]) or "without any grant"
