"""Find the credentials that a route accepts, each place read once; nothing is trimmed or repaired.

What a place holds is one of: nothing that this route accepts, one credential with those who may judge it, or
something that is refused (two values, a scheme without a credential).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from sidecar.model.outcome import Rejected
from sidecar.model.reason import Reason
from sidecar.model.request import Headers
from sidecar.model.settings import CredentialPlace

from .jose import jwt_shaped

_SCHEME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")  # RFC 9110 §5.6.2: token


class Reader(NamedTuple):
    """One authenticator reading one place."""

    order: int
    """Position in ``authenticate``."""
    authenticator: str
    kind: Literal["jwt", "api_key"]
    place: CredentialPlace


class Presented(NamedTuple):
    """One credential: ``readers`` may judge it, in order; all of one kind. ``value`` is a secret."""

    value: str
    kind: Literal["jwt", "api_key"]
    readers: tuple[Reader, ...]


class Judges:
    """Those who read one place under one scheme, sorted for dispatch."""

    __slots__ = ("_keys", "_prefixed", "_tokens")

    def __init__(self, readers: Iterable[Reader]) -> None:
        """Sort: longest prefix first, then tokens, then stores without a prefix."""
        readers = tuple(readers)
        prefixes = sorted({reader.place.prefix for reader in readers if reader.place.prefix}, key=len, reverse=True)
        self._prefixed = tuple(
            (prefix, found[0].kind, found)
            for prefix in prefixes
            for found in [tuple(reader for reader in readers if reader.place.prefix == prefix)]
        )
        self._tokens = tuple(reader for reader in readers if reader.kind == "jwt" and not reader.place.prefix)
        self._keys = tuple(reader for reader in readers if reader.kind == "api_key" and not reader.place.prefix)

    def dispatch(self, value: str) -> Presented | Rejected | None:
        """Longest matching key prefix → that store; JWT-shaped → by ``iss``; else stores without a prefix."""
        for prefix, kind, readers in self._prefixed:
            if value.startswith(prefix):
                return Presented(value, kind, readers)
        if self._tokens:
            if jwt_shaped(value):
                return Presented(value, "jwt", self._tokens)
            if not self._keys:
                return Rejected(Reason.INVALID_TOKEN, "neither a known key prefix nor a JWT")
        return Presented(value, "api_key", self._keys) if self._keys else None

    def judge(self, value: str) -> Presented | Rejected:
        """Dispatch at a place that is ours alone: whatever stands there is a credential, if a bad one."""
        if not value:
            return self.bad("empty credential")
        return self.dispatch(value) or self.bad("not a credential that is accepted here")

    def bad(self, detail: str) -> Rejected:
        """Refuse in the terms of those who would have judged: 401 for tokens, the store's status for keys."""
        if self._tokens:
            return Rejected(Reason.INVALID_TOKEN, detail)
        return Rejected(Reason.INVALID_API_KEY, detail)


class HeaderPlace:
    """One header and those that read it."""

    __slots__ = ("_name", "_schemeless", "_schemes")

    def __init__(self, name: str, readers: tuple[Reader, ...]) -> None:
        """Sort the readers by scheme (case-insensitive, RFC 9110 §11.1)."""
        self._name = name
        by_scheme: dict[str, list[Reader]] = {}
        for reader in readers:
            by_scheme.setdefault((reader.place.scheme or "").lower(), []).append(reader)
        schemeless = by_scheme.pop("", None)
        self._schemeless = Judges(schemeless) if schemeless else None
        self._schemes = {scheme: Judges(found) for scheme, found in by_scheme.items()}

    def read(self, headers: Headers) -> Presented | Rejected | None:
        """Read the header by security rule 16: scheme, exactly one space, credential."""
        value = headers.get(self._name)
        if value is None:
            return None
        if "," in value:
            # Envoy joins repeated headers with a comma, and no credential holds one (CVE-2022-29226).
            return Rejected(Reason.MULTIPLE_CREDENTIALS, f"more than one value in {self._name}")
        scheme, _, credential = value.partition(" ")
        judges = self._schemes.get(scheme) or self._schemes.get(scheme.lower())
        if judges is not None:
            if not credential or credential[0] == " ":
                return judges.bad("scheme without a well-formed credential")
            return judges.dispatch(credential)
        if self._schemeless is not None:
            return self._schemeless.judge(value)
        followed = self._schemes.get(_SCHEME.match(value)[0].lower())  # type: ignore[index]  # the pattern matches the empty string
        return followed.bad("scheme without a well-formed credential") if followed is not None else None


class Extraction:
    """The places that one route reads."""

    __slots__ = ("_cookies", "_first", "_headers", "_queries")

    def __init__(self, readers: Sequence[Reader], *, conflict_first: bool) -> None:
        """Compile; ``conflict_first``: of several credentials the first authenticator's counts."""
        places: dict[tuple[str, str], list[Reader]] = {}
        for reader in readers:
            places.setdefault((reader.place.kind, reader.place.name), []).append(reader)
        self._headers = tuple(HeaderPlace(name, tuple(found)) for (kind, name), found in places.items() if kind == "header")
        self._cookies = tuple((name, Judges(found)) for (kind, name), found in places.items() if kind == "cookie")
        self._queries = tuple((name, Judges(found)) for (kind, name), found in places.items() if kind == "query")
        self._first = conflict_first

    def read(self, headers: Headers, path: str) -> Presented | Rejected | None:
        """Return the one credential to judge, None if there is none, or why what is there cannot count."""
        found = None
        more: list[Presented] = []
        for place in self._headers:
            credential = place.read(headers)
            if credential is not None:
                if type(credential) is Rejected:
                    return credential
                if found is None:
                    found = credential
                more.append(credential)
        if self._cookies or self._queries:
            for credential in self._read_rest(headers, path):
                if type(credential) is Rejected:
                    return credential
                found = found or credential
                more.append(credential)
        return found if len(more) <= 1 else self._conflict(more)

    def _conflict(self, found: list[Presented]) -> Presented | Rejected:
        if self._first:
            return min(found, key=lambda credential: credential.readers[0].order)
        return Rejected(Reason.MULTIPLE_CREDENTIALS, "more than one kind of credential that this route accepts")

    def _read_rest(self, headers: Headers, path: str) -> Iterable[Presented | Rejected]:
        for name, judges in self._cookies:
            values = cookie_values(headers, name)
            if values is None or len(values) > 1:
                yield Rejected(Reason.MULTIPLE_CREDENTIALS, f"cookie {name} given twice")
            elif values:
                yield judges.judge(values[0])
        for name, judges in self._queries:
            values = query_values(path, name)
            if len(values) > 1:
                yield Rejected(Reason.MULTIPLE_CREDENTIALS, f"query parameter {name} given twice")
            elif values:
                yield judges.judge(values[0])


def cookie_values(headers: Headers, name: str) -> list[str] | None:
    """Return every value of a cookie; None where the Cookie header itself is ambiguous about it (rule 16)."""
    lines = headers.all("cookie")
    if len(lines) > 1:
        return None
    values = []
    for line in lines:
        for pair in line.split(";"):
            key, _, value = pair.strip(" \t").partition("=")
            if key == name:
                values.append(value)
        if re.search(rf",[ \t]*{re.escape(name)}=", line):
            return None
    return values


def query_values(path: str, name: str) -> list[str]:
    """Return every raw value of a query parameter; its name counts only as it is written in the configuration."""
    query = path.partition("?")[2].partition("#")[0]
    return [value for key, _, value in (pair.partition("=") for pair in query.split("&")) if key == name]
