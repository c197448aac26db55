"""What the upstream sees of an allowed request: identity headers, and what is taken away."""

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from .credentials import TOKEN_CHAR, cookie_pairs, places_of, query_pairs, reads_as
from .grants import Grants
from .people import Person
from .request import Refusal, Request

DEFAULT_HEADERS = {"x-user-id": "subject", "x-user-email": "email", "x-user-roles": "roles", "x-user-permissions": "permissions"}
MAX_VALUE = 4096
Lines = tuple[tuple[str, str], ...]


def header_settings(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = config.get("identity_headers", DEFAULT_HEADERS)
    return {name.lower(): {"from": value} if isinstance(value, str) else dict(value) for name, value in found.items()}


def unordered(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, words.get("join", ",")) for name, words in header_settings(config).items() if words["from"] == "permissions")


def fold(name: str) -> str:
    """Return how a careless backend reads a header name: trimmed, lower case, every other sign a hyphen."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in name.strip().lower())


def identity(config: Mapping[str, Any], person: Person, grants: Grants) -> dict[str, str]:
    """Return the identity headers that are set. Raises Refusal for a value that does not fit."""
    out = {}
    for name, words in header_settings(config).items():
        members = members_of(words, person, grants)
        separator = words.get("join", ",")
        if words.get("encode", "none") == "percent":
            members = [percent(member, separator) for member in members]
        value = separator.join(members)
        if not value:
            continue
        if len(value) > MAX_VALUE or any(unsafe(member, separator) for member in members):
            raise Refusal("unsafe_identity")
        out[name] = value
    return out


def members_of(words: Mapping[str, Any], person: Person, grants: Grants) -> list[str]:
    source = words["from"]
    if source.startswith("attributes."):
        return as_members(person.attributes.get(source.partition(".")[2]))
    if source.startswith("metadata."):
        return as_members(person.metadata.get(source.partition(".")[2]))
    if source == "permissions":
        return grants.expanded() if words.get("expand") else grants.listed()
    return as_members({"roles": list(person.roles), "scopes": list(person.scopes)}.get(source) or getattr(person, source, ""))


def as_members(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int | float):
        return [str(value)]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    return [value] if isinstance(value, str) and value else []


def unsafe(member: str, separator: str) -> bool:
    bad = any(not 0x20 <= ord(char) < 0x7F for char in member)
    return bad or "," in member or (separator or ",") in member or member != member.strip() or not member


def percent(member: str, separator: str) -> str:
    """Escape what is not safe in a header: controls, non-ASCII, percent signs, what parts members, white space at an end."""
    safe = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%," + separator)
    return urllib.parse.quote(member, safe=safe if member == member.strip(" ") else safe.replace(" ", ""))


def seen(config: Mapping[str, Any], request: Request, own: Mapping[str, str], person: Person) -> Lines:
    """Return the header lines that reach the upstream, sorted; cookies as one line."""
    identities = {fold(name) for name in header_settings(config)}
    credentials = hidden_places(config, person)
    hidden = {name for name, value in request.headers if any(place.get("header") == name and shows(place, value) for place in credentials)}
    hidden |= only_credentials(config)
    left = []
    for name, value in request.headers:
        if fold(name) in identities or any(strips(pattern, name) for pattern in config.get("strip_headers", ())):
            continue
        if name not in hidden:
            left.append((name, value))
    left += own.items()
    return normal(left, {place["cookie"] for place in credentials if "cookie" in place})


def hidden_places(config: Mapping[str, Any], person: Person) -> list[Mapping[str, Any]]:
    """Return the places whose credentials do not go on; where the accepted one stood, its own ``forward`` decides."""
    names = [*config.get("issuers", {}), *config.get("api_keys", {})]
    kind, at = person.shown_at
    everywhere = [(name, place) for name in names for place in places_of(config, name)]
    return [place for name, place in everywhere if not place["forward"] and (place.get(kind) != at or name == person.authenticator)]


def only_credentials(config: Mapping[str, Any]) -> set[str]:
    """Return the headers that hold nothing but credentials that do not go on: whatever stands there goes."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for name in [*config.get("issuers", {}), *config.get("api_keys", {})]:
        for place in places_of(config, name):
            by_name.setdefault(place.get("header", ""), []).append(place)
    return {name for name, found in by_name.items() if name and not any(place["forward"] or place.get("scheme") for place in found)}


def strips(pattern: str, name: str) -> bool:
    """Tell whether a pattern means this header, in any spelling that a backend could read as its name."""
    folded = fold(name)
    return folded.startswith(fold(pattern[:-1])) if pattern.endswith("*") else folded == fold(pattern)


def shows(place: Mapping[str, Any], value: str) -> bool:
    """Tell whether a header line shows a credential of this place, be it badly written or behind a comma."""
    scheme, prefix = place.get("scheme") or "", place.get("prefix") or ""
    for piece in [value.strip(), *(part.strip() for part in re.split("[,;]", value))]:
        rest = piece[len(scheme) :]
        same = piece[: len(scheme)].lower() == scheme.lower() and not (scheme and TOKEN_CHAR.match(rest))
        if same and (rest.lstrip(" \t:=") if scheme else rest).startswith(prefix):
            return True
    return False


def normal(lines: list[tuple[str, str]], without: set[str] = frozenset()) -> Lines:  # type: ignore[assignment]
    """Sort lines, and read all cookies as one list of pairs, without the cookies named."""
    kept = [";".join(without_cookies(part, without) for part in value.split(";")) for name, value in lines if name == "cookie"]
    cookies = [pair for line in kept for piece in line.split(",") for pair in cookie_pairs(piece)]
    rest = [line for line in lines if line[0] != "cookie"]
    return tuple(sorted(rest + ([("cookie", "; ".join("=".join(pair) for pair in cookies))] if cookies else [])))


def without_cookies(part: str, names: set[str]) -> str:
    """Take cookies out, also behind a comma (repeated lines are joined with one) and in any spelling that is read as their name."""
    kept, taken = [], False
    for piece in part.split(","):
        if "=" in piece:
            taken = reads_as(piece) in names
        if not taken:
            kept.append(piece)
    return ",".join(kept)


def query_removed(config: Mapping[str, Any], request: Request, person: Person) -> frozenset[str]:
    present = {name for name, _ in query_pairs(request.path)}
    return frozenset(place["query"] for place in hidden_places(config, person) if place.get("query") in present)
