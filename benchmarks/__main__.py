"""Measure, print a table, write JSON: ``python -m benchmarks [--guard] [--only NAME]``."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from .bare_python import python_slowness
from .effort import FULL, GUARD, Effort
from .engine import measure_engine
from .facts import VERIFY_RANGE, gather
from .fronts import measure_grpcio, measure_native
from .new_token import measure_new_token
from .policies import measure_policies, measure_shadow
from .reload import measure_reload
from .report import caveats, committed_figures, remarks, table, write_json
from .scaling import measure_roles, measure_routes
from .start import measure_start
from .targets import TARGETS, Figure, Verdict, breached, judge

RESULTS = Path(__file__).with_name("results")
Measure = Callable[[Path, Effort], Iterable[Figure]]

GROUPS: dict[str, Measure] = {
    "engine": measure_engine,
    "new-token": measure_new_token,
    "routes": measure_routes,
    "roles": measure_roles,
    "policies": measure_policies,
    "shadow": measure_shadow,
    "reload": measure_reload,
    "native": measure_native,
    "grpcio": measure_grpcio,
    "start": measure_start,
}


GUARDED = ("engine", "new-token", "routes", "roles", "native", "grpcio", "start")
"""What CI runs: figures that the committed run has, in a few minutes."""


def main() -> int:
    """Run what was asked for; exit code 1 when the guard is breached or a target is missed."""
    options = _options()
    effort = GUARD if options.guard else FULL
    facts = gather()
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for group in options.only or (GUARDED if options.guard else GROUPS):
            print(f"measuring {group} …", file=sys.stderr, flush=True)
            figures |= {figure.name: figure for figure in GROUPS[group](Path(folder) / group, effort)}
    print(table(figures))
    print(remarks(facts))
    for caveat in caveats(figures):
        print(caveat)
    name = "guard.json" if options.guard else "partial.json" if options.only else "latest.json"
    write_json(options.output or RESULTS / name, facts, figures)
    if not options.guard:
        return int(any(judge(target, figures.get(target.name)) is Verdict.MISSED for target in TARGETS))
    slowness = max(1.0, float(str(facts["bare_rs256_verify_us"])) / VERIFY_RANGE[1], python_slowness(figures))
    reached = committed_figures(RESULTS / "latest.json")
    breaches = [target for target in TARGETS if breached(target, figures.get(target.name), slowness, reached.get(target.name))]
    for target in breaches:
        print(
            f"guard: {target.name} is above {max(target.must or 0.0, reached.get(target.name) or 0.0)} with its margin of {target.margin}"
        )
    return int(bool(breaches))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--guard", action="store_true", help="a short run with wide margins, for CI")
    parser.add_argument(
        "--only", action="append", choices=list(GROUPS), metavar="NAME", help=f"one of {', '.join(GROUPS)}; may be repeated"
    )
    parser.add_argument("--output", type=Path, help="where the JSON goes (default: results/latest.json, guard.json or partial.json here)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
