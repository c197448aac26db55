"""Paths and hosts as docs/explanation/paths.md reads them: one meaning, or refused."""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

MAX_PATH = 8192
"""Bytes before the first question mark."""
MEANINGFUL = "./\\%;?#"
"""What compatibility folding must not bring forth."""
HEX = "0123456789abcdefABCDEF"


@dataclass(frozen=True)
class Reading:
    """A path with one meaning: decoded segments (an escaped slash stays ``%2F``), and what a route has to allow for it."""

    segments: tuple[str, ...]
    trailing: bool
    features: frozenset[str]


class Ambiguous(Exception):
    """More than one reading."""


@lru_cache(maxsize=4096)
def read_path(path: str, case: str = "sensitive") -> Reading | None:
    """Return the reading of what stands before the first ``?``, or None when it is refused whatever a route allows."""
    raw = path.split("?", 1)[0]
    if len(raw.encode()) > MAX_PATH or not raw.startswith("/"):
        return None
    if any(ord(char) <= 0x20 or ord(char) >= 0x7F or char in "#\\" for char in raw):
        return None
    parts = raw[1:].split("/")
    trailing = parts[-1] == ""
    if trailing:
        parts.pop()
    features: set[str] = set()
    try:
        segments = tuple(read_segment(part, features, case) for part in parts)
    except Ambiguous:
        return None
    return Reading(segments, trailing and bool(segments), frozenset(features))


def read_segment(part: str, features: set[str], case: str) -> str:
    """Decode one segment; adds what it needs to ``features``. Raises Ambiguous."""
    chars = decode(part)
    text = ""
    for index, (char, escaped) in enumerate(chars):
        at_edge = index in {0, len(chars) - 1}
        judge(char, features, escaped=escaped, at_edge=at_edge)
        text += "%2F" if char == "/" else char
    for piece in text.split("%2F"):
        # A reader that decodes slashes sees each piece as a segment; one that drops parameters only what stands before them.
        head, *parameters = piece.split(";")
        if (
            any(part != part.strip() for part in (head, *parameters))
            or is_nothing(head)
            or any(parameter and is_nothing(parameter) for parameter in parameters)
        ):
            raise Ambiguous
        if any(part.endswith(".") for part in (head, *parameters)):
            features.add("dots")
    if case == "insensitive":
        if any(folds_to_ascii(char) for char in text if ord(char) > 0x7F):
            raise Ambiguous
        text = text.replace("%2F", "/").casefold().replace("/", "%2F")
    return text


def is_nothing(piece: str) -> bool:
    """Tell whether readers that drop dots and spaces at the end see nothing, or the parent."""
    return piece.strip(". ") == ""


def judge(char: str, features: set[str], *, escaped: bool, at_edge: bool) -> None:
    """Raise Ambiguous for a character that no route can allow here; add what a route can allow."""
    if escaped:
        if ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F or char in "%\\#?":
            raise Ambiguous
        if char == ".":
            features.add("dots")
    if char == "/":
        features.add("encoded_slash")
    if char == ";":
        features.add("semicolon")
    if at_edge and char.isspace():
        raise Ambiguous
    if ord(char) > 0x7F:
        if unicodedata.category(char) in {"Cf", "Zl", "Zp"}:
            raise Ambiguous
        if any(sign in unicodedata.normalize("NFKC", char) for sign in MEANINGFUL):
            raise Ambiguous


def folds_to_ascii(char: str) -> bool:
    """Tell whether some folding turns this character into an ASCII letter."""
    wide = unicodedata.normalize("NFKC", char)
    forms = {wide, char.lower(), char.upper(), char.casefold(), wide.lower(), wide.upper(), wide.casefold()}
    return any(letter.isascii() and letter.isalpha() for form in forms for letter in form)


def decode(part: str) -> list[tuple[str, bool]]:
    """Return characters and whether each was escaped. Raises Ambiguous for malformed escapes and what is not strict UTF-8."""
    data, escaped = bytearray(), []
    position = 0
    while position < len(part):
        if part[position] == "%":
            digits = part[position + 1 : position + 3]
            if len(digits) != 2 or any(digit not in HEX for digit in digits):
                raise Ambiguous
            data.append(int(digits, 16))
            escaped.append(True)
            position += 3
        else:
            data.append(ord(part[position]))
            escaped.append(False)
            position += 1
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise Ambiguous from None
    out, offset = [], 0
    for char in text:
        out.append((char, escaped[offset]))
        offset += len(char.encode())
    return out


@lru_cache(maxsize=4096)
def read_host(host: str) -> str | None:
    """Return the host in lower case without port and final dot, or None when it is no DNS name or address."""
    if not host.isascii():
        return None
    text = host.lower()
    if text.startswith("["):
        inside, bracket, after = text[1:].partition("]")
        if not bracket or not re.fullmatch(r"(:[0-9]{0,5})?", after):
            return None
        return f"[{ipaddress.ip_address(inside)}]" if is_address(inside, 6) else None
    name, colon, port = text.partition(":")
    if colon and not re.fullmatch(r"[0-9]{0,5}", port):
        return None
    name = name.removesuffix(".")
    if is_address(name, 4):
        return name
    labels = name.split(".")
    valid = len(name) <= 253 and all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels)
    return name if valid and not labels[-1].isdigit() else None


def is_address(text: str, version: int) -> bool:
    """Tell whether ``text`` is an address literal of this IP version, without a zone."""
    try:
        return "%" not in text and ipaddress.ip_address(text).version == version
    except ValueError:
        return False
