"""URLs as configurations write them."""

from urllib.parse import urlsplit

from sidecar.model.addresses import is_loopback


def fault_of_url(url: str, *, http_allowed: bool) -> tuple[str, str] | None:
    """Return what is wrong with a URL to fetch from and the way out, or None. The text never repeats the URL."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL", "write https://host/path"
    if parts.scheme not in {"https", "http"} or not host or not url.isascii() or any(char.isspace() for char in url):
        return "is not an https URL", "write https://host/path"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it", "leave them out"
    if parts.fragment:
        return "has a fragment (#)", "leave it out"
    if parts.scheme == "http" and not http_allowed and not is_loopback(host):
        return "is plain http", "use https; unsafe_http: true lets anyone on the way forge keys"
    return None
