"""What the conditions of one check look at: read when a condition asks for it, at most once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final, NamedTuple, Protocol, TypeAlias
from urllib.parse import parse_qsl

from sidecar.model.principal import Principal
from sidecar.model.request import CheckInput
from sidecar.model.strict_json import read_json

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_QUERY_FIELDS = 256


class Unusable:
    """Stands for something that is there and has no single meaning: no type fits it, so every comparison is unknown."""

    __slots__ = ()


class Unreadable(Unusable):
    """Stands for everything in a body or query that cannot be read in one way: not even whether it is there is known."""

    __slots__ = ()


class NotHad:
    """Stands for an attribute of a source that was not asked yet, or failed: nothing is known of it."""

    __slots__ = ()


Template: TypeAlias = Callable[[Sequence[str]], str]
"""Makes a text of the segments of a path."""
UNUSABLE: Final = Unusable()
UNREADABLE: Final = Unreadable()
NOT_HAD: Final = NotHad()


class LocalTime(NamedTuple):
    """``minute`` of the day; ``date`` as its ordinal; ``weekday`` as mon … sun; ``time_text`` HH:MM, ``date_text`` YYYY-MM-DD."""

    minute: int
    date: int
    weekday: str
    time_text: str
    date_text: str


class Calendar:
    """The local time in one zone, worked out once a minute. Owned by the thread that decides."""

    __slots__ = ("_local", "_minute", "_zone")

    def __init__(self, zone: tzinfo) -> None:
        """Take the zone of ``environment.timezone``."""
        self._zone = zone
        self._minute = -1
        self._local = LocalTime(0, 1, "mon", "00:00", "0001-01-01")

    def at(self, wall: float) -> LocalTime:
        """Return the local time at ``wall`` seconds since the epoch."""
        minute = int(wall // 60)
        if minute != self._minute:
            read = datetime.fromtimestamp(wall, self._zone)
            self._local = LocalTime(
                read.hour * 60 + read.minute, read.toordinal(), WEEKDAYS[read.weekday()], f"{read:%H:%M}", read.date().isoformat()
            )
            self._minute = minute
        return self._local


class Surroundings(NamedTuple):
    """What facts of every check are read with. Made for one snapshot, used by the thread that decides."""

    calendar: Calendar
    client: Callable[[CheckInput], str]
    """The client's address, empty when it is not known."""
    host: Callable[[str], str | None]
    """The host in its canonical form."""
    segments: Callable[[str], tuple[str, ...]]
    """Those of the canonical path."""


class Sources(Protocol):
    """What attribute sources gave."""

    def get(self, name: str, facts: "Facts") -> Any:
        """The value of the attribute ``name``, None where it is missing, NOT_HAD where nothing was given."""


class NoSources:
    """Sources of a configuration that has none."""

    __slots__ = ()

    def get(self, name: str, facts: "Facts") -> Any:  # noqa: ARG002 - as the protocol has it
        """Nothing."""
        return NOT_HAD


NO_SOURCES: Final = NoSources()


class Facts:
    """Everything about one check that a condition may ask for.

    ``resources``: how the route's ``resource.`` attributes are made from the segments of the path. ``wanted`` collects
    the sources that the outcome hinges on and that gave nothing.
    """

    __slots__ = ("_body", "_query", "_request", "_segments", "principal", "resources", "sources", "surroundings", "wall", "wanted")

    def __init__(
        self,
        principal: Principal,
        request: CheckInput | None,
        resources: Mapping[str, Template],
        wall: float,
        surroundings: Surroundings,
        sources: Sources = NO_SOURCES,
    ) -> None:
        """``wall``: seconds since the epoch. ``request`` is None where a subclass reads it only when it is asked for."""
        self.principal = principal
        self._request = request
        self.resources = resources
        self.wall = wall
        self.surroundings = surroundings
        self.sources = sources
        self.wanted: list[str] = []
        self._segments: Sequence[str] | None = None
        self._query: dict[str, Any] | None = None
        self._body: Any = None

    @property
    def request(self) -> CheckInput:
        """The check."""
        request = self._request
        assert request is not None
        return request

    @property
    def segments(self) -> Sequence[str]:
        """The segments of the canonical path."""
        known = self._segments
        if known is None:
            known = self._segments = self.surroundings.segments(self.request.path)
        return known

    def local(self) -> LocalTime:
        """The local time of the check."""
        return self.surroundings.calendar.at(self.wall)

    def resource(self, name: str) -> str | None:
        """What the route says of its resource, or one of its path variables."""
        template = self.resources.get(name)
        return None if template is None else template(self.segments)

    def header(self, name: str) -> Any:
        """One header; given twice it has no single meaning (a merged one shows that by its comma; pseudo-headers come once)."""
        headers = self.request.headers
        lines = headers.all(name)
        if not lines:
            return None
        if len(lines) > 1 or (headers.merged and "," in lines[0] and name[:1] != ":"):
            return UNUSABLE
        return lines[0]

    def query(self, name: str) -> Any:
        """One query parameter, decoded; given twice it has no single meaning; nothing is known of a query that cannot be read."""
        known = self._query
        if known is None:
            known = self._query = _read_query(self.request.path.partition("?")[2])
        return known.get(name, known.get(""))

    def body(self, path: tuple[str, ...]) -> Any:
        """One field of the JSON body, None where it is missing, UNREADABLE where the body is."""
        if self._body is None:
            self._body = _read_body(self)
        value = self._body
        for step in path:
            if isinstance(value, Unusable):
                return value
            value = value.get(step) if isinstance(value, dict) else None
        return value


class Kept(Facts):
    """What is left of the facts of a check that is over, fit to be shown: nothing of its headers, query and body."""

    __slots__ = ()

    def __init__(self, facts: Facts) -> None:
        """Keep what is left of ``facts``."""
        super().__init__(facts.principal, facts.request, facts.resources, facts.wall, facts.surroundings, facts.sources)

    def header(self, name: str) -> Any:  # noqa: ARG002 - as the facts have it
        """Not known any more."""
        return NOT_HAD

    def query(self, name: str) -> Any:  # noqa: ARG002
        """Not to be shown: credentials and personal data stand in queries."""
        return NOT_HAD

    def body(self, path: tuple[str, ...]) -> Any:  # noqa: ARG002
        """Not known any more."""
        return NOT_HAD


def _read_query(text: str) -> dict[str, Any]:
    """Parameters by name; under the empty name UNREADABLE where the whole query is."""
    if ";" in text:  # some readers part parameters there
        return {"": UNREADABLE}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=False, max_num_fields=MAX_QUERY_FIELDS, errors="strict")
    except ValueError:
        return {"": UNREADABLE}
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = UNUSABLE if name in found else value
    found.pop("", None)
    return found


def _read_body(facts: Facts) -> Any:
    """The body's JSON object; UNREADABLE unless Envoy sent all of it and it can be read in one way only."""
    content_type = facts.header("content-type")
    if not isinstance(content_type, str):
        return UNREADABLE
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return UNREADABLE
    if facts.header("content-encoding") is not None or facts.header("x-envoy-auth-partial-body") != "false":
        return UNREADABLE
    try:
        content = facts.request.content
        value = read_json(content.body or content.raw_body)
    except (ValueError, RecursionError):
        return UNREADABLE
    return value if isinstance(value, dict) else UNREADABLE
