"""Test files against a configuration → trials, or every name in them that means nothing there. Nothing is skipped."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sidecar.config.marks import KeyPath
from sidecar.config.schema.policytest import REASONS, UNTESTED, VERDICTS, Answer, CaseSpec, Expectation, MatrixSpec
from sidecar.config.suggest import hint_for
from sidecar.model.errors import ConfigError, Problem, Where
from sidecar.model.key_entry import KeyEntry
from sidecar.model.reason import ALLOWING, Reason
from sidecar.model.secret import Secret
from sidecar.model.settings import KeyStoreSettings, Settings, StaticAttribute

from .asks import Request, Requests
from .files import Source, Suite
from .people import People, Who

Answers: TypeAlias = Mapping[str, Answer]
_RULE = re.compile(r"(?P<kind>routes|policies|attributes)\.(?P<name>[A-Za-z0-9_-]+)(?:\..+)?|routes|identity_headers")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One request of one principal, and what has to come of it.

    ``matrix``: the table's name, or empty for a case; then ``row`` and ``column`` say where in it. ``wall``: seconds
    since the epoch, None for the time of the run. ``answers``: what attribute sources give.
    """

    file: str
    name: str
    where: Where
    who: Who
    request: Request
    wall: float | None
    expect: Expectation
    answers: Answers
    matrix: str = ""
    row: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be tried, in the order of the files."""

    trials: tuple[Trial, ...]
    people: tuple[Who, ...]


def plan(
    suites: Sequence[Suite],
    settings: Settings,
    key_entries: Callable[[KeyStoreSettings], tuple[KeyEntry, ...]],
    read_secret: Callable[[str, str], Secret],
) -> Plan:
    """Make trials of test files. Raises ConfigError; see ``People`` for what the two functions do."""
    planner = _Planner(settings, key_entries, read_secret)
    trials = [trial for suite in suites for trial in planner.suite(suite)]
    if planner.problems:
        raise ConfigError(tuple(sorted(dict.fromkeys(planner.problems), key=lambda problem: (problem.where.file, problem.where.line))))
    return Plan(tuple(trials), tuple(planner.people.all))


class _Planner:
    def __init__(
        self,
        settings: Settings,
        key_entries: Callable[[KeyStoreSettings], tuple[KeyEntry, ...]],
        read_secret: Callable[[str, str], Secret],
    ) -> None:
        self.problems: list[Problem] = []
        self.people = People(settings, self.problems, key_entries, read_secret)
        self.requests = Requests(self.problems)
        self._settings = settings
        self._checked: set[Source] = set()

    def suite(self, suite: Suite) -> Iterator[Trial]:
        for source in suite.sources:
            if source not in self._checked:
                self._checked.add(source)
                self._fixtures(suite, source)
        for name, case in suite.source.tests.cases.items():
            yield from self._case(suite, name, case)
        for name, matrix in suite.source.tests.matrices.items():
            yield from self._matrix(suite, name, matrix)

    def _fixtures(self, suite: Suite, source: Source) -> None:
        """Look at every fixture, whether a case uses it or not."""
        tests = source.tests
        for name in tests.principals:
            if name == "anonymous":
                self.problems.append(source.problem(("principals", name), "is who shows no credential", "give it another name"))
            self.people.named(suite, name, ("principals", name))
        for name, request in tests.requests.items():
            self.requests.inline(suite, source, request, ("requests", name))
        self._check_answers(source, tests.attributes, ("attributes",))

    def _case(self, suite: Suite, name: str, case: CaseSpec) -> Iterator[Trial]:
        at: KeyPath = ("cases", name)
        source = suite.source
        request = self.requests.inline(suite, source, case.request, (*at, "request"))
        if case.principal is None:
            who = self.people.named(suite, "anonymous", at)
        else:
            who = self.people.inline(suite, case.principal, (*at, "principal"))
        self._check_expectation(source, case.expect, (*at, "expect"))
        answers = self._answers(suite, case.attributes, at)
        if who is not None and request is not None:
            wall = case.now if case.now is not None else source.tests.now
            yield Trial(
                file=source.name, name=name, where=source.mark.where(at), who=who, request=request, wall=wall, expect=case.expect,
                answers=answers,
            )  # fmt: skip

    def _matrix(self, suite: Suite, name: str, matrix: MatrixSpec) -> Iterator[Trial]:
        at: KeyPath = ("matrices", name)
        source = suite.source
        people = [self.people.named(suite, who, (*at, "principals", number)) for number, who in enumerate(matrix.principals)]
        answers = self._answers(suite, matrix.attributes, at)
        wall = matrix.now if matrix.now is not None else source.tests.now
        for row, cells in matrix.rows.items():
            place: KeyPath = (*at, "rows", row)
            request = self.requests.named(suite, row, place)
            if len(cells) != len(people):
                message = f"has {len(cells)} cells, and there are {len(people)} principals"
                self.problems.append(source.problem(place, message, f"one for each of {', '.join(matrix.principals)}"))
                continue
            for number, (cell, who, column) in enumerate(zip(cells, people, matrix.principals, strict=True)):
                if cell == UNTESTED or who is None or request is None:
                    continue
                yield Trial(
                    file=source.name, name=f"{name}: {row} as {column}", where=source.mark.where((*place, number)), who=who,
                    request=request, wall=wall, expect=expected_of(cell), answers=answers, matrix=name, row=row, column=column,
                )  # fmt: skip

    def _answers(self, suite: Suite, own: Answers | None, at: KeyPath) -> Answers:
        self._check_answers(suite.source, own or {}, (*at, "attributes"))
        shared = {name: answer for source in suite.sources for name, answer in source.tests.attributes.items()}
        return {**shared, **(own or {})}

    def _check_answers(self, source: Source, answers: Answers, at: KeyPath) -> None:
        known = self._settings.attributes
        for name in answers:
            if name not in known:
                hint = hint_for(name, known, "the configuration has none")
                self.problems.append(source.problem((*at, name), f"there is no attribute source {name!r}", hint))
            elif isinstance(known[name].source, StaticAttribute):
                message = f"attributes.{name} is a table in the configuration itself, which counts as it is"
                self.problems.append(source.problem((*at, name), message, "remove it"))

    def _check_expectation(self, source: Source, expect: Expectation, at: KeyPath) -> None:
        def complain(step: str, message: str, hint: str = "") -> None:
            self.problems.append(source.problem((*at, step), message, hint))

        routes, policies = self._settings.routes, self._settings.policies
        if expect.route is not None and expect.route not in routes:
            complain("route", f"there is no route {expect.route!r}", hint_for(expect.route, routes))
        if expect.rule is not None:
            self._check_rule(expect.rule, complain)
        for name in expect.policies or ():
            if name not in policies:
                hint = hint_for(name, policies, "the configuration has none")
                self.problems.append(source.problem((*at, "policies", name), f"there is no policy {name!r}", hint))
        if expect.reason is not None and expect.decision is not None and (expect.reason in ALLOWING) is not (expect.decision == "allow"):
            complain("reason", f"is no reason for {'an allow' if expect.decision == 'allow' else 'a denial'}", _reasons(expect.decision))
        if expect.status is not None and (expect.decision == "allow" or expect.reason in ALLOWING):
            complain("status", "an allow has no status: the upstream answers", "remove it")
        denial = "a denial has no headers for the upstream"
        for name in ("set", "removed", "kept"):
            if getattr(expect, name) is not None and (expect.decision == "deny" or (expect.reason or Reason.PERMITTED) not in ALLOWING):
                complain(name, denial, "remove it")

    def _check_rule(self, rule: str, complain: Callable[[str, str, str], None]) -> None:
        found = _RULE.fullmatch(rule)
        if found is None:
            complain("rule", "is not the key path of a rule", "such as routes.NAME.require.permission or policies.NAME")
            return
        kind = found["kind"]
        known: Mapping[str, Mapping[str, object]] = {
            "routes": self._settings.routes,
            "policies": self._settings.policies,
            "attributes": self._settings.attributes,
        }
        if kind is not None and found["name"] not in known[kind]:
            complain("rule", f"there is no {kind}.{found['name']}", hint_for(found["name"], known[kind]))


def expected_of(cell: str) -> Expectation:
    """What a cell of a matrix stands for."""
    if cell in VERDICTS:
        return Expectation.model_validate({"decision": cell})
    return Expectation.model_validate({"decision": "allow" if REASONS[cell] in ALLOWING else "deny", "reason": cell})


def _reasons(decision: str) -> str:
    return f"one of {', '.join(str(reason) for reason in Reason if (reason in ALLOWING) is (decision == 'allow'))}"
