"""Settings to running parts: the composition root. What a configuration does not need is not imported."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sidecar.model.errors import ConfigError, Problem

from .validation import Validated, read_key_file_async, read_table_async, validate_async, validate_sync

if TYPE_CHECKING:
    from sidecar.adapters.logs import LogWriter
    from sidecar.authn.keytable import KeyTable
    from sidecar.model.settings import IssuerSettings, Settings
    from sidecar.ports import AttributeClient, Clock

    from .issuer_sources import Refresher
    from .process import Core, Process, ShadowCore
    from .reload import Reloader

log = logging.getLogger(__name__)

RECORDS_FD = 1
"""Decision records go to standard output, the process's own log to standard error."""


async def start(config: str, logs: "LogWriter", shadow: "ShadowConfig | None" = None) -> "Process":
    """Start everything; returns once the check listener is open. ``shadow``: a candidate configuration to try beside it.

    The validator child works while the rest is imported here. Raises ConfigError, SidecarError, OSError.
    """
    loop = asyncio.get_running_loop()
    validating = loop.run_in_executor(None, validate_sync, config)
    from sidecar.adapters.clock import SystemClock  # noqa: PLC0415

    clock = SystemClock()
    began = clock.now()
    core = _core(clock)
    from .process import forbidden_changes  # noqa: PLC0415
    from .serving import open_listeners  # noqa: PLC0415

    validated = await validating
    unread = await _first_install(config, core, validated, began.wall)
    reloader = _reloader(config, core, validated.revision, running=lambda: core.snapshot.settings, guard=forbidden_changes)
    reloader.changed(unread)
    candidate = None if shadow is None else _candidate(shadow, core)
    process = await open_listeners(core, reloader, logs, RECORDS_FD, began, candidate)
    _follow_changes(config, core, reloader, validated)
    _warn(config, process, validated)
    return process


class ShadowConfig(NamedTuple):
    """A candidate configuration, and the share (0 to 1) of the checks that it is asked about."""

    config: str
    share: float


def _candidate(shadow: ShadowConfig, active: "Core") -> "ShadowCore":
    """Start what a candidate needs: a core of its own, loaded by its own reloader, so that a broken one hurts nobody."""
    from .process import ShadowCore  # noqa: PLC0415
    from .reload import CONFIG  # noqa: PLC0415

    core = _core(active.clock)
    # Nothing is guarded: it decides nothing, so it may be anything.
    what, running = "candidate configuration, which decides nothing,", lambda: active.snapshot.settings
    reloader = _reloader(shadow.config, core, "", running=running, guard=lambda _old, _new: (), what=what)
    core.watcher.watch(CONFIG, (os.path.abspath(shadow.config),))  # noqa: PTH100 - symbolic links stay
    reloader.changed((CONFIG,))
    _start_following(core, reloader)
    return ShadowCore(shadow.config, shadow.share, core, reloader)


def _core(clock: "Clock") -> "Core":
    from sidecar.adapters.files import read_bounded  # noqa: PLC0415
    from sidecar.adapters.secrets import FileAndEnvSecrets  # noqa: PLC0415
    from sidecar.adapters.watch import FileWatcher  # noqa: PLC0415
    from sidecar.engine.check import Engine  # noqa: PLC0415
    from sidecar.engine.snapshot import Current  # noqa: PLC0415
    from sidecar.model.meter import Meter  # noqa: PLC0415

    from .attribute_sources import AttributeSources  # noqa: PLC0415
    from .issuer_sources import IssuerSources  # noqa: PLC0415
    from .process import Core  # noqa: PLC0415
    from .store_sources import StoreSources  # noqa: PLC0415
    from .supervise import Supervisor  # noqa: PLC0415

    meter, secrets, supervisor = Meter(), FileAndEnvSecrets(), Supervisor(clock)
    return Core(
        clock=clock,
        meter=meter,
        engine=Engine(meter),
        current=Current(),
        supervisor=supervisor,
        watcher=FileWatcher(),
        issuers=IssuerSources(secrets, read_bounded, partial(_refresher, clock), supervisor),
        stores=StoreSources(secrets, clock, read_key_file_async),
        attributes=AttributeSources(secrets, clock, _attribute_client, read_table_async),
    )


async def _attribute_client(url: str, headers: Mapping[str, bytes], ca_file: str | None) -> "AttributeClient":
    from sidecar.adapters.attribute_http import open_client  # noqa: PLC0415 - only where a source is asked

    return await open_client(url, headers, ca_file)


def _refresher(clock: "Clock", settings: "IssuerSettings", table: "KeyTable") -> "Refresher":
    from sidecar.adapters.fetch import HttpxFetcher  # noqa: PLC0415 - only where keys are fetched
    from sidecar.authn.jwks import KeyRefresher  # noqa: PLC0415

    return KeyRefresher(settings, table, HttpxFetcher(clock), clock)


async def _first_install(config: str, core: "Core", validated: Validated, began: float) -> frozenset[str]:
    """Install, and return the groups that could not be read when that was tried once more."""
    from sidecar.config import guard  # noqa: PLC0415

    from .reload import placed  # noqa: PLC0415

    settings = validated.settings
    problems = guard.refused(guard.at_start(settings), settings)
    if problems:
        raise ConfigError(placed(problems, config))
    late = await core.install(validated, began, paced=False)
    return await core.reread(late) if late else late


def _reloader(
    config: str,
    core: "Core",
    revision: str,
    *,
    running: "Callable[[], Settings]",
    guard: "Callable[[Settings, Settings], tuple[Problem, ...]]",
    what: str = "configuration",
) -> "Reloader[Validated]":
    from .reload import Reloader, Steps  # noqa: PLC0415

    reading_since = 0.0

    async def validated_again() -> Validated:
        nonlocal reading_since
        reading_since = core.clock.now().wall
        return await validate_async(config)

    async def install(validated: Validated) -> None:
        reloader.changed(await core.install(validated, reading_since, paced=True))

    steps = Steps(validate=validated_again, guard=guard, install=install, reread=core.reread, running=running)
    reloader = Reloader(config, revision, steps, core.clock, what=what)
    return reloader


def _follow_changes(config: str, core: "Core", reloader: "Reloader[Validated]", validated: Validated) -> None:
    from sidecar.config.files import read_config  # noqa: PLC0415

    from .reload import CONFIG  # noqa: PLC0415

    core.watcher.watch(CONFIG, (os.path.abspath(config),))  # noqa: PTH100 - symbolic links stay
    try:
        changed = read_config(config).revision != validated.revision
    except ConfigError:
        changed = True
    if changed:  # between the validator's reading and the watch
        reloader.changed((CONFIG,))
    _start_following(core, reloader)


def _start_following(core: "Core", reloader: "Reloader[Validated]") -> None:
    async def follow() -> None:
        async for groups in core.watcher.changes():
            reloader.changed(groups)

    core.supervisor.start("follow changes", follow)
    core.supervisor.start("reload", reloader.run)


def _warn(config: str, process: "Process", validated: Validated) -> None:
    """Say at start what weakens security, what is doubtful, and which files will not be seen to change."""
    from sidecar.adapters.files import never_updated  # noqa: PLC0415

    from .process import watched_groups  # noqa: PLC0415
    from .unsafe import unsafe_settings  # noqa: PLC0415

    for setting in unsafe_settings(process.settings):
        log.warning("a setting weakens security: %s", setting, extra={"setting": setting})
    for problem in validated.warnings:
        log.warning("configuration: %s", problem)
    for path in (config, *(path for paths in watched_groups(process.settings).values() for path in paths)):
        why = never_updated(path)
        if why is not None:
            log.warning("%s", why, extra={"path": path})
