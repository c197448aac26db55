"""What the log says of an unexpected error: its type and place. Its text could hold what it choked on, a credential for one (rule 22)."""

import logging
from pathlib import PurePath
from traceback import walk_tb

FRAMES = 4
"""The innermost ones are shown."""
_log = logging.getLogger(__name__)


def report(what: str, error: BaseException) -> None:
    """Log that ``what`` failed, and by which error. Never raises: what memory ran out for, it may run out for here, and a denial waits."""
    try:
        frames = [(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)][-FRAMES:]
        place = " > ".join(f"{code.co_name} ({PurePath(code.co_filename).name}:{line})" for code, line in frames)
        _log.error("%s: %s in %s", what, type(error).__name__, place or "no frame")
    except Exception:  # noqa: BLE001 - the boundary
        return
