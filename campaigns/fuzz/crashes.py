"""Every parser fed with mutations: none raises what it does not document, none takes long, none is fooled."""

import random
import time
from dataclasses import dataclass, field

from . import targets
from .core import Core
from .mutate import mutated, smaller
from .seeds import check_config, check_keys
from .targets import Target

SLOW = 1.0
"""Seconds that no input of at most 64 KiB may take."""
MAX_TRIES = 2000
MAX_FOUND = 6


@dataclass
class Result:
    """What feeding one parser has shown. ``found``: words and the smallest input that shows it."""

    name: str
    cases: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    found: dict[str, bytes] = field(default_factory=dict)


def all_targets() -> list[Target]:
    """Return every parser with its corpus."""
    config = check_config()
    check = targets.Check(Core(config, check_keys()), config)
    return [
        Target("check", "check", check.run, targets.HTTP),
        Target(
            "path",
            "path",
            targets.paths,
            tuple(seed for path in (targets.CORPUS / "path").iterdir() for seed in path.read_bytes().split(b"/")),
        ),
        Target(
            "host", "host", targets.hosts, (b".", b":", b"[", b"]", b"::", b"-", b"_", b"443", b"127.0.0.1", b"\xe2\x84\xaa", b"%25", b"@")
        ),
        Target("token", "token", targets.token, (b".", b"..", b"=", b"e30", b"eyJhbGciOiJub25lIn0", b"-_", b" ", b"W10", b"bnVsbA")),
        Target("jwks", "jwks", targets.jwks, targets.JSON),
        Target("discovery", "discovery", targets.discovery, targets.JSON),
        Target("key file", "keys", targets.key_file, targets.YAML),
        Target("configuration", "config", targets.config, targets.YAML),
    ]


def feed(rng: random.Random, target: Target, seconds: float) -> Result:
    """Run the seeds, then mutations of them until the time is over."""
    result = Result(target.name)
    seeds = target.seeds()
    began = time.monotonic()
    waiting = list(seeds)
    while waiting or (time.monotonic() - began < seconds and len(result.found) < MAX_FOUND):
        data = waiting.pop() if waiting else mutated(rng, seeds, target.words)
        words, took = tried(target, data)
        result.cases += 1
        result.slowest = max(result.slowest, took)
        if words:
            data = shrunk(target, data, words)
            result.found[tried(target, data)[0]] = data
    result.seconds = time.monotonic() - began
    return result


def tried(target: Target, data: bytes) -> tuple[str, float]:
    """Return what was wrong (nothing, mostly), and the seconds that it took."""
    began = time.perf_counter()
    try:
        target.run(data)
    except targets.Wrong as error:
        return f"wrong: {str(error)[:200]}", time.perf_counter() - began
    except Exception as error:  # noqa: BLE001 - whatever a parser lets out is a finding
        return f"{type(error).__name__} in {place_of(error)}", time.perf_counter() - began
    took = time.perf_counter() - began
    return (f"took more than {SLOW} s" if took > SLOW else ""), took


def place_of(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "nowhere" if frame is None else f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"


def shrunk(target: Target, data: bytes, words: str) -> bytes:
    """Return a smaller input that is wrong in the same way."""
    tries = 0
    again = True
    while again and tries < MAX_TRIES:
        again = False
        for less in smaller(data):
            tries += 1
            if tried(target, less)[0].partition(":")[0] == words.partition(":")[0]:
                data, again = less, True
                break
    return data
