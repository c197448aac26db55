"""Host and path with one meaning, or refused.

The sidecar cannot know how its upstream reads an odd byte, so whatever two readers could read in two ways is
refused instead of guessed (Envoy forwards ``/public/..;/admin`` and ``/%2561dmin`` as they are, even hardened).
"""

import re
import unicodedata
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

MAX_PATH = 8 * 1024
MAX_NAME = 253
MAX_HOST = MAX_NAME + len(".") + len(":65535")

DOTS, ENCODED_SLASH, SEMICOLON = "dots", "encoded_slash", "semicolon"
NO_FEATURES: frozenset[str] = frozenset()

# What most requests look like: no escape, no doubt, no segment that ends in a dot.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,:@=.\-]*[A-Za-z0-9_~!$&'()*+,:@=\-])+/?")
_UNESCAPED = re.compile(r"[\x21-\x7e]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%25")
_ESCAPED_CONTROL_OR_MARK = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc]|23|3[Ff])")
_ESCAPED_SLASH = re.compile(r"%2[Ff]")
_ESCAPED_DOT = re.compile(r"%2[Ee]")
# A reader that decodes %2F, or drops ;parameters, sees what stands between them as a segment of its own. One that
# drops dots and spaces at the end of a name, as Windows does, sees nothing or .. in a segment of dots and spaces.
_EMPTY_SEGMENT = re.compile(r"(?:/|%2F)(?:/|%2F|;)|%2F\Z")
_DOT_SEGMENT = re.compile(r"(?:[/;]|%2F)[.\s]+(?=[/;]|%2F|\Z)")
_ENDS_IN_DOT = re.compile(r"\.(?=[/;]|%2F|\Z)")
_SPACE_AT_EDGE = re.compile(r"(?:[/;]|%2F)\s|\s(?=[/;]|%2F|\Z)")
_LOOKS_LIKE = frozenset("./\\%;?#")
_UNSEEN = frozenset({"Cf", "Zl", "Zp"})
"""Format characters (zero width, soft hyphen, direction …), line and paragraph separators: some readers drop them."""


is_plain = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,:@=.\-]*[A-Za-z0-9_~!$&'()*+,:@=\-])+").fullmatch
"""Match a path that is canonical as it stands and has no trailing slash."""


class Path(NamedTuple):
    """Decoded segments; ``features`` are the doubtful things in it that a route has to allow.

    An escaped slash stays ``%2F`` inside its segment: no other ``%`` can occur in a segment.
    """

    segments: tuple[str, ...]
    trailing_slash: bool
    features: frozenset[str]


_new_path = tuple.__new__  # twice as fast as the class itself, which is a Python function


class Refused(NamedTuple):
    """Why host or path have no single meaning; ``detail`` is for the record."""

    detail: str


def canonical_path(raw: str, *, folding: bool = False) -> Path | Refused:
    """Give the path before the first ``?`` its one meaning, or refuse it.

    Args:
        raw: the undecoded ``:path``, with its query.
        folding: for an upstream that does not tell upper and lower case apart.

    """
    path = raw.partition("?")[0]
    if len(path) > MAX_PATH:
        return Refused("path longer than 8 KiB")
    if _PLAIN.fullmatch(path) is not None:
        trailing = path[-1] == "/"
        segments = path[1:-1].split("/") if trailing else path[1:].split("/")
        return _new_path(Path, (tuple(segments), trailing, NO_FEATURES))
    if path == "/":
        return Path((), False, NO_FEATURES)
    return _careful_path(path, folding=folding)


def _careful_path(path: str, *, folding: bool) -> Path | Refused:
    """Read the whole path at once: thousands of segments must not cost thousands of steps (security rule 30)."""
    if fault := _fault_of_path(path):
        return Refused(fault)
    marked = _ESCAPED_SLASH.sub("%252F", path)  # decodes to the text %2F
    try:
        text = unquote_to_bytes(marked).decode("utf-8")
    except UnicodeDecodeError:
        return Refused("escapes in the path are not valid UTF-8")
    if fault := _fault_of_unicode(text, folding=folding) or _fault_of_segments(text):
        return Refused(fault)
    features = set()
    if marked != path:
        features.add(ENCODED_SLASH)
    if ";" in text:
        features.add(SEMICOLON)
    if _ENDS_IN_DOT.search(text) or _ESCAPED_DOT.search(path):
        features.add(DOTS)
    trailing = text[-1] == "/"
    return Path(tuple(text[1:-1].split("/") if trailing else text[1:].split("/")), trailing, frozenset(features))


def _fault_of_path(path: str) -> str:
    if not path.startswith("/"):
        return "path does not start with a slash"
    if _UNESCAPED.fullmatch(path) is None:
        return "control, space or non-ASCII character in the path"
    if "\\" in path or "#" in path:
        return "backslash or fragment in the path"
    if _BAD_ESCAPE.search(path):
        return "malformed or double escape in the path"
    if _ESCAPED_CONTROL_OR_MARK.search(path):
        return "escaped control, backslash, # or ? in the path"
    return ""


def _fault_of_segments(text: str) -> str:
    if _EMPTY_SEGMENT.search(text):
        return "empty segment in the path"
    if _DOT_SEGMENT.search(text):
        return "segment of dots in the path"
    if _SPACE_AT_EDGE.search(text):
        return "white space at the edge of a path segment"
    return ""


def _fault_of_unicode(text: str, *, folding: bool) -> str:
    if text.isascii():
        return ""
    for char in set(text):
        if "\x80" <= char <= "\x9f":
            return "escaped control in the path"
        if unicodedata.category(char) in _UNSEEN:
            return "invisible character in the path"
        if char > "\x7f" and not _LOOKS_LIKE.isdisjoint(unicodedata.normalize("NFKC", char)):
            return "character in the path that a reader may take for . / \\ % ; ? or #"
        if folding and char > "\x7f" and _folds_into_ascii(char):
            return "character in the path that folds into an ASCII letter"
    return ""


def _folds_into_ascii(char: str) -> bool:
    """Whether some reader's folding makes a, k, s … of it: the Kelvin sign, long s, dotless i, full-width letters, ligatures."""
    forms = char.upper() + char.lower() + char.casefold() + unicodedata.normalize("NFKC", char)
    return any(form.isascii() and form.isalpha() for form in forms)


_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_HOST_AND_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{0,5})?")


def canonical_host(raw: str) -> str | None:
    """Lower case, without port and trailing dot; None unless it is a DNS name or an address literal."""
    return _canonical_host(raw) if len(raw) <= MAX_HOST else None


@lru_cache(maxsize=1024)
def _canonical_host(raw: str) -> str | None:
    if not raw.isascii():
        return None
    found = _HOST_AND_PORT.fullmatch(raw.lower())
    if found is None:
        return None
    host = found[1]
    if host[0] == "[":
        return f"[{_ipv6(host[1:-1])}]" if _ipv6(host[1:-1]) else None
    host = host.removesuffix(".")
    if len(host) > MAX_NAME or _NAME.fullmatch(host) is None:
        return None
    if host.rpartition(".")[2].isdigit():
        return host if _is_ipv4(host) else None
    return host


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        return ""


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
