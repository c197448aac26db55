"""Find the credentials that a route accepts, each place read once; nothing is trimmed or repaired.

What a place holds is one of: nothing that this route accepts, one credential with those who may judge it, or
something that is refused (two values, a scheme without a credential).
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple

from sidecar.model.outcome import Rejected
from sidecar.model.reason import Reason
from sidecar.model.request import Headers
from sidecar.model.settings import CredentialPlace

from .jose import jwt_shaped

SCHEME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")  # RFC 9110 §5.6.2: token


class Reader(NamedTuple):
    """One authenticator reading one place."""

    order: int
    """Position in ``authenticate``."""
    authenticator: str
    kind: Literal["jwt", "api_key"]
    place: CredentialPlace
    stays: bool = False
    """An accepted credential goes on upstream, and nothing else could have to be taken off (see ``Group``)."""


class Group:
    """Those who may judge one credential, in order; all of one kind.

    ``stays``: whoever accepts it, it goes on upstream, and no other credential has to be looked for to take off.
    """

    __slots__ = ("by_name", "kind", "readers", "stays")

    def __init__(self, readers: tuple[Reader, ...]) -> None:
        """``readers`` is not empty. An authenticator that reads the place in two ways is found by the first."""
        self.readers = readers
        self.kind = readers[0].kind
        self.stays = all(reader.stays for reader in readers)
        self.by_name = {reader.authenticator: reader for reader in reversed(readers)}


class Presented(NamedTuple):
    """One credential and who may judge it. ``value`` is a secret."""

    value: str
    group: Group

    def __repr__(self) -> str:
        return "Presented(hidden)"


_presented = tuple.__new__  # twice as fast as the class itself, which is a Python function


class Judges:
    """Those who read one place under one scheme, sorted for dispatch."""

    __slots__ = ("_keys", "_prefixed", "prefixes", "sole", "tokens")

    def __init__(self, readers: Iterable[Reader]) -> None:
        """Sort: longest prefix first, then tokens, then stores without a prefix."""
        readers = tuple(readers)
        self.prefixes = sorted({reader.place.prefix for reader in readers if reader.place.prefix}, key=len, reverse=True)
        self._prefixed = tuple((prefix, Group(tuple(one for one in readers if one.place.prefix == prefix))) for prefix in self.prefixes)
        self.tokens = _group(reader for reader in readers if reader.kind == "jwt" and not reader.place.prefix)
        self._keys = _group(reader for reader in readers if reader.kind == "api_key" and not reader.place.prefix)
        self.sole = self.tokens if self._keys is None and not self._prefixed else None
        """Who judges whatever stands there."""

    def dispatch(self, value: str) -> Presented | None:
        """Longest matching key prefix → that store; JWT-shaped → by ``iss``; else stores without a prefix."""
        for prefix, group in self._prefixed:
            if value.startswith(prefix):
                return _presented(Presented, (value, group))
        if self.tokens is not None and (self._keys is None or jwt_shaped(value)):
            return _presented(Presented, (value, self.tokens))  # what is no JWT is refused where it is read
        return Presented(value, self._keys) if self._keys is not None else None

    def judge(self, value: str) -> Presented | Rejected:
        """Dispatch at a place that is ours alone: whatever stands there is a credential, if a bad one."""
        if not value:
            return self.bad("empty credential")
        return self.dispatch(value) or self.bad("not a credential that is accepted here")

    def bad(self, detail: str) -> Rejected:
        """Refuse in the terms of those who would have judged: 401 for tokens, the store's status for keys."""
        if self.tokens is not None:
            return Rejected(Reason.INVALID_TOKEN, detail)
        return Rejected(Reason.INVALID_API_KEY, detail)


def _group(readers: Iterable[Reader]) -> Group | None:
    found = tuple(readers)
    return Group(found) if found else None


class Bearer(NamedTuple):
    """How tokens reach a route, for those who look a verified one up: then it is the only credential there.

    Such a token stands in ``header`` behind ``scheme`` (with its space, written as in the configuration), does not
    begin as a key does, none of the headers in ``absent`` is there, and it may go on upstream as it is.
    """

    header: str
    scheme: bytes
    keys: tuple[bytes, ...]
    """Scheme and prefix of each kind of key in the same header."""
    absent: frozenset[str]
    issuers: frozenset[str]


class HeaderPlace:
    """One header and those that read it."""

    __slots__ = ("_schemeless", "_schemes", "name")

    def __init__(self, name: str, readers: Sequence[Reader]) -> None:
        """Sort the readers by scheme (case-insensitive, RFC 9110 §11.1)."""
        self.name = name
        by_scheme: dict[str, list[Reader]] = {}
        for reader in readers:
            by_scheme.setdefault((reader.place.scheme or "").lower(), []).append(reader)
        schemeless = by_scheme.pop("", None)
        self._schemeless = Judges(schemeless) if schemeless else None
        self._schemes = {scheme: Judges(found) for scheme, found in by_scheme.items()}
        # Most clients write a scheme as the configuration does: then it is found as it stands.
        self._schemes |= {reader.place.scheme: self._schemes[reader.place.scheme.lower()] for reader in readers if reader.place.scheme}

    def bearers(self) -> Iterable[Bearer]:
        """Say for each scheme with tokens that may go on upstream how they come."""
        for scheme, judges in self._schemes.items():
            if (group := judges.tokens) is not None and group.stays and scheme == group.readers[0].place.scheme:
                keys = tuple(f"{scheme} {prefix}".encode() for prefix in judges.prefixes)
                yield Bearer(self.name, f"{scheme} ".encode(), keys, frozenset(), frozenset(group.by_name))

    def read(self, value: str) -> Presented | Rejected | None:
        """Read the header's value by security rule 16: scheme, exactly one space, credential."""
        if "," in value:
            # Envoy joins repeated headers with a comma, and no credential holds one (CVE-2022-29226).
            return Rejected(Reason.MULTIPLE_CREDENTIALS, f"more than one value in {self.name}")
        scheme, _, credential = value.partition(" ")
        judges = self._schemes.get(scheme) or self._schemes.get(scheme.lower())
        if judges is not None:
            if not credential or credential[0] == " ":
                return judges.bad("scheme without a well-formed credential")
            return judges.dispatch(credential) if judges.sole is None else _presented(Presented, (credential, judges.sole))
        if self._schemeless is not None:
            return self._schemeless.judge(value)
        followed = self._schemes.get(SCHEME.match(value)[0].lower())  # type: ignore[index]  # the pattern matches the empty string
        return followed.bad("scheme without a well-formed credential") if followed is not None else None


class Extraction:
    """The places that one route reads."""

    __slots__ = ("_cookies", "_elsewhere", "_first", "_headers", "_only", "_queries")

    def __init__(self, readers: Sequence[Reader], *, conflict_first: bool) -> None:
        """Compile; ``conflict_first``: of several credentials the first authenticator's counts."""
        places: dict[tuple[str, str], list[Reader]] = {}
        for reader in readers:
            places.setdefault((reader.place.kind, reader.place.name), []).append(reader)
        self._headers = tuple((name, HeaderPlace(name, found)) for (kind, name), found in places.items() if kind == "header")
        self._cookies = tuple((name, Judges(found)) for (kind, name), found in places.items() if kind == "cookie")
        self._queries = tuple((name, Judges(found)) for (kind, name), found in places.items() if kind == "query")
        self._elsewhere = bool(self._cookies or self._queries)
        self._only = self._headers[0] if len(self._headers) == 1 and not self._elsewhere else None
        self._first = conflict_first

    def read(self, headers: Headers, path: str) -> Presented | Rejected | None:
        """Return the one credential to judge, None if there is none, or why what is there cannot count."""
        get = headers.get
        if self._only is not None:
            name, place = self._only
            value = get(name)
            return None if value is None else place.read(value)
        found = None
        for name, place in self._headers:
            value = get(name)
            if value is not None:
                credential = place.read(value)
                if credential is not None:
                    if found is not None or isinstance(credential, Rejected):
                        return self._read_all(headers, path)
                    found = credential
        return self._read_all(headers, path) if self._elsewhere else found

    def _read_all(self, headers: Headers, path: str) -> Presented | Rejected | None:
        """Read where a request is not the usual one: the first refusal counts, and more than one credential is a conflict."""
        found: list[Presented] = []
        values = ((place, headers.get(name)) for name, place in self._headers)
        read = (place.read(value) for place, value in values if value is not None)
        for credential in chain(read, self._read_rest(headers, path)):
            if isinstance(credential, Rejected):
                return credential
            if credential is not None:
                found.append(credential)
        if len(found) == 1:
            return found[0]
        return self._conflict(found) if found else None

    def bearer(self) -> Bearer | None:
        """Return how tokens come, where that can be said shortly."""
        if self._elsewhere:
            return None
        found = [bearer for _, place in self._headers for bearer in place.bearers()]
        if len(found) != 1:
            return None
        return found[0]._replace(absent=frozenset(name for name, _ in self._headers if name != found[0].header))

    def _conflict(self, found: list[Presented]) -> Presented | Rejected:
        if self._first:
            return min(found, key=lambda credential: credential.group.readers[0].order)
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
            if values is None or len(values) > 1:
                yield Rejected(Reason.MULTIPLE_CREDENTIALS, f"query parameter {name} given twice, or among too many")
            elif values:
                yield judges.judge(values[0])


def cookie_values(headers: Headers, name: str) -> list[str] | None:
    """Return every value of a cookie; None where the Cookie header itself is ambiguous about it (rule 16)."""
    lines = headers.all("cookie")
    if len(lines) > 1:
        return None
    if not lines:
        return []
    line = lines[0]
    written, readable = _cookie_patterns(name)
    values = written.findall(line)
    # Each spelling holds the name, so there are no more of them than the name occurs: counting that is far cheaper.
    if line.count(name) != len(values) and len(values) != len(readable.findall(line)):
        return None
    if any("," in value for value in values):
        return None
    return values


def query_values(path: str, name: str) -> list[str] | None:
    """Return every raw value of a query parameter; None where readers could differ about which parameters have its name.

    Or where there are so many parameters that looking through them costs too much (security rule 30).
    """
    query = path.partition("?")[2].partition("#")[0]
    if query.count("&") + query.count(";") > MAX_SEPARATORS:
        return None
    values = [value for key, _, value in (pair.partition("=") for pair in query.split("&")) if key == name]
    if _AS_WRITTEN.search(query) is None:
        return values
    # Readers decode names and trim them, and some part parameters at semicolons, too.
    spelled, begins = _spellings(name)
    keys = (pair.partition("=")[0] for pair in query.replace(";", "&").split("&"))
    longest = 3 * len(name) + MAX_PADDING
    readable = sum((spelled.fullmatch(key) if len(key) <= longest else begins.match(key)) is not None for key in keys)
    return values if readable == len(values) else None


MAX_SEPARATORS = 256
"""Of query parameters, where one of them could be a credential."""
MAX_PADDING = 30
"""Characters around a parameter's name. Of longer ones only how they begin is looked at: with a space, or the name and one."""
_AS_WRITTEN = re.compile(r"[%+;\s]")
_SPACE = r"(?i:[+\s]|%(?:20|0[9A-D]|1[C-F]|C2%(?:85|A0)|E1%9A%80|E2%80%(?:8[0-9A]|A[89F])|E2%81%9F|E3%80%80))"
"""All that ``strip`` takes off, once decoded."""


# Names come from the configuration; patterns, because a header may hold 100,000 pairs (security rule 30).
@lru_cache(maxsize=64)
def _cookie_patterns(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}=([^;]*)"), re.compile(cookie_as_read(name))


def cookie_as_read(*names: str) -> str:
    """Give the pattern of a cookie's name, up to its ``=``, in any spelling that some reader takes for it.

    Most readers trim names, some of more than blanks, and join or split lines at commas: what parts a name from its
    neighbours is anything that cannot be in one. ``!`` counts as such, since bytes that are not UTF-8 read as it.
    """
    apart = r"[^#$%&'*+\-.^_`|~0-9A-Za-z;,=]*+"
    return rf"(?:^|[;,]){apart}(?:{'|'.join(map(re.escape, names))}){apart}="


@lru_cache(maxsize=64)
def _spellings(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Give the patterns of all spellings of a query parameter's name (ASCII letters, digits and ``._~-``), and of how those begin."""
    spelled = "".join(f"(?:{re.escape(char)}|(?i:%{ord(char):02X}))" for char in name)
    return re.compile(f"{_SPACE}*+{spelled}{_SPACE}*+"), re.compile(f"{_SPACE}|{spelled}{_SPACE}")
