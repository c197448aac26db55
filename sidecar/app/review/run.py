"""Access reviews of a configuration as it lies on disk, for the command line."""

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sidecar.adapters.clock import SystemClock
from sidecar.app.validation import Validated

from .access import access
from .compare import Difference, compare
from .recorded import read_records
from .replay import Replay, replay
from .reviewed import Reviewed, load
from .sides import Sides
from .whocan import Review, who_can


def review_who_can(config: str, asked: str, *, permission: bool, with_files: bool, wall: float | None) -> Review:
    """Review a route or a permission. Raises ConfigError, NotFound."""
    return who_can(_reviewed(config, with_files, wall), asked, permission=permission)


def review_access(config: str, principal: str, *, with_files: bool, wall: float | None) -> Review:
    """Review a principal. Raises ConfigError, NotFound."""
    return access(_reviewed(config, with_files, wall), principal)


class Compared(NamedTuple):
    """``replay`` None: there were no records."""

    difference: Difference
    replay: Replay | None


def review_change(old: str, new: str, records: str | None, *, with_files: bool, wall: float | None) -> Compared:
    """Compare two configurations, and what both make of records. Raises ConfigError, OSError."""
    both = _load_both(old, new, with_files=with_files)
    sides = Sides(*both, (old, new), _moment(wall), with_files=with_files)
    return Compared(compare(sides), None if records is None else replay(sides, read_records(records)))


def _load_both(old: str, new: str, *, with_files: bool) -> tuple[Validated, Validated]:
    """Validate both at once, each in a process of its own."""
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(load, path, with_files=with_files) for path in (old, new))
        both = first.result(), second.result()
    gc.freeze()  # what was loaded stays: walking all of it again and again takes longer than comparing it
    return both


def _moment(wall: float | None) -> float:
    return SystemClock().now().wall if wall is None else wall


def _reviewed(config: str, with_files: bool, wall: float | None) -> Reviewed:
    validated = load(config, with_files=with_files)
    return Reviewed(validated, config, _moment(wall), with_files=with_files)
