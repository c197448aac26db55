"""Types of single values: durations, sizes, names, headers, addresses, claim paths."""

import re
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from sidecar.config.marks import Nothing
from sidecar.model.permission import fault_of_permission

from .base import bad, parsed

_DURATION = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_HINT = "write a whole number and a unit: 150ms, 30s, 10m, 1h, 90d"
_SIZE_HINT = "write a whole number and a unit: 512B, 8KiB, 1MiB"
_SIZE = re.compile(r"([1-9][0-9]{0,8})(B|KiB|MiB|GiB)")
_SIZE_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_COOKIE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")  # RFC 6265 section 4.1.1: a token
_QUERY = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_TOKEN = re.compile(r"[!-~]{1,255}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")

HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that Envoy owns; changing them breaks or smuggles requests (RFC 9110 section 7.6.1)."""


def _duration(text: str) -> float:
    try:
        return duration_of(text)
    except ValueError as error:
        raise bad("is not a duration", str(error)) from None


def duration_of(text: str) -> float:
    """Read a duration in seconds. Raises ValueError with the way out."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(_DURATION_HINT)
    return int(found[1]) * _DURATION_UNITS[found[2]]


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise bad("is not a size", _SIZE_HINT)
    return int(found[1]) * _SIZE_UNITS[found[2]]


def _timestamp(text: str) -> float:
    if _RFC3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).timestamp()
        except (ValueError, OverflowError):
            pass
    raise bad("is not a time", "write RFC 3339 with a zone: 2026-12-31T23:59:59Z")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise bad("is not a usable name", "letters, digits, - and _, starting with a letter or digit, at most 63 characters")
    return text


def _word(text: str) -> str:
    if not text or len(text) > 255 or text != text.strip() or not text.isprintable():  # noqa: PLR2004 - as long as a subject may be
        raise bad("is empty, too long, or has control characters or white space at an end", "at most 255 printable characters")
    return text


def _header(text: str) -> str:
    if text.startswith(":"):
        raise bad("is a pseudo-header, which cannot be used here", "name an ordinary header")
    if not _HEADER.fullmatch(text):
        raise bad("is not a header name", "letters, digits, - _ and .")
    if text.lower() in HOP_BY_HOP:
        raise bad(f"{text.lower()!r} belongs to the connection and cannot be used here", "name another header")
    return text.lower()


def _own_header(text: str) -> str:
    name = _header(text)
    if name in {"authorization", "cookie", "proxy-authorization", "set-cookie"}:
        raise bad(f"{name!r} carries credentials and cannot be an identity header", "name another header, such as x-user-id")
    return name


def _strip_header(text: str) -> str:
    head = text.removesuffix("*")
    if not head:
        raise bad("would remove every header", "give the start of the name: x-auth-*")
    if "*" in head:
        raise bad("has * elsewhere than at the end", "write the start of the name and one *")
    name = _header(head).lower()
    if head != text and any(owned.startswith(name) for owned in HOP_BY_HOP):
        raise bad("would remove headers that belong to the connection", "use a longer start")
    return name + text[len(head) :]


def _matching(pattern: re.Pattern[str], message: str, hint: str = "") -> BeforeValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise bad(message, hint)
        return text

    return parsed(check)


def _permission(text: str) -> str:
    if not text:
        raise bad("is empty")
    if fault := fault_of_permission(text):
        raise bad(f"is not a permission: it {fault}", "write resource:action, resource:* or *")
    return text


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise bad("is not a network", "write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32, without host bits") from None


def _path_of(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        if "." in value:
            raise bad("is a claim name with a dot", "write the path as a list, [realm_access, roles]; a name with dots as a list of one")
        return (_word(value),)
    if isinstance(value, list) and value and all(isinstance(step, str) for step in value):
        return tuple(_word(step) for step in value)
    raise bad("is not a claim path", "write a name, or a list of names that leads to the claim")


def _claim_path(value: Any) -> Any:
    return value if isinstance(value, Nothing) else _path_of(value)


def _claim_paths(value: Any) -> Any:
    if isinstance(value, Nothing):
        return value
    if isinstance(value, list) and value and all(isinstance(path, list) for path in value):
        return tuple(_path_of(path) for path in value)
    return (_path_of(value),)


def _bounded(low: float, high: float, text: str) -> AfterValidator:
    def check(value: float) -> float:
        if not low <= value <= high:
            raise bad(f"is out of range: {text}")
        return value

    return AfterValidator(check)


def duration_between(low: str, high: str) -> AfterValidator:
    """Bound a Duration, both ends in."""
    return _bounded(_duration(low), _duration(high), f"from {low} to {high}")


def size_between(low: str, high: str) -> AfterValidator:
    """Bound a Size, both ends in."""
    return _bounded(_size(low), _size(high), f"from {low} to {high}")


_TEXT = {"type": "string"}
_CLAIM = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
CLAIMS_SCHEMA = {"oneOf": [*_CLAIM["oneOf"], {"type": "array", "minItems": 1, "items": {"type": "array", "items": _TEXT, "minItems": 1}}]}

Duration = Annotated[
    float,
    parsed(_duration, number=_DURATION_HINT),
    WithJsonSchema({**_TEXT, "pattern": f"^{_DURATION.pattern}$", "examples": ["150ms", "1h"]}),
]
Size = Annotated[
    int, parsed(_size, number=_SIZE_HINT), WithJsonSchema({**_TEXT, "pattern": f"^{_SIZE.pattern}$", "examples": ["8KiB", "1MiB"]})
]
Timestamp = Annotated[float, parsed(_timestamp), WithJsonSchema({**_TEXT, "format": "date-time"})]
Name = Annotated[str, parsed(_name), WithJsonSchema({**_TEXT, "pattern": f"^{_NAME.pattern}$"})]
Word = Annotated[str, parsed(_word)]
HeaderName = Annotated[str, parsed(_header)]
IdentityHeaderName = Annotated[str, parsed(_own_header)]
StripHeader = Annotated[str, parsed(_strip_header)]
CookieName = Annotated[str, _matching(_COOKIE, "is not a cookie name", "letters, digits and !#$%&'*+.^_`|~-")]
QueryName = Annotated[str, _matching(_QUERY, "is not a usable query parameter name", "letters, digits and ._~-")]
Method = Annotated[str, _matching(_METHOD, "is not an HTTP method", "write it in capitals: GET")]
Token = Annotated[str, _matching(_TOKEN, "is empty or has white space or non-ASCII characters")]
Permission = Annotated[str, parsed(_permission)]
Cidr = Annotated[str, parsed(_cidr)]
ClaimPath = Annotated[tuple[str, ...], BeforeValidator(_claim_path), WithJsonSchema(_CLAIM)]
ClaimPaths = Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_claim_paths), WithJsonSchema(CLAIMS_SCHEMA)]
FilePath = Word
