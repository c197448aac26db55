"""What an allow changes on the request that goes upstream."""

from typing import NamedTuple


class HeaderSet:
    """Headers to overwrite with these values. ``encoded`` is the encoder's memo of exactly this value."""

    __slots__ = ("encoded", "items")

    def __init__(self, items: tuple[tuple[str, str], ...]) -> None:
        """Hold (lower-case name, checked value) pairs."""
        self.items = items
        self.encoded: bytes | None = None


class NameSet:
    """Header names to remove. ``encoded`` is the encoder's memo of exactly this value."""

    __slots__ = ("encoded", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        """Hold lower-case names."""
        self.names = names
        self.encoded: bytes | None = None


NO_HEADERS = HeaderSet(())
NO_NAMES = NameSet(())


class Mutations(NamedTuple):
    """Disjoint by construction: a name in both lists would be gone, since Envoy removes last (ext-authz)."""

    identity: HeaderSet = NO_HEADERS
    """The principal's identity headers, shared between checks."""
    removed: NameSet = NO_NAMES
    """Always removed under this config with this identity."""
    extra_set: tuple[tuple[str, str], ...] = ()
    """Only on this request: ``cookie`` without the credential."""
    extra_removed: tuple[str, ...] = ()
    """Only on this request: look-alikes, credentials, ``strip_headers`` patterns that are present."""
    query_removed: tuple[str, ...] = ()
    """Query parameters that carried a credential."""
