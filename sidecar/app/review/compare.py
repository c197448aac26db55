"""``sidecar diff``: what a new configuration opens, closes and changes, worked out from both as compiled."""

from typing import NamedTuple

from sidecar.app.validation import Validated

from .blocks import changes_of
from .changes import ORDER, Change, Effect, Setting, worst
from .details import renamed_routes, route_changes
from .people import changed_people, changes_for, listed_changes
from .sides import Sides
from .surroundings import other_changes
from .trust import trust_changes


class Difference(NamedTuple):
    """All that changes. ``changes``: access to routes; ``settings``: the rest, and what stands behind it."""

    old: str
    new: str
    changes: tuple[Change, ...]
    settings: tuple[Setting, ...]
    notes: tuple[str, ...] = ()

    @property
    def effect(self) -> Effect:
        """The effect that matters most."""
        return worst([*(change.effect for change in self.changes), *(setting.effect for setting in self.settings)])


def compare(sides: Sides) -> Difference:
    """Compare two configurations."""
    people = tuple(changed_people(sides))
    changes = [change for met in sides.met for change in changes_of(sides, met)]
    changes += [change for somebody in people for met in sides.met for change in changes_for(sides, somebody, met)]
    changes += route_changes(sides)
    settings = [*renamed_routes(sides), *trust_changes(sides), *other_changes(sides), *listed_changes(sides)]
    changes.sort(key=lambda change: ORDER.index(change.effect))
    settings.sort(key=lambda setting: ORDER.index(setting.effect))
    notes = () if sides.old.reviewed.with_files else ("key files were not read: changes of API keys are not seen",)
    return Difference(sides.old.reviewed.revision, sides.new.reviewed.revision, tuple(changes), tuple(settings), notes)


def compare_validated(old: Validated, new: Validated, paths: tuple[str, str], wall: float, *, with_files: bool = True) -> Difference:
    """Compare two validated configurations at a moment, in seconds since the epoch."""
    return compare(Sides(old, new, paths, wall, with_files=with_files))
