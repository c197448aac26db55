"""``python -m campaigns.paths``: fuzz paths through Envoy and the sidecar to real upstreams. Exit code 1 when one went wrong."""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import uvloop

from campaigns import report
from tests.servers.issuer import IssuerSimulator
from tests.upstreams.programs import PROGRAMS, MissingUpstream, Program

from .drive import Tally, Wrong, drive, smallest
from .grammar import cases
from .judge import Outcome
from .lane import LISTENERS, Lane, running

PATHS = 50_000
SEED = 5
SHOWN = 10
COLUMNS = (
    "upstream",
    "server.paths",
    "Envoy",
    "paths",
    "refused",
    "denied",
    "let through: served",
    "let through: no handler",
    "wrongly routed",
)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    names = [program.name for program in PROGRAMS]
    parser = argparse.ArgumentParser(prog="python -m campaigns.paths", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0, metavar="N", help="send for N seconds at most; the report is not written")
    parser.add_argument("--paths", type=int, default=PATHS, metavar="N", help=f"how many different paths ({PATHS})")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"another seed gives other paths ({SEED})")
    parser.add_argument("--upstreams", nargs="+", choices=names, default=names, metavar="NAME", help=f"some of: {' '.join(names)}")
    return parser.parse_args(argv)


async def campaign(lanes: Sequence[Lane], options: argparse.Namespace, token: str) -> tuple[dict[str, Tally], list[Wrong]]:
    """Everything that is sent, and the smallest form of the first wrong path by each lane and listener."""
    tallies = await drive(lanes, cases(options.seed, options.paths), token, options.seconds)
    first: dict[tuple[str, str], Wrong] = {}
    for tally in tallies.values():
        for wrong in tally.wrong:
            first.setdefault((wrong.lane.program.name, wrong.listener), wrong)
    return tallies, [await smallest(wrong, token) for wrong in list(first.values())[:SHOWN]]


def show(wrong: Wrong) -> None:
    """Say what went wrong and how to send it again."""
    headers, case = wrong.answer.headers, wrong.case
    protocol = "HTTP/2" if case.http2 else "HTTP/1.1"
    said = (headers.get(b"x-handler") or wrong.answer.body).decode()
    print(f"\nWRONG: {case.path!r} by {protocol}, {'with' if case.signed else 'without'} a token (made from path {case.number})")
    print(f"  the rule {headers.get(b'x-route', b'?').decode()!r} let it through the {wrong.listener} Envoy")
    print(f"  {wrong.lane.program.title} ran {said!r} and saw the path {headers.get(b'x-saw', b'-').decode()!r}")


def rows(programs: Sequence[Program], tallies: dict[str, Tally]) -> list[list[object]]:
    """The table."""
    kinds = (Outcome.REFUSED, Outcome.DENIED, Outcome.SERVED, Outcome.NOWHERE, Outcome.WRONG)
    return [
        [
            program.title,
            f"{program.case}, {program.trailing_slash}",
            listener,
            counted.total(),
            *(counted[kind] for kind in kinds),
        ]
        for program in programs
        for listener in LISTENERS
        for counted in (tallies[program.name].outcomes[listener],)
    ]


def verdict(tallies: dict[str, Tally], found: list[Wrong]) -> int:
    """The exit code, with what was wrong on the terminal."""
    for wrong in found:
        show(wrong)
    counted = [counter for tally in tallies.values() for counter in tally.outcomes.values()]
    faults = sum(counter[Outcome.FAULT] for counter in counted)
    if faults:
        print(f"{faults} paths were judged by nobody (503, or no answer): the machine is too busy, or something has ended", file=sys.stderr)
    served = all(counter[Outcome.SERVED] and counter[Outcome.DENIED] and counter[Outcome.REFUSED] for counter in counted)
    if not served:
        print("a lane served, denied or refused nothing at all: it shows nothing", file=sys.stderr)
    return 1 if found or faults or not served else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign."""
    options = arguments(argv)
    programs = [program for program in PROGRAMS if program.name in options.upstreams]
    started = time.monotonic()
    with contextlib.ExitStack() as opened:
        issuer = opened.enter_context(IssuerSimulator("ES256"))
        try:
            # Open until the lanes have stopped: what a thread has started ends with it (tests.servers.proc.TIED).
            pool = opened.enter_context(ThreadPoolExecutor(len(programs)))
            lanes = list(pool.map(lambda program: opened.enter_context(running(program, issuer)), programs))
        except MissingUpstream as missing:
            print(f"campaigns.paths: {missing}", file=sys.stderr)
            return 2
        token = issuer.token("casual", roles=["clerk"], lifetime=3600)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            tallies, found = runner.run(campaign(lanes, options, token))
    requests = sum(counter.total() for tally in tallies.values() for counter in tally.outcomes.values())
    facts = report.facts(started, seed=options.seed, requests=requests)
    full = not options.seconds and options.paths >= PATHS and len(programs) == len(PROGRAMS)
    table = rows(programs, tallies)
    report.write("paths", "Upstream truth: paths through Envoy to real upstreams", "make upstream-truth", COLUMNS, table, facts, keep=full)
    return verdict(tallies, found)


if __name__ == "__main__":
    sys.exit(main())
