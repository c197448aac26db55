"""Decisions of the real core against those of the reference, under random configurations."""

import random
import time
from dataclasses import dataclass, field
from typing import Any

from sidecar.model.errors import ConfigError, SourceError
from tests.reference.decide import decide
from tests.reference.request import Request

from . import configs, requests
from .cases import CORPUS, Case, both, differences, judge, read_case, shrink
from .core import START, Core, encode
from .pool import Pool, make_pool

ROUNDS = 6
REQUESTS = 100
STEPS = (0, 0, 0, 0, 0.5, 1, 1, 15, 29, 30, 31, 60, 600)
MAX_FOUND = 10


@dataclass
class Tally:
    """What a run has seen."""

    cases: int = 0
    configs: int = 0
    invalid: int = 0
    allowed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    wrongly_allowed: int = 0
    found: dict[tuple[str, ...], tuple[list[str], Case]] = field(default_factory=dict)
    seconds: float = 0.0


def compare(rng: random.Random, seconds: float, tokens: int = 1500) -> Tally:
    """Compare until the time is over."""
    tally = Tally()
    began = time.monotonic()
    for path in sorted(CORPUS.glob("*.json")):
        case = read_case(path)
        said, expected = both(case)
        tally.cases += 1
        tally.wrongly_allowed += said.allows and not expected.allows
        note(tally, differences(said, expected), case)
    pool = make_pool(rng, tokens)
    while time.monotonic() - began < seconds and len(tally.found) < MAX_FOUND:
        one_world(rng, pool, tally, began + seconds)
    tally.seconds = time.monotonic() - began
    return tally


def valid_world(rng: random.Random, pool: Pool, tally: Tally) -> tuple[Core, Any, Any]:
    """Make configurations until one is valid; routes that are named by a problem are left out."""
    while True:
        config = configs.make_config(rng, pool)
        for _ in range(6):
            keys = configs.make_keys(rng, config)
            try:
                return Core(config, keys), config, keys
            except ConfigError as error:
                tally.invalid += 1
                if not repair(config, error):
                    break
            except SourceError:
                tally.invalid += 1
                break


def repair(config: Any, error: ConfigError) -> bool:
    """Take out the routes that problems name; tell whether anything is left to try."""
    before = len(config["routes"])
    for problem in error.problems:
        parts = problem.where.key.split(".")
        if parts[0] == "routes" and len(parts) > 1:
            config["routes"].pop(parts[1], None)
    return 0 < len(config["routes"]) < before


def one_world(rng: random.Random, pool: Pool, tally: Tally, until: float) -> None:
    """One configuration, its edits, and requests that come again while time goes on."""
    core, config, keys = valid_world(rng, pool, tally)
    tally.configs += 1
    recent: list[Request] = []
    for number in range(ROUNDS):
        if number:
            config, keys = edited(rng, core, config, keys)
        for _ in range(REQUESTS):
            request = requests.vary(rng, rng.choice(recent), config, pool) if recent and rng.random() < 0.5 else None
            request = request or requests.settle(requests.make_request(rng, config, pool))
            recent = [*recent[-40:], request]
            check(core, config, keys, request, tally)
            check(core, config, keys, request.as_map(), tally)
            core.move(rng.choice(STEPS) if rng.random() < 0.1 else 0)
        if core.clock.wall > START + 3300 or time.monotonic() > until:
            break


def edited(rng: random.Random, core: Core, config: Any, keys: Any) -> tuple[Any, Any]:
    """Reload: the same, or an edit if that is valid."""
    changed, entries = configs.vary(rng, config, keys)
    try:
        core.reload(changed, entries)
    except (ConfigError, SourceError):
        core.reload(config, keys)
        return config, keys
    return changed, entries


def check(core: Core, config: Any, keys: Any, request: Request, tally: Tally) -> None:
    """Ask twice, so that what is remembered is compared, too."""
    message, now = encode(request), core.clock.wall
    expected = decide(config, keys, request, now)
    for _ in range(2):
        said = core.ask(request, message)
        tally.cases += 1
        if said != expected and (words := differences(said, expected)):
            tally.wrongly_allowed += said.allows and not expected.allows
            note(tally, words, Case(config, keys, request, now))
    tally.allowed += said.allows
    tally.reasons[said.reason] = tally.reasons.get(said.reason, 0) + 1


def note(tally: Tally, words: list[str], case: Case) -> None:
    """Keep the first case of each kind of difference, made small."""
    if not words:
        return
    key = tuple(word if word.startswith(("reason", "status")) else word.split(" ")[0] for word in words)
    if key not in tally.found:
        small = shrink(case)
        tally.found[key] = (judge(small) or [*words, "(only with what was remembered)"], small)
