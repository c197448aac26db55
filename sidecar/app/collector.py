"""Python's garbage collector: told what stays, and to look seldom.

Almost everything on the decision path dies by its reference count. With the collector's own threshold of 700 new
containers it would look for cycles about every hundred new tokens, or a hundred calls of grpc.aio.

What is garbage when it is told what stays, stays too. So nothing that happens again and again may leave cycles behind;
where a library does, they are cut (``adapters.fetch.answer``), or collected before.
"""

import gc
import sys

YOUNG = 20_000
"""Containers that may come into being before it looks at them: a few MB, should all of them be garbage."""


def settle() -> None:
    """Put what there is out of its way, for good: a snapshot that is replaced later has no cycles."""
    if "grpc.aio" in sys.modules:
        # It leaves a cycle with every call (grpcio 1.8x, ``_find_method_handler``). This takes as long as one of the collections
        # that it is the cause of every 4,000 calls; on the native front, where they are rare, it would be a pause for nothing.
        gc.collect(0)
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
