"""Which credential a request shows, of the kinds that its route accepts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from .request import Refusal, Request

Place = Mapping[str, Any]
Reader = tuple[str, Place, str | None]
TOKEN_CHAR = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]")


@dataclass(frozen=True)
class Shown:
    """A credential: its text (None: present but not readable), and who may vouch for it, in the route's order."""

    text: str | None
    stores: tuple[str, ...]
    issuers: tuple[str, ...]
    at: tuple[str, str] = ("", "")


def places_of(config: Mapping[str, Any], name: str) -> list[Place]:
    """Return where an issuer's tokens or a store's keys are read."""
    if name in config.get("issuers", {}):
        found = config["issuers"][name].get("credentials", [{"header": "authorization", "scheme": "Bearer"}])
        return [{"forward": True, **place} for place in found]
    found = config["api_keys"][name].get("credentials", [{"header": "x-api-key"}])
    return [{"forward": False, **place} for place in found]


def cookie_pairs(line: str) -> list[tuple[str, str]]:
    """Return name and value of each cookie in a line."""
    pairs = []
    for part in line.split(";"):
        name, equals, value = part.lstrip(" \t").partition("=")
        if equals:
            pairs.append((name, value))
    return pairs


def query_pairs(path: str) -> list[tuple[str, str]]:
    """Return name and value of each query parameter, undecoded."""
    parts = path.partition("?")[2].partition("#")[0].split("&")
    return [(name, value) for name, _, value in (part.partition("=") for part in parts)]


def value_at(place: Place, request: Request) -> str | None:
    """Return what stands at a place, or None. Raises Refusal for two values."""
    if "header" in place:
        lines = request.lines(place["header"])
        if len(lines) > 1 or any("," in line for line in lines):
            raise Refusal("multiple_credentials")
        return lines[0] if lines else None
    if "cookie" in place:
        return cookie_at(place["cookie"], request)
    return query_at(place["query"], request)


def query_at(name: str, request: Request) -> str | None:
    """Return a query parameter's value. Refused: the name twice, or in a spelling that some reader takes for it."""
    values = [value for key, value in query_pairs(request.path) if key == name]
    pieces = re.split("[&;]", request.path.partition("?")[2].partition("#")[0])
    readable = [piece for piece in pieces if unquote_plus(piece.partition("=")[0]).strip() == name]
    if len(values) > 1 or len(readable) != len(values):
        raise Refusal("multiple_credentials")
    return values[0] if values else None


def cookie_at(name: str, request: Request) -> str | None:
    """Return a cookie's value. Refused: a second line, the name twice, in a spelling that some reader takes for it, or a comma in it."""
    lines = request.lines("cookie")
    if not lines:
        return None
    values = [value for key, value in cookie_pairs(lines[0]) if key == name]
    readable = [piece for piece in re.split("[;,]", lines[0]) if "=" in piece and reads_as(piece) == name]
    if len(lines) > 1 or len(values) > 1 or len(readable) != len(values) or any("," in value for value in values):
        raise Refusal("multiple_credentials")
    return values[0] if values else None


def reads_as(piece: str) -> str:
    """Return a cookie's name as a reader has it that trims whatever cannot be in a name (``!`` stands for bytes that are not UTF-8)."""
    name = piece.partition("=")[0]
    while name and (name[0] == "!" or not TOKEN_CHAR.match(name[0])):
        name = name[1:]
    while name and (name[-1] == "!" or not TOKEN_CHAR.match(name[-1])):
        name = name[:-1]
    return name


def read_scheme(value: str, scheme: str | None) -> tuple[bool, str | None]:
    """Return whether a header shows a credential of this scheme, and its text (None: not readable)."""
    if scheme is None:
        return True, value or None
    if value[: len(scheme)].lower() != scheme.lower():
        return False, None
    rest = value[len(scheme) :]
    if rest and TOKEN_CHAR.match(rest):
        return False, None  # another scheme that begins with the same letters
    if not rest.startswith(" ") or rest[1:2] in ("", " "):  # exactly one space, then something
        return True, None
    return True, rest[1:]


def find(config: Mapping[str, Any], route: Mapping[str, Any], request: Request) -> Shown | None:
    """Return the credential that counts, or None when there is none. What cannot be read is refused before anything is counted."""
    names = [name for name in route["authenticate"] if name != "anonymous"]
    places = [(name, place) for name in names for place in places_of(config, name)]
    shown: list[Shown] = []
    for kind in ("header", "cookie", "query"):
        for at in dict.fromkeys(place[kind] for _, place in places if kind in place):
            for one in shown_at(config, (kind, at), [pair for pair in places if pair[1].get(kind) == at], request):
                if one.text is None:
                    return one
                shown.append(one)
    if len(shown) > 1 and route.get("credential_conflict", "deny") != "first":
        raise Refusal("multiple_credentials")
    return min(shown, key=lambda one: min(map(names.index, one.stores + one.issuers)), default=None)


def shown_at(config: Mapping[str, Any], at: tuple[str, str], places: list[tuple[str, Place]], request: Request) -> list[Shown]:
    """Return what one header, cookie or parameter shows. Raises Refusal."""
    value = value_at(places[0][1], request)
    if value is None:
        return []
    read: dict[str, list[Reader]] = {}
    for name, place in places:
        there, text = read_scheme(value, place.get("scheme"))
        if there:
            read.setdefault((place.get("scheme") or "").lower(), []).append((name, place, text))
    if len(read) > 1:
        read.pop("", None)  # who reads the whole value does not read what has a scheme of others
    found = [dispatch(config, (*at, scheme), readers) for scheme, readers in read.items()]
    return [one for one in found if one]


def dispatch(config: Mapping[str, Any], key: tuple[str, str, str], readers: list[Reader]) -> Shown | None:
    """Decide who is asked about one value: the store of the longest prefix; issuers about what looks like a token; other stores."""
    text, at = readers[0][2], key[:2]
    stores = [(name, place.get("prefix") or "") for name, place, _ in readers if name in config.get("api_keys", {})]
    issuers = tuple(dict.fromkeys(name for name, _, _ in readers if name in config.get("issuers", {})))
    plain = tuple(dict.fromkeys(name for name, prefix in stores if not prefix))
    if text is None:
        return Shown(None, tuple(name for name, _ in stores), issuers, at)
    fitting = [(name, prefix) for name, prefix in stores if prefix and text.startswith(prefix)]
    if fitting:
        longest = max(len(prefix) for _, prefix in fitting)
        return Shown(text, tuple(dict.fromkeys(name for name, prefix in fitting if len(prefix) == longest)), (), at)
    if issuers and (not plain or text.count(".") == 2):
        return Shown(text, (), issuers, at)
    if plain:
        return Shown(text, plain, (), at)
    # Behind a scheme that others use, too, it is no credential of ours; a place that is ours alone holds a bad one.
    return None if key[2] else Shown(None, tuple(name for name, _ in stores), (), at)
