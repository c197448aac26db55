"""Access reviews of a configuration as it lies on disk, for the command line."""

import gc
from concurrent.futures import ThreadPoolExecutor

from sidecar.adapters.clock import SystemClock
from sidecar.app.validation import Validated

from .access import access
from .compare import Difference, compare_validated
from .reviewed import Reviewed, load
from .whocan import Review, who_can


def review_who_can(config: str, asked: str, *, permission: bool, with_files: bool, wall: float | None) -> Review:
    """Review a route or a permission. Raises ConfigError, NotFound."""
    return who_can(_reviewed(config, with_files, wall), asked, permission=permission)


def review_access(config: str, principal: str, *, with_files: bool, wall: float | None) -> Review:
    """Review a principal. Raises ConfigError, NotFound."""
    return access(_reviewed(config, with_files, wall), principal)


def review_change(old: str, new: str, *, with_files: bool, wall: float | None) -> Difference:
    """Compare two configurations. Raises ConfigError."""
    both = _load_both(old, new, with_files=with_files)
    return compare_validated(*both, (old, new), _moment(wall), with_files=with_files)


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
