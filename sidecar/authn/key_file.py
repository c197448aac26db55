"""The entries of a key file → a table for lookups, in slices; and which peppers they still need."""

from collections.abc import Generator, Iterable, Mapping
from ipaddress import IPv6Network, ip_network

from sidecar.model.errors import SourceError
from sidecar.model.key_entry import KeyEntry
from sidecar.model.secret import Secret

from .api_key import ApiKeyRecord, ApiKeyTable, Network

SLICE = 16
"""Entries per slice: about 0.1 ms."""
MAPPED_BITS = 96


def read_entries(
    entries: Iterable[KeyEntry], *, store: str, peppers: Mapping[str, Secret], wall: float
) -> Generator[None, None, ApiKeyTable]:
    """Build the table of ``store``, yielding between slices.

    A dead entry (revoked or expired at ``wall``) whose pepper is gone is left out: its key is unknown then.

    Raises:
        SourceError: an id or a digest stands twice, a live entry names a pepper that is not configured, a pepper is
            empty, or a network cannot be read. Names the entry by id.

    """
    ids: set[str] = set()
    tables: dict[str | None, dict[bytes, ApiKeyRecord]] = {None: {}}
    for number, entry in enumerate(entries, 1):
        if entry.id in ids:
            raise SourceError(f"key {entry.id}: the id stands twice")
        ids.add(entry.id)
        pepper_id, value = entry.digest
        if pepper_id is None or peppers.get(pepper_id):
            table = tables.setdefault(pepper_id, {})
            if value in table:
                raise SourceError(f"key {entry.id}: has the digest of key {table[value].identity.credential_id}")
            table[value] = ApiKeyRecord(entry, store, _networks(entry))
        elif entry.live(wall):
            raise SourceError(f"key {entry.id}: pepper {pepper_id} is not configured, or empty")
        if number % SLICE == 0:
            yield
    plain = tables.pop(None)
    return ApiKeyTable(plain, tuple((peppers[name], table) for name, table in tables.items() if name is not None))


def peppers_in_use(entries: Iterable[KeyEntry], wall: float) -> dict[str, int]:
    """How many live keys hinge on each pepper: one with none can be retired (HMACs cannot be recomputed)."""
    uses: dict[str, int] = {}
    for entry in entries:
        if entry.digest.pepper_id is not None:
            uses[entry.digest.pepper_id] = uses.get(entry.digest.pepper_id, 0) + entry.live(wall)
    return uses


def _networks(entry: KeyEntry) -> tuple[Network, ...]:
    try:
        return tuple(_unmapped(ip_network(cidr)) for cidr in entry.cidrs)
    except ValueError:
        raise SourceError(f"key {entry.id}: a network cannot be read") from None


def _unmapped(network: Network) -> Network:
    # Addresses are compared as IPv4 where they are IPv4 in IPv6 clothes, so networks have to be too.
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_BITS and network.network_address.ipv4_mapped is not None:
        return ip_network((int(network.network_address.ipv4_mapped), network.prefixlen - MAPPED_BITS))
    return network
