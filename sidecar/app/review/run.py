"""Access reviews of a configuration as it lies on disk, for the command line."""

from sidecar.adapters.clock import SystemClock

from .access import access
from .reviewed import Reviewed, load
from .whocan import Review, who_can


def review_who_can(config: str, asked: str, *, permission: bool, with_files: bool, wall: float | None) -> Review:
    """Review a route or a permission. Raises ConfigError, NotFound."""
    return who_can(_reviewed(config, with_files, wall), asked, permission=permission)


def review_access(config: str, principal: str, *, with_files: bool, wall: float | None) -> Review:
    """Review a principal. Raises ConfigError, NotFound."""
    return access(_reviewed(config, with_files, wall), principal)


def _reviewed(config: str, with_files: bool, wall: float | None) -> Reviewed:
    validated = load(config, with_files=with_files)
    return Reviewed(validated, config, SystemClock().now().wall if wall is None else wall, with_files=with_files)
