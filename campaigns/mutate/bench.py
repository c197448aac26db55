"""A copy of what the tests need, broken in one place at a time. The working tree is only read."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .mutant import ROOT, Mutant, NotApplicable

COPIED = ("sidecar", "tests")
TIMEOUT = 60.0
"""Seconds for the tests of one mutant."""
PYTEST = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "--hypothesis-seed=0", "--assert=plain", "-rfE", "--tb=no")
_WARM = Path(__file__).with_name("warm.py")
_UNRELATED = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "UnboundLocalError")
"""A test that fails with one of these shows that the mutant is no code, not that anything was noticed."""
_OLD = 946_684_800
"""Seconds since the epoch: well before any file of ours."""


class Verdict(NamedTuple):
    """``fault`` is empty for a mutant that its tests noticed; ``survived`` tells a hole from a fault of the campaign."""

    mutant: Mutant
    where: str
    fault: str
    survived: bool
    seconds: float


class Bench:
    """One copy. ``run`` breaks a file of it, runs tests against it, and mends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamp = _OLD
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name)
        for path in ROOT.iterdir():
            if path.name not in COPIED and path.name[0] != ".":
                (folder / path.name).symlink_to(path)
        environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "1000"}
        self._warm = subprocess.Popen(
            [sys.executable, str(_WARM)], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if (found := self._answer()) != [str(folder / name / "__init__.py") for name in COPIED]:
            raise SystemExit(f"not the copy in {folder} would be tested, but {found}")

    def close(self) -> None:
        """End the process that runs the tests."""
        self._warm.kill()
        self._warm.communicate()

    def green(self, tests: Sequence[str]) -> str:
        """Run tests against the unbroken copy; return an empty string, or what they said."""
        code, output = self._test(tests, 10 * TIMEOUT)
        return "" if code == 0 else f"exit code {code}\n{output[-4000:]}"

    def run(self, mutant: Mutant) -> Verdict:
        """Break, test, mend."""
        path = self.folder / mutant.path
        whole = path.read_text(encoding="utf-8")
        try:
            broken, where = mutant.apply(whole), mutant.where(whole)
        except NotApplicable as fault:
            return Verdict(mutant, "", str(fault), survived=False, seconds=0.0)
        began = time.monotonic()
        self._write(path, broken)
        try:
            code, output = self._test(mutant.tests, TIMEOUT)
        finally:
            self._write(path, whole)
        fault, survived = _judge(mutant, code, output)
        return Verdict(mutant, where, fault, survived, time.monotonic() - began)

    def _write(self, path: Path, text: str) -> None:
        """Write a module with a time of its own: byte code is found by time in seconds and by size."""
        path.write_text(text, encoding="utf-8")
        self._stamp += 1
        os.utime(path, (self._stamp, self._stamp))

    def _test(self, tests: Sequence[str], timeout: float) -> tuple[int | None, str]:
        assert self._warm.stdin is not None
        self._warm.stdin.write(json.dumps([[*PYTEST, *tests], timeout]) + "\n")
        self._warm.stdin.flush()
        code, output = self._answer()
        return code, output

    def _answer(self) -> list:
        assert self._warm.stdout is not None
        line = self._warm.stdout.readline()
        if not line:
            raise SystemExit(f"the process that runs the tests in {self.folder} is gone")
        return json.loads(line)


def _judge(mutant: Mutant, code: int | None, output: str) -> tuple[str, bool]:
    if code == 0:
        return "survived", True
    if code is None:
        return "" if mutant.hangs else f"not done within {TIMEOUT:.0f} s", False
    if code != 1:
        return f"pytest ended with code {code}: {output[-2000:]}", False
    lines = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    for test in mutant.tests:
        found = [line for line in lines if _is_of(line, test)]
        if not found:
            return f"survived {test}", True
        if any(f" - {name}" in line for line in found for name in _UNRELATED):
            return f"fails for another reason: {found[0]}", False
    return "", False


def _is_of(line: str, test: str) -> bool:
    """Whether a line of pytest's summary is about ``test``, or about a case of it."""
    said = line.partition(" ")[2]
    rest = said.removeprefix(test)
    return rest != said and (not rest or rest[0] in "[: ")


@contextmanager
def benches(count: int) -> Iterator[list[Bench]]:
    """Make copies; remove them in the end."""
    made: list[Bench] = []
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        try:
            for number in range(count):
                place = Path(folder).resolve() / str(number)
                place.mkdir()
                made.append(Bench(place))
            yield made
        finally:
            for bench in made:
                bench.close()
