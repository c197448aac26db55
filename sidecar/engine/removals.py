"""What has to go from this very request: look-alikes of identity headers, stripped patterns, credentials.

Worked out per request, whatever else was remembered: a client may add any header to any call.
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from sidecar.authn.extract import SCHEME, Reader, cookie_as_read, cookie_values, query_values
from sidecar.model.mutation import Mutations
from sidecar.model.request import CheckInput, Headers
from sidecar.model.settings import CredentialPlace

MAX_HARMLESS = 4096
MAX_NAME = 128
MAX_JOINED = 8 * 1024
MAX_COOKIES = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")


def fold(name: str) -> str:
    """Fold a header name the way CGI-like backends do: ``X.User_Id`` and ``x-user-id`` are one."""
    return _NOT_ALPHANUMERIC.sub("-", name.strip().lower())


class LookAlikes:
    """Finds header names that a backend could read as one of ours, and those under ``strip_headers``.

    Names known to be harmless are remembered (bounded), so that a usual request costs one set operation. The set belongs to the
    thread that decides.
    """

    __slots__ = ("_folded", "_longest", "_ours", "_prefixes", "harmless")

    def __init__(self, identity_names: Collection[str], strip_headers: Iterable[str]) -> None:
        """Compile; ``identity_names`` themselves are always set or removed anyway."""
        self._ours = frozenset(identity_names)
        patterns = tuple(strip_headers)
        self._folded = frozenset(map(fold, [*identity_names, *(name for name in patterns if not name.endswith("*"))]))
        self._prefixes = tuple(fold(name[:-1]) for name in patterns if name.endswith("*"))
        self._longest = max(map(len, (*self._folded, *self._prefixes)), default=0)
        self.harmless: set[str] = set(self._ours)
        """Names that need not be looked at; for asking of many at once."""

    def present(self, headers: Headers) -> tuple[str, ...]:
        """Names on this request to remove."""
        names = headers.names()
        if self.harmless.issuperset(names):
            return ()
        return tuple(dict.fromkeys(name for name in names if name not in self.harmless and self._must_go(name)))

    def _must_go(self, name: str) -> bool:
        folded = fold(name[: self._longest + 1])  # one more than can match: no work for what is longer
        if name.lower() in self._ours:
            return False  # removing it would take ours away: Envoy removes last, whatever the case
        # Envoy cannot remove pseudo-headers and Host; the configuration refuses patterns that would need it.
        if name[:1] != ":" and name != "host" and (folded in self._folded or folded.startswith(self._prefixes)):
            return True
        if len(name) <= MAX_NAME:
            if len(self.harmless) >= MAX_HARMLESS:
                self.harmless.clear()  # in place, as others hold on to it; what is usual comes back with the next requests
                self.harmless |= self._ours
            self.harmless.add(name)
        return False


class Credentials:
    """Takes credentials with ``forward: false`` off every request, accepted by its route or not (rule 15)."""

    __slots__ = ("_cookie_pattern", "_cookies", "_headers", "_others", "_queries", "always")

    def __init__(self, places: Iterable[CredentialPlace]) -> None:
        """Compile. ``always``: headers that hold nothing but such credentials, removed unseen."""
        headers: dict[str, list[CredentialPlace]] = {}
        cookies: list[str] = []
        queries: list[str] = []
        for place in places:
            if place.kind == "header":
                headers.setdefault(place.name, []).append(place)
            elif not place.forward:
                (cookies if place.kind == "cookie" else queries).append(place.name)
        stripped = {name: found for name, found in headers.items() if not all(place.forward for place in found)}
        self.always = tuple(name for name, found in stripped.items() if all(place.scheme is None and not place.forward for place in found))
        self._headers = tuple((name, tuple(found)) for name, found in stripped.items() if name not in self.always)
        self._cookies = tuple(dict.fromkeys(cookies))
        self._queries = tuple(dict.fromkeys(queries))
        # With what parts it from the pair before it, up to the next pair; only its own names are taken.
        self._cookie_pattern = re.compile(cookie_as_read(*self._cookies) + "[^;,]*+(?:,[^;,=]*+(?![^;,]))*+")
        self._others = bool(cookies or queries)

    def stays(self, place: CredentialPlace) -> bool:
        """Tell whether a request whose accepted credential stood there needs nothing taken off, whatever else it has."""
        forwarded = place.kind == "header" and place.forward and all(name == place.name for name, _ in self._headers)
        return forwarded and not self._others

    def take_off(self, request: CheckInput, accepted: Reader | None) -> "TakenOff":
        """Say what to change on this request; an ``accepted`` credential goes by its own ``forward``."""
        headers = request.headers
        removed: tuple[str, ...] = ()
        for name, places in self._headers:
            if _holds(headers, name, places, accepted):
                removed = (*removed, name)
        if not self._others:
            return TakenOff(removed) if removed else NOTHING_TAKEN_OFF
        cookies = tuple(name for name in self._cookies if not _kept("cookie", name, accepted) and cookie_values(headers, name) != [])
        queries = tuple(name for name in self._queries if not _kept("query", name, accepted) and query_values(request.path, name) != [])
        rest = _cookies_without(headers, self._cookie_pattern) if cookies else None
        return TakenOff(
            (*removed, "cookie") if rest == "" else removed,
            (("cookie", rest),) if rest else (),
            queries,
        )


class TakenOff(NamedTuple):
    """Header names to remove, ``cookie`` to overwrite, query parameters to remove."""

    removed: tuple[str, ...] = ()
    set_headers: tuple[tuple[str, str], ...] = ()
    queries: tuple[str, ...] = ()


NOTHING_TAKEN_OFF = TakenOff()


def _kept(kind: str, name: str, accepted: Reader | None) -> bool:
    return accepted is not None and accepted.place.kind == kind and accepted.place.name == name and accepted.place.forward


def _holds(headers: Headers, name: str, places: tuple[CredentialPlace, ...], accepted: Reader | None) -> bool:
    if accepted is not None and accepted.place.name == name and accepted.place.kind == "header":
        return not accepted.place.forward
    value = headers.get(name)
    if value is None:
        return False
    if "," not in value and ";" not in value:
        parts = [value.strip()]  # as whoever reads it trims it
    elif len(value) > MAX_JOINED:
        return True  # not worth the search (security rule 30): what no route here accepts need not travel on
    else:
        parts = [value.strip(), *(part.strip() for part in re.split("[,;]", value))]
    return any(_matches(part, place) for part in parts for place in places if not place.forward)


def _matches(value: str, place: CredentialPlace) -> bool:
    if place.scheme is None:
        return value.startswith(place.prefix or "")
    scheme = SCHEME.match(value)[0]  # type: ignore[index]  # the pattern matches the empty string
    # Whatever parts them: a badly written credential is one all the same.
    return scheme.lower() == place.scheme.lower() and value[len(scheme) :].lstrip(" \t:=").startswith(place.prefix or "")


def _cookies_without(headers: Headers, pattern: re.Pattern[str]) -> str:
    """The Cookie header without some cookies: ext_authz can only overwrite it whole."""
    lines = headers.all("cookie")
    if sum(map(len, lines)) > MAX_COOKIES:
        return ""  # not worth the search (security rule 30)
    # Repeated lines reach us joined with commas (ext-authz): ours may stand behind one.
    rest = pattern.sub("", "; ".join(lines)).lstrip("; \t")
    return rest if _CONTROL.search(rest) is None else ""  # a control would make Envoy refuse, or split, the request


def combine(always: Mutations, look_alikes: tuple[str, ...], taken: TakenOff) -> Mutations:
    """Join what the principal always changes with what only this request needs; disjoint by construction."""
    if not look_alikes and taken is NOTHING_TAKEN_OFF:
        return always
    ours = {name for name, _ in always.upstream.set_headers}
    ours.update(always.upstream.removed)
    removed = tuple(name for name in dict.fromkeys((*look_alikes, *taken.removed)) if name not in ours)
    return Mutations(always.upstream, taken.set_headers, removed, taken.queries)
