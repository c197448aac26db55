"""Python's garbage collector: told what stays, and to look seldom.

Almost everything on the decision path dies by its reference count. With the collector's own threshold of 700 new
containers it would look for cycles about every hundred new tokens, or a hundred calls of grpc.aio.
"""

import gc

YOUNG = 20_000
"""Containers that may come into being before it looks at them: a few MB, should all of them be garbage."""


def settle() -> None:
    """Put what there is out of its way, for good: a snapshot that is replaced later has no cycles."""
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
