"""Attribute policies on a route: which deny, which have to hold. Deny beats allow; unknown holds as a deny, never as an allow."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from sidecar.model.condition import Condition
from sidecar.model.decision import Would
from sidecar.model.settings import PolicySettings

from .attributes import Catalogue
from .conditions import Node, compile_condition, explain
from .facts import Facts
from .ternary import FALSE, TRUE

NOTHING_WANTED: Final[tuple[str, ...]] = ()


class Policy:
    """One compiled policy. ``rule`` is its key path."""

    __slots__ = ("_catalogue", "condition", "denies", "holds", "name", "rule", "shadow")

    def __init__(self, settings: PolicySettings, catalogue: Catalogue) -> None:
        """Compile; its attributes are in ``catalogue``."""
        self.name = settings.name
        self.rule = f"policies.{settings.name}"
        self.denies = settings.effect == "deny"
        self.shadow = settings.shadow
        self.condition: Condition = settings.condition
        self.holds = compile_condition(settings.condition, catalogue)
        self._catalogue = catalogue

    def explain(self, facts: Facts) -> Node:
        """Evaluate every part of it, for a person."""
        return explain(self.condition, self._catalogue, facts)


class Said(NamedTuple):
    """What the policies of a route say.

    ``denied_by``: a deny policy that holds. ``unmet``: what of ``require`` does not hold: the keyword and the policy
    (the first one, for ``any_policy``). ``wanted``: sources that gave nothing and on which the outcome hinges; if
    there are any, the outcome is not known. None of them: the policies let the request through.
    """

    denied_by: Policy | None = None
    unmet: tuple[str, Policy] | None = None
    wanted: tuple[str, ...] = NOTHING_WANTED


class Rules:
    """The policies of one route: ``deny`` (with those of ``defaults``), ``require.policies``, ``require.any_policy``."""

    __slots__ = ("_all", "_any", "_deny", "demanding", "policies", "shadows")

    def __init__(self, deny: Iterable[Policy], every: Iterable[Policy], some: Iterable[Policy]) -> None:
        """Take compiled policies; those in shadow never count."""
        deny, every, some = tuple(deny), tuple(every), tuple(some)
        self.policies = (*deny, *every, *some)
        """As attached, in the order of evaluation."""
        self.shadows = tuple(policy for policy in self.policies if policy.shadow)
        self._deny = tuple(policy for policy in deny if not policy.shadow)
        self._all = tuple(policy for policy in every if not policy.shadow)
        self._any = tuple(policy for policy in some if not policy.shadow)
        self.demanding = bool(self._all or self._any)
        """Some policy has to hold for an allow."""
        if (every and not self._all) or (some and not self._any):
            raise ValueError("every required policy is in shadow")

    def passes(self, facts: Facts) -> bool:
        """Tell whether all of it lets the request through, whatever a source might say; the quick way to that."""
        for policy in self._deny:
            if policy.holds(facts) != FALSE:
                return False
        for policy in self._all:
            if policy.holds(facts) != TRUE:
                return False
        return not self._any or any(policy.holds(facts) == TRUE for policy in self._any)

    def judge(self, facts: Facts) -> Said:
        """Say what the outcome is, or what it hinges on."""
        denied = self._denied(facts)
        if denied.denied_by is not None:
            return denied
        unmet = self._unmet(facts)
        if unmet.unmet is not None:
            return unmet  # no source could make an allow of it
        return Said(wanted=tuple(dict.fromkeys((*denied.wanted, *unmet.wanted))))

    def _denied(self, facts: Facts) -> Said:
        wanted: list[str] = []
        for policy in self._deny:
            facts.wanted.clear()
            outcome = policy.holds(facts)
            if not outcome & FALSE or (outcome != FALSE and not facts.wanted):  # open for no source's sake: not known
                return Said(denied_by=policy)
            if outcome != FALSE:
                wanted.extend(facts.wanted)
        return Said(wanted=tuple(wanted))

    def _unmet(self, facts: Facts) -> Said:
        wanted: list[str] = []
        for policy in self._all:
            facts.wanted.clear()
            outcome = policy.holds(facts)
            if not outcome & TRUE or (outcome != TRUE and not facts.wanted):
                return Said(unmet=("policies", policy))
            if outcome != TRUE:
                wanted.extend(facts.wanted)
        if self._any:
            possible: list[str] = []
            for policy in self._any:
                facts.wanted.clear()
                outcome = policy.holds(facts)
                if outcome == TRUE:
                    break
                if outcome & TRUE:
                    possible.extend(facts.wanted)
            else:
                if not possible:
                    return Said(unmet=("any_policy", self._any[0]))
                wanted.extend(possible)
        return Said(wanted=tuple(wanted))

    def would(self, facts: Facts) -> Iterator[Would]:
        """Give each policy in shadow with what it would have done: deny, or nothing."""
        for policy in self.shadows:
            facts.wanted.clear()
            outcome = policy.holds(facts)
            if facts.wanted:
                yield Would(policy.name, "unknown")
            elif policy.denies:
                yield Would(policy.name, "pass" if outcome == FALSE else "deny")
            else:
                yield Would(policy.name, "pass" if outcome == TRUE else "deny")
