"""What the sidecar's own configuration demands of the Envoy in front of it."""

from dataclasses import dataclass
from itertools import chain

from sidecar.model.settings import CredentialPlace, IssuerSettings, KeyStoreSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The side of the contract that is ours. Durations in seconds, sizes in bytes."""

    listen: str
    check_deadline: float
    shutdown_delay: float
    max_check_size: int
    trusted_hops: int
    credential_headers: tuple[str, ...]
    """Lower-case names of the headers in which credentials come."""


def expected_of(settings: Settings) -> Expected:
    """Take out of a valid configuration what Envoy has to fit."""
    authenticators: list[IssuerSettings | KeyStoreSettings] = [*settings.issuers.values(), *settings.api_keys.values()]
    places = chain.from_iterable(one.credentials for one in authenticators)
    server = settings.server
    return Expected(
        listen=server.listen,
        check_deadline=server.check_deadline,
        shutdown_delay=server.shutdown_delay,
        max_check_size=server.max_check_size,
        trusted_hops=server.client_address.trusted_hops,
        credential_headers=tuple(sorted({header for place in places if (header := _header_of(place))})),
    )


def _header_of(place: CredentialPlace) -> str:
    """The header that carries it; empty for the query, which is part of the path and always sent."""
    return {"header": place.name.lower(), "cookie": "cookie"}.get(place.kind, "")
