"""The files of policy tests: found, read, and joined with the fixtures that they share."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.files import SUFFIXES, read_bounded
from sidecar.config.marks import KeyPath, Mark
from sidecar.config.policytest import read_tests
from sidecar.config.schema.policytest import PolicyTests
from sidecar.config.suggest import hint_for
from sidecar.model.errors import ConfigError, Problem, Where

MAX_FILE = 4 * 1024 * 1024
MAX_FILES = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One file as read. ``name`` is the path as the operator knows it."""

    name: str
    tests: PolicyTests
    mark: Mark

    def problem(self, path: KeyPath, message: str, hint: str = "") -> Problem:
        """Make a problem at a place of the file."""
        return self.mark.problem(path, message, hint)

    def beside(self, path: str) -> str:
        """Return the path of a file that this one names."""
        return os.path.normpath(os.path.join(os.path.dirname(self.name), path))  # noqa: PTH118, PTH120 - as operators would write it


@dataclass(frozen=True, slots=True, eq=False)
class Suite:
    """A file whose tests are run. ``sources``: itself, then every fixture file that it can use."""

    source: Source
    sources: tuple[Source, ...]


def read_suites(paths: Sequence[str]) -> tuple[Suite, ...]:
    """Read every test file at ``paths``. Raises ConfigError with whatever is wrong in any of them."""
    reader = _Reader()
    given = [(name, is_file) for path in paths for name, is_file in _found(path)]
    suites = [reader.suite(name) for name in {os.path.realpath(name): name for name, _ in reversed(given)}.values()][::-1]
    explicit = {name for name, is_file in given if is_file}
    kept = []
    for suite in suites:
        if suite is None:
            continue
        tests = suite.source.tests
        if tests.cases or tests.matrices:
            kept.append(suite)
        elif suite.source.name in explicit or suite.source not in reader.fixtures:
            hint = "write `cases` or `matrices`, or name it under `fixtures` of a file that has them"
            reader.problems.append(Problem(Where(suite.source.name, 0, ""), "tests nothing", hint))
    if reader.problems:
        raise ConfigError(tuple(dict.fromkeys(reader.problems)))
    return tuple(kept)


def _found(path: str) -> Iterator[tuple[str, bool]]:
    """Each file at ``path``, and whether it was named itself. Raises ConfigError."""
    if not Path(path).is_dir():
        yield path, True
        return
    files = sorted(
        os.path.join(folder, name)  # noqa: PTH118 - as it was given, without its being normalised
        for folder, _, names in os.walk(path)
        for name in names
        if name.endswith(SUFFIXES) and not name.startswith(".")
    )
    if not files or len(files) > MAX_FILES:
        message = f"holds more than {MAX_FILES} files" if files else "holds no *.yaml or *.yml file"
        raise ConfigError((Problem(Where(path, 0, ""), message, "name the files with the tests"),))
    for name in files:
        yield name, False


class _Reader:
    """Reads each file once. ``fixtures``: those that another file uses."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.fixtures: set[Source] = set()
        self._read: dict[str, Source | None] = {}

    def suite(self, name: str) -> Suite | None:
        source = self._source(name)
        if source is None:
            return None
        sources = [source]
        for one in sources:  # grows while it is walked
            for number, fixture in enumerate(one.tests.fixtures or ()):
                found = self._fixture(one, number, fixture)
                if found is not None and found not in sources:
                    sources.append(found)
        self._check_names(sources)
        return Suite(source, tuple(sources))

    def _source(self, name: str) -> Source | None:
        key = os.path.realpath(name)
        if key not in self._read:
            self._read[key] = self._load(name, None)
        return self._read[key]

    def _fixture(self, user: Source, number: int, fixture: str) -> Source | None:
        name = user.beside(fixture)
        key = os.path.realpath(name)
        if key not in self._read:
            self._read[key] = self._load(name, user.mark.where(("fixtures", number)))
        found = self._read[key]
        if found is not None:
            self.fixtures.add(found)
        return found

    def _load(self, name: str, where: Where | None) -> Source | None:
        try:
            read = read_tests(name, read_bounded(name, MAX_FILE, where))
        except ConfigError as error:
            self.problems += error.problems
            return None
        self.problems += read.problems
        return None if read.tests is None else Source(name, read.tests, read.mark)

    def _check_names(self, sources: Sequence[Source]) -> None:
        """One name must not mean two things, whichever file was read first."""
        for kind in ("principals", "requests", "attributes"):
            first: dict[str, Source] = {}
            for source in sources:
                for name in getattr(source.tests, kind):
                    known = first.setdefault(name, source)
                    if known is not source:
                        where = known.mark.where((kind, name))
                        message = f"is defined in {where.file}:{where.line} too"
                        self.problems.append(source.problem((kind, name), message, "give one of them another name"))


def named(sources: Sequence[Source], kind: str, name: str) -> Source | None:
    """Return the file that defines a fixture."""
    return next((source for source in sources if name in getattr(source.tests, kind)), None)


def hint_of_names(sources: Sequence[Source], kind: str, name: str, *more: str) -> str:
    """Suggest a fixture of another name."""
    known = [*more, *(known for source in sources for known in getattr(source.tests, kind))]
    return hint_for(name, known, f"define it under `{kind}`")
