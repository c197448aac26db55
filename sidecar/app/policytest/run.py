"""All of it: test files and a configuration in, a report out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.secrets import FileAndEnvSecrets
from sidecar.app.validation import Validated, read_key_file, validate_sync
from sidecar.model.errors import ConfigError
from sidecar.model.key_entry import KeyEntry
from sidecar.model.settings import KeyStoreSettings

from .compare import Difference, differences
from .coverage import Coverage, coverage_of
from .decide import Decided, decide
from .files import Suite, read_suites
from .plan import Trial, plan
from .stage import set_stage


class BadTests(ConfigError):
    """Test files that cannot be run as they are."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one trial; it passed where nothing differs."""

    trial: Trial
    decided: Decided
    wrong: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of all of them."""

    config: str
    revision: str
    results: tuple[Result, ...]
    coverage: Coverage

    @property
    def failed(self) -> tuple[Result, ...]:
        """Those that came otherwise than expected."""
        return tuple(result for result in self.results if result.wrong)


def run(paths: Sequence[str], config: str) -> Report:
    """Run every test at ``paths``. Asks no network, and reads secrets and keys only for real credentials.

    Raises BadTests for the test files, ConfigError for the configuration, SourceError for keys that cannot be read.
    """
    try:
        suites = read_suites(paths)
    except ConfigError as error:
        raise BadTests(error.problems) from None
    return run_on(suites, validate_sync(config, with_files=False), config)


def run_on(suites: Sequence[Suite], validated: Validated, config: str) -> Report:
    """Do the same with what was read; ``config`` is the configuration's name. Raises the same."""
    settings, entries = validated.settings, _Entries()
    try:
        planned = plan(suites, settings, entries.of, FileAndEnvSecrets().read)
    except ConfigError as error:
        if entries.broken:
            raise
        raise BadTests(error.problems) from None
    for who in planned.people:
        if who.way == "api_key":
            entries.of(settings.api_keys[who.authenticator])
    stage = set_stage(settings, validated.revision, planned.people, entries.read)
    now = SystemClock().now()
    results = []
    for trial in planned.trials:
        decided = decide(trial, stage, now)
        results.append(Result(trial, decided, differences(trial.expect, decided)))
    coverage = coverage_of(settings, (result.decided for result in results))
    return Report(config=config, revision=validated.revision, results=tuple(results), coverage=coverage)


class _Entries:
    """The key files that a test needs, each read once."""

    def __init__(self) -> None:
        self.broken = False
        self._read: dict[str, tuple[KeyEntry, ...]] = {}

    @property
    def read(self) -> Mapping[str, tuple[KeyEntry, ...]]:
        return self._read

    def of(self, store: KeyStoreSettings) -> tuple[KeyEntry, ...]:
        if store.name not in self._read:
            try:
                self._read[store.name] = read_key_file(store)
            except ConfigError:
                self.broken = True
                raise
        return self._read[store.name]
