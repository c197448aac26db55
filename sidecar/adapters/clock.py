"""The system's clocks. Nothing else in the package reads the time."""

from time import monotonic, time

from sidecar.model.instant import Instant


class SystemClock:
    """Implements ``ports.Clock``."""

    __slots__ = ()

    def now(self) -> Instant:
        """Both times, read together: wall seconds since the epoch, and monotonic seconds."""
        return Instant(time(), monotonic())

    def mono(self) -> float:
        """Monotonic seconds."""
        return monotonic()
