"""Run the mutants: ``python -m campaigns.mutate [--share N] [--only NAME] [--list]``; exit code 1 names those that survived."""

import argparse
import datetime as dt
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from campaigns.report import facts, write

from .bench import Bench, Verdict, benches
from .mutant import Mutant
from .mutants import MUTANTS

WORKERS = 2
COLUMNS = ("mutant", "where", "what it would mean", "killed by", "seconds")


def main() -> int:
    """Do what was asked for."""
    options = _options()
    mutants = _chosen(options)
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}  {mutant.path}  {mutant.means}")
        return 0
    began = time.monotonic()
    with benches(WORKERS) as copies:
        if fault := _green(copies, mutants):
            print(f"the named tests fail before anything is broken: {fault}", file=sys.stderr)
            return 2
        verdicts = _run(copies, mutants)
    survivors = [verdict for verdict in verdicts if verdict.survived]
    faults = [verdict for verdict in verdicts if verdict.fault and not verdict.survived]
    if not (survivors or faults or options.only or options.share):
        _write(verdicts, began)
    for verdict in faults:
        print(f"{verdict.mutant.name}: {verdict.fault}", file=sys.stderr)
    for verdict in survivors:
        print(f"SURVIVED {verdict.mutant.name} ({verdict.where}): {verdict.mutant.means} [{verdict.fault}]", file=sys.stderr)
    killed = len(verdicts) - len(survivors) - len(faults)
    print(f"{killed} of {len(verdicts)} mutants killed, {len(survivors)} survived, in {time.monotonic() - began:.0f} s")
    return int(bool(survivors or faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m campaigns.mutate", description=__doc__)
    parser.add_argument("--share", type=int, default=0, metavar="N", help="run one mutant in N, others each day; write no results")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run this mutant (repeatable); write no results")
    parser.add_argument("--list", action="store_true", help="print the mutants and run none")
    options = parser.parse_args()
    if unknown := set(options.only) - {mutant.name for mutant in MUTANTS}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    return options


def _chosen(options: argparse.Namespace) -> list[Mutant]:
    if options.only:
        return [mutant for mutant in MUTANTS if mutant.name in options.only]
    share = max(1, options.share)
    today = dt.datetime.now(dt.UTC).timetuple().tm_yday
    return [mutant for index, mutant in enumerate(MUTANTS) if index % share == today % share]


def _green(copies: list[Bench], mutants: Iterable[Mutant]) -> str:
    """Run every named test once, unbroken; tests of one file in one copy."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    files = sorted({test.partition("::")[0] for test in tests})
    shares = [[test for test in tests if files.index(test.partition("::")[0]) % len(copies) == number] for number in range(len(copies))]
    with ThreadPoolExecutor(len(copies)) as pool:
        said = pool.map(lambda copy, share: copy.green(share) if share else "", copies, shares)
        return "\n".join(filter(None, said))


def _run(copies: list[Bench], mutants: list[Mutant]) -> list[Verdict]:
    free: SimpleQueue[Bench] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: Mutant) -> Verdict:
        copy = free.get()
        try:
            verdict = copy.run(mutant)
        finally:
            free.put(copy)
        print(f"{verdict.fault or 'killed':9.400} {mutant.name} ({verdict.seconds:.1f} s)", file=sys.stderr, flush=True)
        return verdict

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(one, mutants))


def _write(verdicts: list[Verdict], began: float) -> None:
    rows = [
        (one.mutant.name, one.where, one.mutant.means, "; ".join(map(_short, one.mutant.tests)), f"{one.seconds:.1f}") for one in verdicts
    ]
    write("mutate", "Mutants", "make mutate", COLUMNS, rows, facts(began, mutants=len(verdicts), survivors=0), keep=True)


def _short(test: str) -> str:
    return test.removeprefix("tests/unit/")


if __name__ == "__main__":
    sys.exit(main())
