"""What went wrong with a fetch, in words that show no query and no credential (security rule 22)."""

import os
import socket
import ssl
import zlib
from urllib.parse import urlsplit

from sidecar.model.errors import SourceError

MAX_URL = 300
MAX_CHAIN = 10


def url_words(url: str) -> str:
    """Return scheme, host, port and path: what may be shown of a URL."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unreadable URL"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}"[:MAX_URL]


def error_words(error: BaseException) -> str:
    """Return the most telling cause of ``error``: TLS, name resolution, the operating system, else its kind."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"TLS certificate refused: {cause.verify_message}"
            case ssl.SSLError():
                return f"TLS error: {(cause.reason or 'unknown').lower().replace('_', ' ')}"
            case socket.gaierror():
                return f"host name not resolved: {(cause.strerror or 'unknown').lower()}"
            case OSError() if cause.errno:
                return os.strerror(cause.errno).lower()  # asyncio's own text repeats the address instead
            case SourceError():
                return f"CA file: {cause}"
            case zlib.error():
                return f"bad gzip data: {cause}"
            case _:
                pass
    return type(error).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """Return ``error`` and what led to it, innermost first; the first member stands for a group."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < MAX_CHAIN:
        found.append(cause)
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return found[::-1]
