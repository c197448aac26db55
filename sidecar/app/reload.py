"""Hot reload: debounce → validate in a child → guard → compile in slices → swap; any failure keeps the last good.

A change of key material alone (a key file, a JWKS file, a secret) does not need the configuration to be valid: it
is read against the *running* settings first, so that a revocation acts even while a broken edit lies in the
configuration directory.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, Protocol, TypeVar

from sidecar.model.errors import ConfigError, Problem, SidecarError, Where
from sidecar.model.settings import Settings
from sidecar.ports import Clock

log = logging.getLogger(__name__)

CONFIG = "config"
"""The source that is the configuration itself."""

QUIET = 0.1
"""Seconds without a further change before a reload starts: editors and kubelet write in several steps."""
LONGEST_WAIT = 1.0

RETRY = 30.0
AGAIN = 5.0
"""Seconds until sources that could not be read are read again, doubled up to RETRY each time: a revoked key that stands in one
of them is good until then, and the file itself will not change again for it."""


class Candidate(Protocol):
    """What the validator child returns, as far as a reload needs to know it."""

    @property
    def settings(self) -> Settings:
        """The validated settings."""

    @property
    def revision(self) -> str:
        """Digest of the configuration files."""


C = TypeVar("C", bound=Candidate)


class Stage(Enum):
    """Where a reload stands; shown in /status."""

    IDLE = "idle"
    SETTLING = "settling"
    VALIDATING = "validating"
    INSTALLING = "installing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last reload ended. ``at``: wall time in seconds; ``problems`` is empty exactly when it went well."""

    at: float
    revision: str
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """True when the configuration on disk is the one in use."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Steps(Generic[C]):
    """What a reload is made of; the composition root gives the real ones.

    ``validate`` reads and checks the files in a child; raises ConfigError. ``guard`` compares the running settings
    with new ones and returns what forbids the change. ``install`` loads new sources, compiles and swaps; it raises
    ConfigError and then has changed nothing. ``reread`` takes the names of the sources whose files changed and
    renews their tables; it reports its own failures, and returns the names of those that are to be tried again.
    """

    validate: Callable[[], Awaitable[C]]
    guard: Callable[[Settings, Settings], tuple[Problem, ...]]
    install: Callable[[C], Awaitable[None]]
    reread: Callable[[frozenset[str]], Awaitable[frozenset[str]]]
    running: Callable[[], Settings]


class Reloader(Generic[C]):
    """Turns changes on disk into a new snapshot, one at a time. Lives on the event loop."""

    def __init__(
        self, config: str, revision: str, steps: Steps[C], clock: Clock, *, quiet: float = QUIET, what: str = "configuration"
    ) -> None:
        """``config`` is the file or directory, ``what`` is said of it in the log; ``revision`` the one that was loaded at start."""
        self.stage = Stage.IDLE
        self.last = Outcome(clock.now().wall, revision)
        """The load at start counts as the first one, and it went well."""
        self._config = config
        self._steps = steps
        self._clock = clock
        self._quiet = quiet
        self._what = what
        self._changed: set[str] = set()
        self._unread: frozenset[str] = frozenset()
        """Sources that could not be read."""
        self._pause = AGAIN
        self._again_at = self._retry_at = 0.0
        """When to try those again, and the configuration; of the loop's clock."""
        self._wake = asyncio.Event()

    def changed(self, sources: Iterable[str]) -> None:
        """Take note that files of these sources (CONFIG among them) changed; returns at once."""
        self._changed.update(sources)
        self._wake.set()

    async def run(self) -> None:
        """Handle changes forever."""
        while True:
            await self._wait()
            self.stage = Stage.SETTLING
            await self._settle()
            changed, self._changed = frozenset(self._changed), set()
            try:
                await self._handle(changed)
            finally:
                self.stage = Stage.IDLE

    async def _wait(self) -> None:
        """Wait for a change; after a failure also for the time to try again, since what was missing may not be watched."""
        times = [when for when, wanted in ((self._again_at, self._unread), (self._retry_at, not self.last.ok)) if wanted]
        until = min(times, default=None)
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - self._clock.mono())):
                await self._wake.wait()
        except TimeoutError:
            due = not self.last.ok and self._retry_at == until
            self.changed((CONFIG,) if due else self._unread)

    async def _settle(self) -> None:
        until = self._clock.mono() + LONGEST_WAIT
        while self._wake.is_set() and self._clock.mono() < until:
            self._wake.clear()
            await asyncio.sleep(self._quiet)
        self._wake.clear()

    async def _handle(self, changed: frozenset[str]) -> None:
        sources = changed - {CONFIG}
        before = self._unread
        if sources:
            self._unread = before | sources  # until they are read, whatever happens
            self._unread = (before - sources) | await self._steps.reread(sources)
            self._pause = min(2 * self._pause, RETRY) if self._unread and self._unread == before else AGAIN
            self._again_at = self._clock.mono() + self._pause
        # After a failure anything may have been the cause (a missing key file, say): try again on any change.
        if CONFIG in changed or not (self.last.ok or self._unread == before != frozenset()):
            await self._reload()

    async def _reload(self) -> None:
        before = self.last
        problems: tuple[Problem, ...] = (Problem(Where(self._config, 0, ""), "the reload did not finish: an internal error, see the log"),)
        revision = before.revision
        try:
            revision = await self._replace()
            problems = ()
        except ConfigError as error:
            problems = error.problems
        except (SidecarError, OSError) as error:
            problems = (Problem(Where(self._config, 0, ""), str(error)),)
        finally:  # whatever else is raised goes to the supervisor, and must not look like a success
            self._ended(Outcome(self._clock.now().wall, revision, problems))

    async def _replace(self) -> str:
        self.stage = Stage.VALIDATING
        candidate = await self._steps.validate()
        problems = self._steps.guard(self._steps.running(), candidate.settings)
        if problems:
            raise ConfigError(placed(problems, self._config))
        self.stage = Stage.INSTALLING
        await self._steps.install(candidate)
        return candidate.revision

    def _ended(self, outcome: Outcome) -> None:
        before, self.last = self.last, outcome
        self._retry_at = self._clock.mono() + RETRY
        if outcome.ok and (outcome.revision != before.revision or not before.ok):
            log.info("%s reloaded", self._what, extra={"revision": outcome.revision})
        for problem in outcome.problems if outcome.problems != before.problems else ():
            log.error("%s not reloaded, the last good one stays: %s", self._what, problem, extra={"revision": outcome.revision})


def placed(problems: Iterable[Problem], config: str) -> tuple[Problem, ...]:
    """Name the configuration where a problem is about what is *not* in it, and so has no file of its own."""
    return tuple(problem if problem.where.file else replace(problem, where=replace(problem.where, file=config)) for problem in problems)


RESTART_SENTENCE = "needs a restart: a running sidecar does not change it"


def restart_only(running: Settings, new: Settings) -> tuple[Problem, ...]:
    """What differs although it is fixed while the process lives (docs/reference/configuration.md)."""
    fixed = (
        ("server.listen", running.server.listen, new.server.listen),
        ("server.transport", running.server.transport, new.server.transport),
        ("server.tls", running.server.tls, new.server.tls),
        ("telemetry.listen", running.telemetry.listen, new.telemetry.listen),
        ("admin.listen", running.admin.listen, new.admin.listen),
    )
    return tuple(
        Problem(Where("", 0, key), f"{key} {RESTART_SENTENCE}", "restart the pod, or put the old value back")
        for key, old, value in fixed
        if old != value
    )
