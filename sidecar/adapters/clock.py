"""The system's clocks. Nothing else in the package reads the time."""

from time import monotonic, time

from sidecar.model.instant import Instant

_new = tuple.__new__  # twice as fast as the class itself, which is a Python function


class SystemClock:
    """Implements ``ports.Clock``."""

    __slots__ = ()

    def now(self) -> Instant:
        """Both times, read together: wall seconds since the epoch, and monotonic seconds."""
        return _new(Instant, (time(), monotonic()))

    mono = staticmethod(monotonic)
    """Monotonic seconds."""
