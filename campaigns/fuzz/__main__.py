"""``python -m campaigns.fuzz``: compare decisions, feed the parsers; exit 1 on any finding."""

import argparse
import json
import random
import secrets
import sys
import time

from campaigns.report import facts, write

from . import crashes
from .decisions import Tally, compare

DECISIONS = "decisions"
FULL = 180.0
"""Seconds of a whole run."""
SHARE = 0.6
"""Of the time, what the comparison of decisions gets; the parsers share the rest."""


def main() -> int:
    """Run what is asked for; a share of it leaves no results."""
    options = arguments()
    began, rng = time.monotonic(), random.Random(options.seed)
    print(f"seed {options.seed}")
    rows: list[tuple[object, ...]] = []
    found = 0
    if options.only in ("", DECISIONS):
        tally = compare(rng, options.seconds * (1 if options.only else SHARE))
        found += show_decisions(tally)
        rows.append(("decisions, against the reference", tally.cases, round(tally.seconds, 1), len(tally.found), tally.wrongly_allowed))
    targets = [target for target in crashes.all_targets() if options.only in ("", target.name)]
    if not targets and not rows:
        print(f"there is no {options.only!r}: decisions, " + ", ".join(target.name for target in crashes.all_targets()), file=sys.stderr)
        return 2
    for target in targets:
        result = crashes.feed(rng, target, options.seconds * (1 if options.only else (1 - SHARE) / len(targets)))
        found += show_parser(result)
        fooled = sum("wrongly allowed" in words for words in result.found)
        rows.append((f"{target.name}, mutated", result.cases, round(result.seconds, 1), len(result.found), fooled))
    report(options, rows, tally if options.only in ("", DECISIONS) else None, began)
    return 1 if found else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="campaigns.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, help=f"time for everything ({FULL:g}); with it no results are written")
    parser.add_argument("--only", default="", help="decisions, or the name of one parser")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="to run the same again")
    options = parser.parse_args()
    options.results = options.seconds is None and not options.only
    options.seconds = options.seconds or FULL
    return options


def show_decisions(tally: Tally) -> int:
    """Print every difference with a case that can be saved into campaigns/corpus/decisions."""
    for words, case in tally.found.values():
        print("\nDIFFERENCE: " + "; ".join(words) + "\nsave this as campaigns/corpus/decisions/NAME.json:\n" + case.text())
    return len(tally.found)


def show_parser(result: crashes.Result) -> int:
    for words, data in result.found.items():
        print(f"\nFINDING in {result.name}: {words}\ninput: {data[:2000]!r}")
    return len(result.found)


def report(options: argparse.Namespace, rows: list[tuple[object, ...]], tally: Tally | None, began: float) -> None:
    columns = ("what", "cases", "seconds", "differences", "wrongly allowed")
    totals: dict[str, object] = {"seed": options.seed}
    if tally is not None:
        totals["configurations"] = tally.configs
        totals["allowed"] = tally.allowed
        totals["reasons seen"] = json.dumps(dict(sorted(tally.reasons.items())))
    write("fuzz", "Decisions compared, parsers fed", "make fuzz", columns, rows, facts(began, **totals), keep=options.results)


if __name__ == "__main__":
    sys.exit(main())
