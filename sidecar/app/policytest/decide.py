"""One trial, decided by the engine, with what it looked at on the way."""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from sidecar.authz.conditions import Node
from sidecar.authz.policies import Policy
from sidecar.config.schema.policytest import MISSING, UNAVAILABLE
from sidecar.engine.check import Engine
from sidecar.engine.denials import answer
from sidecar.engine.nearest import nearest
from sidecar.engine.snapshot import Route
from sidecar.engine.trace import Trace
from sidecar.model.ask import Ask, Attributes, Failed, Got, RefreshKeys, RefreshResult, Verify
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.errors import MalformedRequest
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.principal import Principal
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from sidecar.wire.decode import decode, parse
from sidecar.wire.saved import compose

from .asks import with_query
from .plan import Answers, Trial
from .stage import Shown, Stage

SOME_ID = "0" * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What an allow changes: headers set, names removed, and what the request itself had. Names in lower case."""

    set: Mapping[str, str]
    removed: Sequence[str]
    sent: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided. ``status``: 0 for an allow. ``nearest``: what would have to be different.

    ``parts``: each part of the route's ``require`` that was looked at, and whether it was met; ``policies``: each
    policy that was looked at, with the values of its parts. ``missing``: attribute sources that the verdict hinged on
    and that the tests do not answer for.
    """

    decision: str
    reason: Reason
    status: int
    route: str
    rule: str
    detail: str
    upstream: Upstream | None
    nearest: tuple[str, ...]
    parts: tuple[tuple[str, bool], ...]
    policies: tuple[tuple[Policy, Node], ...]
    missing: tuple[str, ...]


class Watch(Trace):
    """A trace that keeps which parts of ``require`` were met."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.parts: list[tuple[str, bool]] = []

    def required(self, route: Route, principal: Principal) -> None:
        """Keep each part."""
        super().required(route, principal)
        if route.requirement is not None:
            self.parts += [(keyword, holds) for keyword, _, holds in route.requirement.parts(principal)]


def decide(trial: Trial, stage: Stage, now: Instant) -> Decided:
    """Let the engine decide; each trial has an engine of its own, so that none leaves anything to the next."""
    engine, trace = Engine(Meter()), Watch()
    wall = now.wall if trial.wall is None else trial.wall
    shown = stage.enter(trial.who, wall, engine)
    payload = _payload(trial, shown)
    try:
        request = decode(parse(payload), len(payload))
    except MalformedRequest as fault:
        return _decided(Deny(Reason.MALFORMED_REQUEST, detail=str(fault)), None, trace, stage)
    steps = engine.check(request, stage.snapshot, Instant(wall, now.mono), trace)
    answers = _Answers(trial.answers, now.mono)
    decision: Decision = answers.drive(steps) if isinstance(steps, Generator) else steps
    return _decided(decision, request, trace, stage, tuple(answers.missing))


class _Answers:
    """Answers what the engine asks: signatures are checked, and attribute sources give what the tests say.

    ``missing``: sources of which they say nothing.
    """

    def __init__(self, answers: Answers, mono: float) -> None:
        self._answers = answers
        self._mono = mono
        self.missing: list[str] = []

    def drive(self, steps: Generator[Ask, object, Decision]) -> Decision:
        answer: object = None
        try:
            while True:
                ask = steps.send(answer)
                match ask:
                    case Verify():
                        answer = ask.run()
                    case RefreshKeys():
                        answer = RefreshResult.FRESH  # whatever keys there are, are all there
                    case Attributes():
                        answer = tuple(self._given(request.source) for request in ask.requests)
        except StopIteration as done:
            decision: Decision = done.value
            return decision

    def _given(self, source: str) -> Got | Failed:
        given = self._answers.get(source)
        if given is None:
            self.missing.append(source)
            return Failed("the tests say nothing of it")
        if given.outcome == UNAVAILABLE:
            return Failed("unavailable, as the tests say")
        value = None if given.outcome == MISSING else given.answer
        return Got(value, len(json.dumps(value)), self._mono)


def _payload(trial: Trial, shown: Shown | None) -> bytes:
    method, host, path, headers, body, source_ip, context = trial.request
    lines = list(headers)
    if shown is not None:
        place, value = shown
        match place.kind:
            case "header":
                lines.append((place.name, f"{place.scheme} {value}" if place.scheme else value))
            case "cookie":
                own = [text for name, text in lines if name == "cookie"]
                lines = [line for line in lines if line[0] != "cookie"]
                lines.append(("cookie", "; ".join([*own, f"{place.name}={value}"])))
            case "query":
                path = with_query(path, [(place.name, value)])
    return compose(method, host, path, lines, source_ip, context, body)


def _decided(decision: Decision, request: CheckInput | None, trace: Watch, stage: Stage, missing: tuple[str, ...] = ()) -> Decided:
    denied = isinstance(decision, Deny)
    return Decided(
        decision="deny" if denied else "allow",
        reason=decision.reason,
        status=answer(decision, request, SOME_ID).status if isinstance(decision, Deny) else 0,
        route=decision.route,
        rule=decision.rule,
        detail=decision.detail if isinstance(decision, Deny) else "",
        upstream=_upstream(decision, request) if isinstance(decision, Allow) else None,
        nearest=tuple(nearest(decision, request, stage.snapshot)) if isinstance(decision, Deny) and request is not None else (),
        parts=tuple(trace.parts),
        policies=tuple(trace.policies),
        missing=missing,
    )


def _upstream(decision: Allow, request: CheckInput | None) -> Upstream:
    upstream, set_headers, removed, _ = decision.mutations
    sent = frozenset() if request is None else frozenset(name.lower() for name in request.headers.names())
    return Upstream(set=dict((*upstream.set_headers, *set_headers)), removed=(*upstream.removed, *removed), sent=sent)
