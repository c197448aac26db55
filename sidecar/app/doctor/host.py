"""What the sidecar runs on: Python, packages, file descriptors."""

import re
import resource
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import NamedTuple

from sidecar.model.settings import Settings

from .findings import Findings, named

DISTRIBUTION = "ext-authz-sidecar"
OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 14)
SPARE = 128
"""Descriptors for everything but checks: listeners, files, fetches, records."""
DEFAULT_IN_FLIGHT = 1024
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*\(?([^;()]*)\)?\s*(;.*)?")
_BOUND = re.compile(r"(>=|<=|==|<|>|~=|!=)\s*([0-9][0-9A-Za-z.]*)")


class Requirement(NamedTuple):
    """One package that we need. ``bounds``: (operator, version)."""

    name: str
    bounds: tuple[tuple[str, str], ...]
    optional: bool
    """It has a marker: elsewhere it isn't needed, so that its absence says nothing."""


def check_python(findings: Findings, version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Compare the interpreter with those that are tested."""
    words, where = ".".join(map(str, version)), named("python")
    if version < OLDEST_PYTHON:
        findings.error("versions.python", where, f"Python {words} is too old", "Python 3.11 or newer")
    elif version > NEWEST_PYTHON:
        findings.warning("versions.python", where, f"Python {words} is newer than what was tested", "Python 3.11 to 3.14")
    else:
        findings.ok("versions.python", where, f"Python {words}")


def check_packages(
    findings: Findings,
    requires: Callable[[], list[str] | None] = lambda: metadata.requires(DISTRIBUTION),
    installed: Callable[[str], str] = metadata.version,
) -> None:
    """Compare what is installed with what the package declares."""
    try:
        requirements = [need for text in requires() or () if (need := parse_requirement(text)) is not None]
    except metadata.PackageNotFoundError:
        findings.warning("versions.packages", named(DISTRIBUTION), "is not installed as a package: its needs cannot be told", "pip install")
        return
    start = len(findings.all)
    for need in requirements:
        try:
            found = installed(need.name)
        except metadata.PackageNotFoundError:
            if not need.optional:
                findings.error("versions.packages", named(need.name), "is not installed", f"pip install '{DISTRIBUTION}'")
            continue
        if unmet := [f"{operator}{bound}" for operator, bound in need.bounds if not holds(found, operator, bound)]:
            findings.error("versions.packages", named(need.name), f"{found} is not {', '.join(unmet)}", f"pip install '{DISTRIBUTION}'")
    if findings.sound_since(start):
        findings.ok("versions.packages", named(DISTRIBUTION), f"{len(requirements)} packages are as needed")


def parse_requirement(text: str) -> Requirement | None:
    """Read a line of the package's metadata; None for those of an extra."""
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None or "extra ==" in (found[3] or ""):
        return None
    return Requirement(found[1], tuple(_BOUND.findall(found[2])), bool(found[3]))


def holds(found: str, operator: str, bound: str) -> bool:
    """Compare release numbers; what follows them (rc1, .post2) does not count."""
    have, want = _release(found), _release(bound)
    width = max(len(have), len(want))
    left, right = (tuple(_padded(one, width)) for one in (have, want))
    match operator:
        case ">=":
            return left >= right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case "==":
            return left == right
        case "!=":
            return left != right
        case _:  # ~=
            return left >= right and have[: len(want) - 1] == want[:-1]


def _padded(numbers: tuple[int, ...], width: int) -> Iterator[int]:
    yield from numbers
    yield from (0 for _ in range(width - len(numbers)))


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else (0,)


def check_descriptors(settings: Settings | None, findings: Findings, limit: int | None = None) -> None:
    """Compare the soft limit of open files with the checks that may be in flight, each over a connection of its own at worst."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    in_flight = settings.server.max_in_flight if settings is not None else DEFAULT_IN_FLIGHT
    where = named("open files")
    if soft != resource.RLIM_INFINITY and soft < in_flight + SPARE:
        findings.warning(
            "limits.open_files",
            where,
            f"the limit of {soft} is below server.max_in_flight ({in_flight}) and {SPARE} for the rest",
            f"ulimit -n {max(4096, 2 * in_flight)}, or a smaller server.max_in_flight",
        )
    else:
        findings.ok("limits.open_files", where, f"{'no limit' if soft == resource.RLIM_INFINITY else soft}, {in_flight} checks in flight")
