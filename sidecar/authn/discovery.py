"""Where an issuer publishes its keys (OpenID Connect Discovery 1.0 §4; security rule 12)."""

import re
from urllib.parse import urlsplit

from sidecar.model.addresses import is_loopback
from sidecar.model.errors import SourceError

from .jose import strict_json_object

MAX_DOCUMENT = 256 * 1024
_URL = re.compile(r"[\x21-\x7e]+")


def discovery_url(issuer: str) -> str:
    """The address of the issuer's discovery document: one terminating slash is left out (§4.1)."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def read_discovery(document: bytes, issuer: str, *, unsafe_http: bool) -> str:
    """Return ``jwks_uri`` from a discovery document.

    Raises:
        SourceError: it is not a discovery document, not exactly this issuer's (§4.3; else one issuer could
            bring another's keys), or its key set is at an address that is not acceptable.

    """
    try:
        fields = strict_json_object(document)
    except ValueError as error:
        raise SourceError(f"the discovery document cannot be read: {error}") from None
    if fields.get("issuer") != issuer:
        raise SourceError("the discovery document is another issuer's: its `issuer` must equal the configured one exactly")
    url = fields.get("jwks_uri")
    if not isinstance(url, str):
        raise SourceError("the discovery document has no jwks_uri")
    check_url(url, unsafe_http=unsafe_http)
    return url


def check_url(url: str, *, unsafe_http: bool) -> None:
    """Raise SourceError unless ``url`` is https, or http on loopback, or http was explicitly made acceptable."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise SourceError("not a URL") from None
    if not host or _URL.fullmatch(url) is None:
        raise SourceError("not a URL")
    if parts.username is not None or parts.password is not None:
        raise SourceError("a URL for keys must not carry credentials")
    if parts.scheme == "https" or (parts.scheme == "http" and (unsafe_http or is_loopback(host))):
        return
    raise SourceError("keys are fetched over https only, unless from loopback or with unsafe_http: true")
