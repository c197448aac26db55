"""What an HTTP client leaves for the garbage collector: with it off, whatever has not died by its reference count is still there."""

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator

LIBRARIES = {"httpx", "httpcore", "h11", "anyio"}


def http_objects() -> Counter[str]:
    """The objects of the HTTP libraries by type."""
    return Counter(type(one).__qualname__ for one in gc.get_objects() if str(type(one).__module__).partition(".")[0] in LIBRARIES)


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Collect, then have no collections in this block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
