"""What changes about routes besides who may use them: their names, path features, preflights, credentials at once."""

from collections.abc import Iterator

from sidecar.model.settings import RouteSettings

from .changes import Change, Effect, Setting, State
from .sides import Sides, names_of
from .space import Meeting

ALWAYS, NEVER = State("always"), State("never")
CALLERS = ("whoever may use the route",)


def route_changes(sides: Sides) -> Iterator[Change]:
    """Give what bears on access and is the same for all callers of a route; alike ones as one."""
    found: dict[tuple[object, ...], list[Change]] = {}
    for meeting in sides.meetings:
        for change in _changes(meeting):
            found.setdefault((change.effect, change.about, change.who, change.before, change.after), []).append(change)
    for several in found.values():
        routes = tuple(dict.fromkeys(change.routes[0] for change in several))
        yield several[0]._replace(routes=routes, places=tuple(change.places[0] for change in several))


def _changes(meeting: Meeting) -> Iterator[Change]:
    names, place = (names_of(meeting),), (meeting.place,)
    old, new = (spot.route if spot is not None else None for spot in (meeting.old, meeting.new))
    if meeting.preflight and (old is None) is not (new is None):
        effect: Effect = "opens" if old is None else "closes"
        states = (NEVER, ALWAYS) if old is None else (ALWAYS, NEVER)
        name = names[0][0] or names[0][1]
        yield Change(effect, "preflight", ("CORS preflights, without a credential",), ((name, name),), place, *states)
    if old is None or new is None:
        return
    if old.allow != new.allow:
        effect = "opens" if new.allow - old.allow else "closes"
        yield Change(effect, "path", CALLERS, names, place, _allows(old), _allows(new))
    if old.credential_conflict_first != new.credential_conflict_first and not meeting.preflight:
        effect = "opens" if new.credential_conflict_first else "closes"
        states = _conflict(old), _conflict(new)
        yield Change(effect, "credentials", CALLERS, names, place, *states)


def _allows(route: RouteSettings) -> State:
    return State("depends", (f"path features admitted: {', '.join(sorted(route.allow)) or 'none'}",))


def _conflict(route: RouteSettings) -> State:
    words = "two credentials at once: the first counts" if route.credential_conflict_first else "two credentials at once: refused"
    return State("depends", (words,))


def renamed_routes(sides: Sides) -> Iterator[Setting]:
    """Give routes that are new, gone, or reached by what another one was reached by."""
    old_names, new_names = sides.old.reviewed.settings.routes, sides.new.reviewed.settings.routes
    after: dict[str, dict[str, None]] = {name: {} for name in old_names}
    before: dict[str, dict[str, None]] = {name: {} for name in new_names}
    for meeting in sides.meetings:
        one, other = names_of(meeting)
        if one:
            after[one][other] = None
        if other:
            before[other][one] = None
    for name, found in after.items():
        others = [other for other in found if other]
        if not others:
            yield Setting("none", "routes", name, "reached", "gone: what reached it reaches no route")
        elif others != [name] or "" in found:
            yield Setting("none", "routes", name, "reached", f"in its place: {', '.join(other or 'no route' for other in found)}")
    for name, found in before.items():
        others = [other for other in found if other]
        if not others:
            yield Setting("none", "routes", name, "", "new: what reaches it reached no route")
        elif name not in old_names:
            yield Setting("none", "routes", name, "", f"new: in the place of {', '.join(other or 'no route' for other in found)}")
