"""``sidecar diff --records``: recorded decisions under both configurations, and every one that comes out otherwise."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from .atoms import Holds
from .changes import ORDER, Effect
from .deciding import Carried, Decided, Decider
from .demand import Clause
from .grants import NOBODY
from .recorded import Recorded, Unread
from .sides import Side, Sides

MAX_SINGLES = 4
"""Things that a token may have carried of which every set is tried; of more, each one and all together."""
UNKNOWN = "what the record does not keep"


class Otherwise(NamedTuple):
    """Recorded requests that are decided otherwise. ``times``: how many; ``example``: the id of one."""

    effect: Effect
    times: int
    caller: str
    method: str
    host: str
    path: str
    before: str
    after: str
    hinges: str
    example: str


class Replay(NamedTuple):
    """``counts`` by outcome; ``left_out`` by why records could not be decided again."""

    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    changes: tuple[Otherwise, ...]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Of every change."""
        return tuple(change.effect for change in self.changes)


class _Answer(NamedTuple):
    effect: Effect
    before: str
    after: str
    hinges: str
    reproduced: bool


def replay(sides: Sides, records: Iterable[Recorded | Unread]) -> Replay:
    """Decide records again under both."""
    replaying = _Replaying(sides)
    counts, left_out = Counter[str](), Counter[str]()
    found: dict[tuple[str, ...], tuple[_Answer, Recorded, int]] = {}
    for record in records:
        counts["records"] += 1
        if isinstance(record, Unread):
            left_out[record.why] += 1
            continue
        answer = replaying.answer(record)
        counts[answer.effect if answer.effect != "none" else "unchanged"] += 1
        if not answer.reproduced:
            counts["not as OLD decides"] += 1
        if answer.effect != "none":
            key = (record.caller, record.method, record.host, record.path, answer.before, answer.after)
            known = found.get(key)
            found[key] = (answer, record, known[2] + 1 if known is not None else 1)
    changes = [
        Otherwise(
            answer.effect, count, one.caller, one.method, one.host, one.path, answer.before, answer.after, answer.hinges, one.decision_id
        )
        for answer, one, count in found.values()
    ]
    changes.sort(key=lambda change: (ORDER.index(change.effect), -change.times))
    return Replay(dict(counts), dict(left_out), tuple(changes))


class _Replaying:
    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._old, self._new = Decider(sides.old.reviewed), Decider(sides.new.reviewed)
        self._known: dict[tuple[object, ...], _Answer] = {}

    def answer(self, recorded: Recorded) -> _Answer:
        """Compare what comes out; alike records have one answer."""
        key = recorded.situation
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._answer(recorded)
        return known

    def _answer(self, recorded: Recorded) -> _Answer:
        context = self._old.context_of(recorded.route)
        if not recorded.authenticator and not recorded.route:
            return self._routed(recorded, context)
        tried = [
            (self._old.decide(recorded, carried, context), self._new.decide(recorded, carried, context))
            for carried in self._possible(recorded)
        ]
        expected = "allow" if recorded.allowed else "deny"
        fitting = [both for both in tried if both[0].outcome in {expected, "open"}]
        alike = self._demanded(self._sides.old, self._old, recorded) == self._demanded(self._sides.new, self._new, recorded)
        return _judge(recorded, fitting or tried, reproduced=bool(fitting), alike=alike)

    def _demanded(self, side: Side, decider: Decider, recorded: Recorded) -> frozenset[object]:
        return frozenset(clause.key for clause in self._clauses(side, decider, recorded))

    def _routed(self, recorded: Recorded, context: Mapping[str, str]) -> _Answer:
        """A request that reached no route: nothing is known of its caller."""
        nothing = Carried(NOBODY, NOBODY, generous=False)
        before, after = self._old.decide(recorded, nothing, context), self._new.decide(recorded, nothing, context)
        same = not after.route or after.route == before.route
        effect: Effect = "none" if same and after.outcome != "allow" else "opens" if after.outcome == "allow" else "changes"
        hinges = "who the caller is" if effect == "changes" else ""
        text = after.text if effect != "changes" else f"reaches routes.{after.route}"
        return _Answer(effect, f"deny: {recorded.reason}", text, hinges, not before.route)

    def _possible(self, recorded: Recorded) -> Iterator[Carried]:
        """Give whatever the caller's token may have carried that makes a difference; of keys and of nobody, nothing is unknown."""
        if recorded.key_id or not recorded.authenticator:
            yield Carried(NOBODY, NOBODY, generous=False)
            return
        things = self._things(recorded)
        sizes = range(len(things) + 1) if len(things) <= MAX_SINGLES else (0, 1, len(things))
        for size in sizes:
            for chosen in combinations(things, size):
                roles = frozenset(name for kind, name in chosen if kind == "role")
                permissions = frozenset(name for kind, name in chosen if kind == "permission")
                for generous in (False, True):
                    yield Carried(roles, permissions, generous)

    def _things(self, recorded: Recorded) -> list[tuple[str, str]]:
        """One of each kind of roles that make no different difference on the routes that the record may be about."""
        clauses = [*self._clauses(self._sides.old, self._old, recorded), *self._clauses(self._sides.new, self._new, recorded)]
        blocks = [NOBODY.union(*(clause.roles for clause in clauses))]
        for clause in clauses:
            blocks = [part for block in blocks for part in (block & clause.roles, block - clause.roles) if part]
        direct = sorted({atom.permission for clause in clauses for atom in clause.atoms if isinstance(atom, Holds)})
        carriers = [(decider, name) for decider in (self._old, self._new) if (name := decider.issuer_of(recorded)) is not None]
        roles = [min(given) for block in blocks if (given := _givable(block, carriers))]
        able = [name for name in direct if any(decider.reviewed.can_claim(issuer, name) for decider, issuer in carriers)]
        return [*(("role", role) for role in sorted(roles)), *(("permission", name) for name in able)]

    @staticmethod
    def _clauses(side: Side, decider: Decider, recorded: Recorded) -> Iterator[Clause]:
        """Give what the route demands that the request reaches."""
        reached = decider.decide(recorded, Carried(NOBODY, NOBODY, generous=False), decider.context_of(recorded.route)).route
        route, name = side.reviewed.settings.routes.get(reached), decider.authenticator_of(recorded)
        if route is not None and name in route.authenticate:
            for pattern in route.paths:
                yield from side.reviewed.demand(route, pattern, name)


def _givable(block: frozenset[str], carriers: "list[tuple[Decider, str]]") -> list[str]:
    return [role for role in block if any(decider.reviewed.can_give(issuer, role) for decider, issuer in carriers)]


def _judge(recorded: Recorded, tried: "list[tuple[Decided, Decided]]", *, reproduced: bool, alike: bool) -> _Answer:
    """Join what comes out for all that the caller may have carried; ``alike``: both configurations demand the same here."""
    was = "allow" if recorded.allowed else "deny"
    changed = []
    for one, other in tried:
        before = was if reproduced else one.outcome
        if before != other.outcome and not (alike and one.outcome == other.outcome):
            changed.append(other)
    text = f"{was}: {recorded.reason}"
    if not changed:
        return _Answer("none", text, text, "", reproduced)
    certain = len(changed) == len(tried) and all(other.outcome != "open" for other in changed)
    # Whatever it hinges on, one that was allowed can only be lost, and one that was denied may be let through.
    effect: Effect = "closes" if recorded.allowed else "opens" if certain else "changes"
    return _Answer(effect, text, f"{changed[0].outcome}: {changed[0].text}", "" if certain else UNKNOWN, reproduced)
