"""How long ``sidecar diff`` takes on two configurations of 10,000 routes, 1,000 policies and 5,000 roles: ``python -m benchmarks.diff``.

From ``exec`` to exit, both configurations read and validated, as CI would run it. Writes results/diff.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from .configs import Shape, write_config
from .corpus import Signer
from .facts import gather
from .targets import Figure, Target, judge

RESULTS = Path(__file__).with_name("results") / "diff.json"
TARGET = Target(name="diff", what="diff of two configurations of 10,000 routes, 1,000 policies, 5,000 roles", unit="s", must=10, goal=3)
SHAPE = Shape(routes=10_000, roles=5_000)
POLICIES = 1_000
DENIES = 4
"""One policy in so many denies."""
OPENS = 3
"""The exit code of a diff that opens something."""


def main() -> int:
    """Measure; exit code 1 when the target is missed."""
    options = _options()
    facts = gather()
    with tempfile.TemporaryDirectory(prefix="bench-diff-") as folder:
        old, new = write_pair(Path(folder))
        runs = [_run(old, new) for _ in range(options.runs + 1)][1:]
    seconds, processor = [one[0] for one in runs], [one[1] for one in runs]
    details: dict[str, object] = {
        "seconds": [round(one, 2) for one in seconds],
        "cpu_seconds": [round(one, 2) for one in processor],
    }
    figure = Figure(name="diff", value=median(seconds), details=details)
    verdict = judge(TARGET, figure)
    print(f"{TARGET.what}: {figure.value:.2f} s, {median(processor):.2f} s of processor: {verdict.value}")
    row = {"name": figure.name, "measured": round(figure.value, 3), "must": TARGET.must, "goal": TARGET.goal, "details": details}
    options.output.write_text(json.dumps({"facts": dict(facts), "rows": [row]}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(TARGET.must is not None and figure.value > TARGET.must)


def write_pair(folder: Path) -> tuple[Path, Path]:
    """Write both: the new one differs in roles, policies, a path and who is accepted."""
    old = write_config(folder / "old", Signer().jwks(), SHAPE)
    text = _with_policies(old.read_text())
    old.write_text(text)
    new = folder / "new.yaml"
    changes = (
        ('"things-7:*"', '"things-9:*"'),
        ('user: {permissions: ["posts:read"]}', 'user: {permissions: ["posts:read", "posts:create"]}'),
        ("['09:00', '17:00']}, request.headers.x-tenant: {equals: t77}", "['08:00', '17:00']}, request.headers.x-tenant: {equals: t77}"),
        ("/api/v1/posts-500/{post_id}", "/api/v2/posts-500/{post_id}"),
    )
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    new.write_text(text)
    return old, new


def _with_policies(text: str) -> str:
    """Put policies before the routes, and three of them on each route."""
    head, routes = text.split("routes:\n")
    policies = [_policy(number) for number in range(POLICIES)]
    lines = [_with_three(number, line) for number, line in enumerate(routes.splitlines())]
    return "\n".join([head.rstrip(), "policies:", *policies, "routes:", *lines]) + "\n"


def _policy(number: int) -> str:
    effect = "deny" if number % DENIES == 0 else "allow"
    return (
        f"  p-{number}: {{effect: {effect}, conditions: {{user.role: {{in: [admin, role-{number}]}}, "
        f"environment.time: {{between: ['09:00', '17:00']}}, request.headers.x-tenant: {{equals: t{number}}}}}}}"
    )


def _with_three(number: int, line: str) -> str:
    allows = [f"p-{(number * DENIES + step) % POLICIES}" for step in (1, 2)]
    return line.replace("require: {", f"deny: [p-{number * DENIES % POLICIES}], require: {{policies: [{', '.join(allows)}], ")


def _run(old: Path, new: Path) -> tuple[float, float]:
    """Return seconds, and seconds of processor of it and its children."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "sidecar", "diff", str(old), str(new)], capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - start, os.times()
    assert done.returncode == OPENS, done.stderr or done.stdout
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diff", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs that count, after one that warms the disk cache")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
