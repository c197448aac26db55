"""The two configurations of a comparison, and routes that meet, grouped by what they demand before and after."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from sidecar.app.validation import Validated

from .demand import Demand
from .grants import NOBODY, Granting
from .reviewed import ANONYMOUS, Reviewed
from .rows import Spot
from .space import Meeting, all_meetings
from .verdicts import Weighing

Caller: TypeAlias = tuple[str, str]
"""Who vouches, the same in both configurations whatever it is called there: ``("issuer", iss)``, ``("store", name)``."""


class Side:
    """One of the two."""

    def __init__(self, reviewed: Reviewed) -> None:
        """Take the configuration."""
        self.reviewed = reviewed
        self.weighing = Weighing(reviewed)
        self.names: dict[Caller, str] = {("issuer", one.issuer): name for name, one in reviewed.settings.issuers.items()}
        self.names |= {("store", name): name for name in reviewed.settings.api_keys}
        self.names[ANONYMOUS, ""] = ANONYMOUS
        self.callers = {name: caller for caller, name in self.names.items()}

    def demands(self, spot: Spot) -> dict[Caller, Demand]:
        """Return what a route demands, by who vouches for the caller."""
        return {self.callers[name]: self.reviewed.demand(spot.route, spot.pattern, name) for name in spot.route.authenticate}


@dataclass(slots=True, eq=False)
class Met:
    """Routes that meet and demand the same: ``old`` before, ``new`` after; None where no route is reached."""

    old: dict[Caller, Demand] | None
    new: dict[Caller, Demand] | None
    meetings: list[Meeting] = field(default_factory=list)

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """(old name, new name), each once."""
        return tuple(dict.fromkeys(map(names_of, self.meetings)))

    @property
    def places(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(meeting.place for meeting in self.meetings))

    def part(self, meetings_of_part: list[Meeting]) -> "Met":
        """Return the same for some of the meetings."""
        return Met(self.old, self.new, meetings_of_part)


def names_of(meeting: Meeting) -> tuple[str, str]:
    """Names of the routes that meet."""
    return meeting.old.route.name if meeting.old is not None else "", meeting.new.route.name if meeting.new is not None else ""


class Sides:
    """Both configurations, made so that what is equal in them is one object."""

    def __init__(self, old: Validated, new: Validated, paths: tuple[str, str], wall: float, *, with_files: bool = True) -> None:
        """``wall``: seconds since the epoch; grants that are over then count for nothing."""
        shared: dict[object, Demand] = {}
        same_roles = old.settings.roles == new.settings.roles
        granting = Granting(old.settings.roles) if same_roles else None
        # What user.role and user.permissions say hinges on ``users`` and key files, too; who has what there is compared for itself.
        tokens = ("roles", "roles") if same_roles else ("old roles", "new roles")
        self.old, self.new = (
            Side(Reviewed(one, path, wall, with_files=with_files, roles_token=token, shared=shared, granting=granting))
            for one, path, token in zip((old, new), paths, tokens, strict=True)
        )
        self.wall = wall
        self._labels: dict[tuple[frozenset[str], str], tuple[str, ...]] = {}

    @cached_property
    def meetings(self) -> tuple[Meeting, ...]:
        """Every pair of routes that some request reaches."""
        return tuple(all_meetings(self.old.reviewed.settings, self.new.reviewed.settings))

    @cached_property
    def met(self) -> tuple[Met, ...]:
        """The same, grouped by what is demanded; without preflights."""
        found: dict[tuple[object, object], Met] = {}
        for meeting in self.meetings:
            if meeting.preflight:
                continue
            old = self.old.demands(meeting.old) if meeting.old is not None else None
            new = self.new.demands(meeting.new) if meeting.new is not None else None
            found.setdefault((_key(old), _key(new)), Met(old, new)).meetings.append(meeting)
        return tuple(found.values())

    def obtainable(self, side: Side, caller: Caller) -> frozenset[str] | None:
        """Return the roles that callers may have under one of the two; None: any.

        What persons and keys are given is taken from both: those whose own entry changed are compared one by one.
        """
        name = side.names.get(caller)
        if name is None:
            return NOBODY
        found = side.reviewed.givable(name) if caller[0] == "issuer" else NOBODY if side.reviewed.with_files else None
        if found is None:
            return None
        for other in (self.old, self.new):
            issuer = other.names.get(caller, "")
            found = found.union(role for grant in other.reviewed.grants.get(issuer, ()) for role in grant.roles)
            found = found.union(role for entry in other.reviewed.keys.get(issuer, ()) for role in entry.roles)
        return found

    def given_directly(self, caller: Caller, permission: str) -> bool:
        """Tell whether a person or a key of either has a permission by itself."""
        both = (side.reviewed.direct.get(side.names.get(caller, "")) for side in (self.old, self.new))
        return any(given is not None and given.grants(permission) for given in both)

    def of_roles(self, roles: frozenset[str], authenticator: str) -> tuple[str, ...]:
        """Name the holders of roles, each once."""
        known = self._labels.get((roles, authenticator))
        if known is None:
            known = self._labels[roles, authenticator] = tuple(f"role:{role} of {authenticator}" for role in sorted(roles))
        return known

    def callers(self) -> Iterator[Caller]:
        """Give everybody who vouches in either."""
        yield from dict.fromkeys((*self.old.names, *self.new.names))


def _key(demands: dict[Caller, Demand] | None) -> object:
    return None if demands is None else frozenset((caller, id(demand)) for caller, demand in demands.items())
