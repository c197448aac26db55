"""A difference between core and reference: judged, made small, kept as JSON."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sidecar.model.errors import ConfigError, SourceError
from tests.reference.decide import decide
from tests.reference.request import Request, Verdict

from .core import Core, encode

CORPUS = Path(__file__).parent.parent / "corpus" / "decisions"


@dataclass(frozen=True)
class Case:
    """One comparison that can be done again."""

    config: dict[str, Any]
    keys: dict[str, Any]
    request: Request
    now: float

    def text(self) -> str:
        """Return the case as JSON, for the corpus."""
        request = {**vars(self.request), "context": dict(self.request.context)}
        return json.dumps({"config": self.config, "keys": self.keys, "request": request, "now": self.now}, indent=1, ensure_ascii=False)


def read_case(path: Path) -> Case:
    found = json.loads(path.read_text(encoding="utf-8"))
    request = found["request"] | {"headers": tuple(tuple(line) for line in found["request"]["headers"])}
    return Case(found["config"], found["keys"], Request(**request), found["now"])


def differences(said: Verdict, expected: Verdict) -> list[str]:
    """Return in words how an answer differs from what the documents say."""
    out = []
    if said.reason != expected.reason:
        out.append(f"reason {said.reason}, not {expected.reason}")
    elif said.status != expected.status:
        out.append(f"status {said.status}, not {expected.status}")
    elif said.told != expected.told:
        out.append(f"headers say {sorted(said.told - expected.told)}, not {sorted(expected.told - said.told)}")
    if said.route != expected.route and (expected.allows or (said.route and expected.route)):
        out.append(f"route {said.route!r}, not {expected.route!r}")
    if said.allows and expected.allows:
        ours, theirs = in_order(said, expected), in_order(expected, expected)
        if ours != theirs:
            out.append(f"upstream sees {sorted(set(ours) - set(theirs))}, not {sorted(set(theirs) - set(ours))}")
        if said.query_removed != expected.query_removed:
            out.append(f"query without {sorted(said.query_removed)}, not {sorted(expected.query_removed)}")
        if said.subject != expected.subject:
            out.append(f"subject {said.subject!r}, not {expected.subject!r}")
    return out


def in_order(verdict: Verdict, expected: Verdict) -> list[tuple[str, str]]:
    """Return what the upstream sees, with members sorted where their order says nothing."""
    between = dict(expected.unordered)
    return [
        (name, between[name].join(sorted(value.split(between[name]))) if name in between else value) for name, value in verdict.upstream
    ]


def both(case: Case) -> tuple[Verdict, Verdict]:
    """Return what a core says that knows nothing yet, and what it should say."""
    core = Core(case.config, case.keys)
    core.at(case.now)
    return core.ask(case.request, encode(case.request)), decide(case.config, case.keys, case.request, case.now)


def judge(case: Case) -> list[str]:
    """Compare once."""
    return differences(*both(case))


def shrink(case: Case) -> Case:
    """Return a smaller case that still differs in the same words; the case itself if a fresh core does not differ."""
    wanted = kind(_judged(case))
    if not wanted:
        return case
    again = True
    while again:
        again = False
        for smaller in simpler(case):
            if kind(_judged(smaller)) == wanted:
                case, again = smaller, True
                break
    return case


def kind(words: list[str]) -> tuple[str, ...]:
    return tuple(word if word.startswith("reason") else word.split(" ")[0] for word in words)


def _judged(case: Case) -> list[str]:
    try:
        return judge(case)
    except (ConfigError, SourceError, KeyError, AssertionError):
        return []


def simpler(case: Case) -> Iterator[Case]:
    """Yield the case with one thing less."""
    for place in places(case.config):
        config = copy.deepcopy(case.config)
        remove(config, place)
        yield replace(case, config=config)
    for place in places(case.keys):
        keys = copy.deepcopy(case.keys)
        remove(keys, place)
        yield replace(case, keys=keys)
    request = case.request
    for number in range(len(request.headers)):
        yield replace(case, request=replace(request, headers=request.headers[:number] + request.headers[number + 1 :]))
    simple = {"method": "GET", "host": "api.example.com", "path": request.path.partition("?")[0], "context": {}, "source_ip": "10.0.0.9"}
    for name, value in simple.items():
        if getattr(request, name) != value:
            yield replace(case, request=replace(request, **{name: value}))


def places(value: Any, depth: int = 0) -> Iterator[tuple[Any, ...]]:
    """Yield the key path of everything that could be taken out, the largest things first."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    yield from ((key,) for key in keys)
    if depth < 5:
        for key in keys:
            yield from ((key, *rest) for rest in places(value[key], depth + 1))


def remove(value: Any, place: tuple[Any, ...]) -> None:
    for key in place[:-1]:
        value = value[key]
    del value[place[-1]]
