"""What an allow changes on the request that goes upstream."""

from typing import NamedTuple


class Upstream:
    """What every allowed request of one principal changes: identity headers to set, names to remove.

    The two are disjoint: Envoy removes last, so a name in both would be gone. ``encoded`` is the encoder's memo
    of exactly this value.
    """

    __slots__ = ("encoded", "removed", "set_headers", "size")

    def __init__(self, set_headers: tuple[tuple[str, str], ...], removed: tuple[str, ...]) -> None:
        """Hold (lower-case name, checked value) pairs and lower-case names; raise ValueError if they overlap."""
        if not {name for name, _ in set_headers}.isdisjoint(removed):
            raise ValueError("a header is both set and removed")
        self.set_headers = set_headers
        self.removed = removed
        self.encoded: bytes | None = None
        self.size = sum(len(name) + len(value) for name, value in set_headers)
        """Characters of the headers that are set."""


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
