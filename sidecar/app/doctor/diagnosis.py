"""All of the doctor's checks, in the order in which one would look by hand."""

import asyncio
from pathlib import Path

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.fetch import HttpxFetcher
from sidecar.app.validation import Validated, validate_sync
from sidecar.model.errors import ConfigError, SourceError

from .envoy.check import check_envoy
from .envoy.source import read_envoy
from .expected import expected_of
from .files import check_files
from .findings import Finding, Findings, Severity, named
from .host import check_descriptors, check_packages, check_python
from .issuers import check_issuers
from .running import check_running


def diagnose(config: str, envoy: str | None = None, admin: str | None = None, *, offline: bool = False) -> tuple[Finding, ...]:
    """Look at everything around the configuration at ``config``.

    Args:
        config: a file or directory, as ``sidecar serve`` takes it.
        envoy: Envoy's configuration: a file, ``-`` for standard input, or its admin interface's URL.
        admin: URL of a running sidecar's admin listener.
        offline: ask no issuer.

    Raises:
        SourceError: one of the inputs is not there, or not what it should be.
    """
    if not Path(config).exists():
        raise SourceError(f"{config}: no such file or directory")
    tree = read_envoy(envoy) if envoy else None
    clock = SystemClock()
    findings = Findings()
    check_python(findings)
    check_packages(findings)
    validated = _validated(config, findings)
    check_descriptors(validated.settings if validated else None, findings)
    if validated is not None:
        check_files(validated.settings, config, clock.now().wall, findings)
    fetcher = HttpxFetcher(clock)
    if validated is not None and not offline:
        asyncio.run(check_issuers(validated.settings, fetcher, clock, findings))
    if admin:
        settings, revision = (validated.settings, validated.revision) if validated else (None, "")
        asyncio.run(check_running(admin, settings, revision, fetcher, findings))
    if tree is not None:
        check_envoy(tree, expected_of(validated.settings) if validated else None, findings)
    return tuple(findings.all)


def _validated(config: str, findings: Findings) -> Validated | None:
    try:
        validated = validate_sync(config)
    except ConfigError as error:
        findings.problems(Severity.ERROR, "config", error.problems)
        return None
    findings.problems(Severity.WARNING, "config.lint", validated.warnings)
    findings.ok("config", named(config), f"valid, revision {validated.revision}")
    return validated
