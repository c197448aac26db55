"""``sidecar access``: everything that one principal may do, and how it comes by it."""

from collections.abc import Iterator

from sidecar.config.suggest import did_you_mean, listed
from sidecar.model.settings import UserGrant

from .atoms import time_text
from .demand import Demand
from .holders import Holder, anonymous, holder_of_role, key, person
from .reviewed import ANONYMOUS, Reviewed
from .rows import Row, groups, row_of
from .verdicts import Left, Weighing, contributes
from .whocan import NotFound, Review, only_given

FORMS = "write ISSUER:SUBJECT, ISSUER:EMAIL, key:STORE/ID, role:NAME or anonymous"


def access(reviewed: Reviewed, principal: str) -> Review:
    """Review what a principal may do. Raises NotFound."""
    holders = tuple(_holders(reviewed, principal))
    rows = tuple(_rows(reviewed, holders))
    routes = tuple(dict.fromkeys(name for row in rows for name in row.routes))
    return Review(principal, routes, rows, tuple(_notes(reviewed, principal, holders)))


def _holders(reviewed: Reviewed, principal: str) -> Iterator[Holder]:
    kind, colon, name = principal.partition(":")
    settings = reviewed.settings
    if principal == ANONYMOUS:
        yield anonymous()
    elif colon and kind == "key":
        yield _key(reviewed, name)
    elif colon and kind == "role":
        yield from _of_role(reviewed, name)
    elif colon and name and kind in settings.issuers:
        yield person(reviewed, kind, name)
    else:
        hint = did_you_mean(kind, [*settings.issuers, "key", "role"]) if colon else ""
        raise NotFound(f"{principal!r} is no principal: {hint or FORMS}" + (f"; issuers are {listed(settings.issuers)}" if colon else ""))


def _key(reviewed: Reviewed, name: str) -> Holder:
    store, slash, key_id = name.partition("/")
    if not slash or store not in reviewed.settings.api_keys:
        raise NotFound(f"there is no key store {store!r}: write key:STORE/ID; stores are {listed(reviewed.settings.api_keys)}")
    if not reviewed.with_files:
        raise NotFound(f"the keys of {store} were not read, so nothing is known of {key_id!r}")
    entries = {entry.id: entry for entry in reviewed.keys.get(store, ())}
    if key_id not in entries:
        hint = did_you_mean(key_id, entries)
        raise NotFound(f"there is no key {key_id!r} in {store}" + (f" ({hint})" if hint else ""))
    return key(reviewed, store, entries[key_id])


def _of_role(reviewed: Reviewed, role: str) -> Iterator[Holder]:
    """Give a holder for each authenticator whose callers can have the role."""
    settings = reviewed.settings
    authenticators = (*settings.issuers, *settings.api_keys)
    able = [name for name in authenticators if (roles := reviewed.obtainable(name)) is None or role in roles]
    named = role in settings.roles or any(role in (reviewed.obtainable(name) or ()) for name in authenticators)
    if not named and not any(role in values for route in settings.routes.values() if route.require for _, values in route.require.parts):
        hint = did_you_mean(role, settings.roles)
        raise NotFound(f"there is no role {role!r}" + (f" ({hint})" if hint else ""))
    yield from (holder_of_role(reviewed, name, role) for name in able)


def _rows(reviewed: Reviewed, holders: tuple[Holder, ...]) -> Iterator[Row]:
    weighing = Weighing(reviewed)
    for group in groups(reviewed, reviewed.settings.routes.values()):
        demands = dict(group.demands)
        for holder in holders:
            demand = demands.get(holder.authenticator or ANONYMOUS)
            routes = tuple(name for name in group.routes if not holder.routes or name in holder.routes)
            if demand is None or not routes:
                continue
            left = weighing.left(demand, holder)
            if left is not None and (holder.kind != "role" or _matters(holder, demand, left)):
                yield row_of(reviewed, holder, group, left, routes)


def _matters(holder: Holder, demand: Demand, left: Left) -> bool:
    """Of a role: that it makes a difference, or that no role is needed."""
    return contributes(holder, left) or not any(only_given(clause) for clause in demand)


def _notes(reviewed: Reviewed, principal: str, holders: tuple[Holder, ...]) -> Iterator[str]:
    for holder in holders:
        if holder.state:
            yield f"{holder.label} is {holder.state}"
        if holder.kind == "user" and not holder.given:
            yield f"`users` gives {principal} nothing: all of this is what any caller of {holder.authenticator} may do"
        if holder.kind == "user":
            yield "what the token itself carries is not known here: where access hinges on that, it says so"
        for grant in holder.given:
            held = [*(f"role {role}" for role in grant.roles), *(f"permission {name}" for name in grant.permissions)]
            yield f"granted: {', '.join(held)}{_times(grant)}"
    if principal.startswith("role:"):
        if not holders:
            yield "nobody can have this role"
        yield from _carriers(reviewed, principal.removeprefix("role:"))


def _times(grant: UserGrant) -> str:
    since = f" from {time_text(grant.not_before)}" if grant.not_before is not None else ""
    return since + (f" until {time_text(grant.expires_at)}" if grant.expires_at is not None else "")


def _carriers(reviewed: Reviewed, role: str) -> Iterator[str]:
    """Say who is known to have a role, or what can give it."""
    wanted = reviewed.granting.standing_for(role)
    for issuer in reviewed.settings.issuers:
        roles = reviewed.givable(issuer)
        if roles is None:
            yield f"held by whoever has it in a token of {issuer}, which may carry any role"
        elif given := roles & wanted:
            carried = f"{'one of ' if len(given) > 1 else ''}{', '.join(sorted(given))}"
            yield f"held by whoever has {carried} in a token of {issuer}, as its allow-list says"
        names = [grant.subject or grant.email or "" for grant in reviewed.grants.get(issuer, ()) if not wanted.isdisjoint(grant.roles)]
        if names:
            yield f"given by `users` to {', '.join(f'{issuer}:{name}' for name in dict.fromkeys(names))}"
    for store, entries in reviewed.keys.items():
        ids = [entry.id for entry in entries if not wanted.isdisjoint(entry.roles) and entry.live(reviewed.wall)]
        if ids:
            yield f"held by the keys {', '.join(f'key:{store}/{one}' for one in ids)}"
