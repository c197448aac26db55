"""From ``exec`` to /readyz 200, with signing keys and API keys in files."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from .corpus import Signer
from .effort import Effort
from .servers import address_of, start_sidecar
from .targets import Figure

API_KEYS = 10


def measure_start(folder: Path, effort: Effort) -> Iterable[Figure]:
    """The median of several starts, after one that warms the disk cache and writes the byte code."""
    jwks = Signer().jwks()
    seconds = []
    for number in range(effort.starts + 1):
        home = folder / f"start-{number}"
        running = start_sidecar(home, jwks, "native", address_of("tcp", home, "check"), API_KEYS)
        running.stop()
        seconds.append(running.start)
    yield Figure(name="start", value=median(seconds[1:]), details={"seconds": [round(one, 3) for one in seconds]})
