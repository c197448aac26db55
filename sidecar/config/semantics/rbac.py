"""``roles`` and ``users``: names that must exist, cycles."""

from collections.abc import Iterator, Mapping

from sidecar.config.convert.place import Place
from sidecar.config.marks import KeyPath, shown
from sidecar.config.suggest import hint_for
from sidecar.model.settings import RoleSettings, Settings


def check_rbac(settings: Settings, place: Place) -> None:
    """Note unknown roles and issuers, and roles that inherit themselves."""
    for role in settings.roles.values():
        for number, parent in enumerate(role.inherits):
            if parent not in settings.roles:
                _unknown_role(settings, parent, ("roles", role.name, "inherits", number), place)
    for cycle in cycles(settings.roles):
        place.wrong(
            ("roles", cycle[0], "inherits"), f"the role inherits itself: {' -> '.join(shown(name) for name in cycle)}", "cut one link"
        )
    for path, number in _grants(settings, place):
        grant = settings.users[number]
        for place_in_list, role_name in enumerate(grant.roles):
            if role_name not in settings.roles:
                _unknown_role(settings, role_name, (*path, "roles", place_in_list), place)
        issuer = settings.issuers.get(grant.issuer)
        if issuer is None:
            hint = hint_for(grant.issuer, settings.issuers, "there are no issuers")
            place.wrong((*path, "match", "issuer"), f"there is no issuer {shown(grant.issuer)!r}", hint)
        elif grant.email is not None and issuer.claims.email is None:
            place.wrong(
                path,
                f"matches an e-mail address, but issuer {grant.issuer!r} maps none",
                f"add email: email to issuers.{grant.issuer}.claims, or match by subject",
            )


def _unknown_role(settings: Settings, name: str, path: KeyPath, place: Place) -> None:
    place.wrong(path, f"there is no role {shown(name)!r}", hint_for(name, settings.roles, "define it under `roles`"))


def _grants(settings: Settings, place: Place) -> Iterator[tuple[KeyPath, int]]:
    """Where each grant stands: the two forms of ``users`` have different key paths."""
    section = place.mark.child("users")
    if section is not None and isinstance(section.children, dict):
        for number, person in enumerate(section.children):
            if number < len(settings.users):
                yield ("users", person), number
    else:
        for number in range(len(settings.users)):
            yield ("users", number), number


def cycles(roles: Mapping[str, RoleSettings]) -> Iterator[tuple[str, ...]]:
    """Give each cycle once, as ``(a, b, a)``; iterative, so that a long chain is no deep recursion."""
    done: set[str] = set()
    for start in roles:
        if start in done:
            continue
        trail: list[str] = [start]
        waiting = [iter(roles[start].inherits)]
        on_trail = {start}
        while waiting:
            following = next(waiting[-1], None)
            if following is None:
                waiting.pop()
                on_trail.discard(trail[-1])
                done.add(trail.pop())
            elif following in on_trail:
                yield (*trail[trail.index(following) :], following)
            elif following in roles and following not in done:
                trail.append(following)
                on_trail.add(following)
                waiting.append(iter(roles[following].inherits))
