"""The client's address: the direct peer, or a position in X-Forwarded-For that trusted hops vouch for."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sidecar.model.request import CheckInput
from sidecar.model.settings import ClientAddressSettings

UNKNOWN = ""
"""No address: inside no network."""


class ClientAddress:
    """Compiled ``server.client_address``."""

    __slots__ = ("_hops", "_peers")

    def __init__(self, settings: ClientAddressSettings) -> None:
        """Parse the trusted peers' networks."""
        self._hops = settings.trusted_hops
        self._peers: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(cidr) for cidr in settings.trusted_peers)

    def of(self, request: CheckInput) -> str:
        """Return the address in text, UNKNOWN where the header is shorter than the hops or holds no address."""
        if self._hops == 0 or not self._trusted(request.source_ip):
            return request.source_ip
        entries = (request.headers.get("x-forwarded-for") or "").rsplit(",", self._hops)
        if len(entries) < self._hops:
            return UNKNOWN
        found = _parse(entries[-self._hops].strip())
        return UNKNOWN if found is None else str(found)

    def _trusted(self, peer: str) -> bool:
        address = _parse(peer)
        return address is not None and any(address in network for network in self._peers)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address  # one client, whatever the socket calls it
