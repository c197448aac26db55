"""What an allow changes on the request that goes upstream."""

from typing import NamedTuple


class Upstream:
    """What every allowed request of one principal changes: identity headers to set, names to remove.

    The two are disjoint: Envoy removes last, so a name in both would be gone.
    """

    __slots__ = ("removed", "set_headers", "size")

    def __init__(self, set_headers: tuple[tuple[str, str], ...], removed: tuple[str, ...]) -> None:
        """Hold (lower-case name, checked value) pairs and lower-case names; raise ValueError if they overlap."""
        self.size = 0
        """Characters of the values that are set."""
        for name, value in set_headers:
            if name in removed:
                raise ValueError("a header is both set and removed")
            self.size += len(value)
        self.set_headers = set_headers
        self.removed = removed


class Mutations(NamedTuple):
    """All changes of one allow. The extras are worked out per request, never remembered."""

    upstream: Upstream
    set_headers: tuple[tuple[str, str], ...] = ()
    """Only on this request: ``cookie`` without the credential."""
    removed: tuple[str, ...] = ()
    """Only on this request: look-alikes, credentials, ``strip_headers`` patterns that are present."""
    query_removed: tuple[str, ...] = ()
    """Query parameters that carried a credential."""


NOTHING = Mutations(Upstream((), ()))
