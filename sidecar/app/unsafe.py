"""Which settings weaken security right now: for the warning at start, the metric and /status."""

from collections.abc import Iterator

from sidecar.config.guard import open_catch_alls
from sidecar.model.settings import DiscoveredKeys, HttpAttribute, Settings, UrlKeys


def unsafe_settings(settings: Settings) -> tuple[str, ...]:
    """Key paths of the ``unsafe_…`` settings that are on, and of routes that let anyone in on every path."""
    return tuple(_unsafe(settings))


def _unsafe(settings: Settings) -> Iterator[str]:
    if settings.server.unsafe_plaintext_check_listener:
        yield "server.unsafe_plaintext_check_listener"
    if settings.server.unsafe_error:
        yield "server.fault_response"
    if settings.admin.unsafe_public:
        yield "admin.unsafe_public_admin"
    for name, issuer in settings.issuers.items():
        if issuer.unsafe_no_audience:
            yield f"issuers.{name}.unsafe_no_audience"
        if isinstance(issuer.keys, UrlKeys | DiscoveredKeys) and issuer.keys.unsafe_http:
            yield f"issuers.{name}.keys.unsafe_http"
    for source in settings.attributes.values():
        if isinstance(source.source, HttpAttribute) and source.source.unsafe_http:
            yield f"attributes.{source.name}.http.unsafe_http"
    for route in open_catch_alls(settings):
        yield f"routes.{route.name}.authenticate"
