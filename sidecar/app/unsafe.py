"""Which settings weaken security right now: for the warning at start, the metric and /status."""

from collections.abc import Iterator

from sidecar.config.guard import open_catch_alls
from sidecar.model.settings import DiscoveredKeys, HttpAttribute, Settings, UrlKeys


def unsafe_settings(settings: Settings) -> tuple[str, ...]:
    """Key paths of the ``unsafe_…`` settings that are on, and of routes that let anyone in on every path."""
    return tuple(_unsafe(settings))


def _unsafe(settings: Settings) -> Iterator[str]:
    server = settings.server
    switches = {
        "server.unsafe_plaintext_check_listener": server.unsafe_plaintext_check_listener,
        "server.fault_response": server.unsafe_error,
        "admin.unsafe_public_admin": settings.admin.unsafe_public,
        "unsafe_shadow_allows": settings.unsafe_shadow_allows,
    }
    yield from (name for name, on in switches.items() if on)
    for name, issuer in settings.issuers.items():
        if issuer.unsafe_no_audience:
            yield f"issuers.{name}.unsafe_no_audience"
        if isinstance(issuer.keys, UrlKeys | DiscoveredKeys) and issuer.keys.unsafe_http:
            yield f"issuers.{name}.keys.unsafe_http"
    sources = ((one.name, one.source) for one in settings.attributes.values())
    yield from (
        f"attributes.{name}.http.unsafe_http" for name, source in sources if isinstance(source, HttpAttribute) and source.unsafe_http
    )
    yield from (f"routes.{route.name}.unsafe_shadow_allows" for route in settings.routes.values() if route.unsafe_shadow_allows)
    yield from (f"routes.{route.name}.authenticate" for route in open_catch_alls(settings))
