"""What changes between two configurations, in values for printing."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from .demand import Clause, follows
from .verdicts import Left, Verdict, conditions, verdict_of

Effect: TypeAlias = Literal["opens", "closes", "changes", "none"]
"""``changes``: the conditions differ, and neither set can be shown to imply the other; so it may open, and counts as if it did."""
ORDER: tuple[Effect, ...] = ("opens", "changes", "closes", "none")
OPENING: frozenset[Effect] = frozenset({"opens", "changes"})


class State(NamedTuple):
    """One side of a change: the verdict and what it depends on."""

    verdict: Verdict
    conditions: tuple[str, ...] = ()


class Change(NamedTuple):
    """Access that is not what it was. ``routes``: (old name, new name), an empty one where there is none.

    ``who``: all those of whom the same is true; ``about``: what of a route changes, access or something that bears on it.
    """

    effect: Effect
    about: str
    who: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    places: tuple[str, ...]
    before: State
    after: State


class Setting(NamedTuple):
    """A setting outside of routes that bears on access, or on what upstreams are told."""

    effect: Effect
    section: str
    key: str
    before: str
    after: str


def effect_of(before: Left | None, after: Left | None) -> Effect:
    """Tell what becomes of access for one holder, or all of one kind."""
    if before is None or after is None:
        return "none" if before is after else "opens" if before is None else "closes"
    return effect_between(before.clauses, after.clauses)


def effect_between(before: Iterable[Clause], after: Iterable[Clause]) -> Effect:
    """Tell the same of what has to hold before and after."""
    before, after = tuple(before), tuple(after)
    narrower, wider = follows(after, before), follows(before, after)
    if narrower:
        return "none" if wider else "closes"
    return "opens" if wider else "changes"


def state_of(left: Left | None) -> State:
    """Describe one side."""
    return State(verdict_of(left), tuple(conditions(left.clauses)) if left is not None else ())


def worst(effects: Iterable[Effect]) -> Effect:
    """Return the effect that matters most."""
    return min(effects, key=ORDER.index, default="none")
