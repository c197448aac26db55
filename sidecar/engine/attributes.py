"""Attribute sources on the deciding thread: what is remembered of their answers, and what has to be asked for.

The memory belongs to the thread that decides (docs/adr/0013-attribute-sources.md): a check whose values are all there
costs a lookup each, without a lock and without the loop. The loop only asks, and hands the answers back.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from sidecar.authz.facts import NOT_HAD, Facts
from sidecar.model.ask import AttributeFetcher, AttributeRequest, Attributes, Failed, Got
from sidecar.model.meter import CacheCount
from sidecar.model.principal import JsonValue
from sidecar.model.settings import AttributeSettings, FileAttribute, HttpAttribute, Settings, StaticAttribute

from .templates import USER_ID, KeyTemplate, UrlTemplate

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_SPARED: Final = 32
"""Second chances given by one check: making room is a bounded part of its work (security rule 30)."""
_BASE_WEIGHT = 1024
_WEIGHT_PER_BYTE = 10
"""Rough cost of a JSON value in memory, by the bytes that it was made from."""
ANSWER_IN: Final = 0.005
"""Seconds of the check's time that are left for the verdict once the answers are there, or are given up."""
NOT_ASKABLE: Final = "a value of the request cannot stand in its URL or key"
NEVER_READ: Final = "its file could not be read yet"

Values: TypeAlias = tuple[str, ...]


class AttributeRef:
    """One attribute source as it is configured, compared by identity: another URL, file or header is another one.

    ``table``: of a file, None until it could be read once; ``fetcher``: of an HTTP source, for the loop.
    """

    __slots__ = ("fetcher", "table")

    def __init__(self, fetcher: AttributeFetcher | None = None, table: Mapping[str, JsonValue] | None = None) -> None:
        """Take one of them, or neither."""
        self.fetcher = fetcher
        self.table = table


Key: TypeAlias = tuple[AttributeRef, Values]


class Entry:
    """One answer: of a source as it is configured, for the values of all its variables."""

    __slots__ = ("at", "used", "value", "weight")

    def __init__(self, got: Got, key: Values) -> None:
        self.value = got.value
        self.at = got.at
        self.weight = _BASE_WEIGHT + 2 * sum(map(len, key)) + _WEIGHT_PER_BYTE * got.size
        self.used = False


class AttributeMemory:
    """Answers of HTTP sources, bounded by estimated bytes, the least recently used go first (roughly)."""

    __slots__ = ("_bytes", "_entries", "_of", "count", "get")

    def __init__(self, count: CacheCount | None = None) -> None:
        """Start empty; count lookups into ``count``."""
        self.count = count or CacheCount()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self.get = self._entries.get
        """The answer, or None, whatever its age; whoever finds it good sets ``used``."""
        self._of: dict[AttributeRef, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def entries_of(self, ref: AttributeRef) -> int:
        """How many answers of one source there are. Any thread may ask."""
        return self._of.get(ref, 0)

    def within(self, key: Key, age: float, mono: float) -> Entry | None:
        """Return the answer if it is younger than ``age`` seconds."""
        entry = self._entries.get(key)
        return entry if entry is not None and mono < entry.at + age else None

    def put(self, key: Key, got: Got) -> None:
        """Remember an answer, and make room."""
        self._forget(key)
        entry = self._entries[key] = Entry(got, key[1])
        self._of[key[0]] = self._of.get(key[0], 0) + 1
        self._bytes += entry.weight
        spared = 0
        while self._bytes > MAX_BYTES:
            oldest, other = next(iter(self._entries.items()))
            if other.used and spared < MAX_SPARED:
                spared += 1
                other.used = False
                self._entries.move_to_end(oldest)
            else:
                self._forget(oldest)

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.weight
            left = self._of[key[0]] - 1
            if left:
                self._of[key[0]] = left
            else:
                del self._of[key[0]]


class HttpSource:
    """A source that is asked over HTTP."""

    __slots__ = ("_url", "attribute", "cache", "denies", "name", "ref", "settings", "values")

    def __init__(self, source: AttributeSettings, settings: HttpAttribute, ref: AttributeRef) -> None:
        """Compile. ``ref`` stands for the source as it is configured: answers are remembered under it."""
        self.name, self.attribute, self.denies = source.name, source.provides, source.denies
        self.settings = settings
        self.cache = settings.cache
        self.ref = ref
        self._url = UrlTemplate(settings.url)
        self.values = _reader(self._url.names)

    def request(self, values: Values) -> AttributeRequest | None:
        """Return what to ask for; None where these values cannot be asked about."""
        url = self._url.render(values)
        return None if url is None else AttributeRequest(self.name, self.ref.fetcher, url, self.settings.timeout)


class TableSource:
    """A source that is a table: of a file (``ref.table``, None until it was read), or of the configuration."""

    __slots__ = ("_default", "_key", "attribute", "denies", "name", "ref", "values")

    def __init__(self, source: AttributeSettings, settings: FileAttribute | StaticAttribute, ref: AttributeRef) -> None:
        """Compile."""
        self.name, self.attribute, self.denies = source.name, source.provides, source.denies
        self._key = KeyTemplate(settings.key)
        self.values = _reader(self._key.names)
        self._default: JsonValue = None
        self.ref = ref
        if isinstance(settings, StaticAttribute):
            self._default = settings.default
            self.ref = AttributeRef(table=settings.values)

    def get(self, values: Values) -> Any:
        """Look the values up; NOT_HAD where there is no table, or no key that means these values alone."""
        table = self.ref.table
        key = self._key.render(values)
        return NOT_HAD if table is None or key is None else table.get(key, self._default)

    def why_not(self) -> str:
        """Say why a value was not had."""
        return NEVER_READ if self.ref.table is None else NOT_ASKABLE


Source: TypeAlias = HttpSource | TableSource


class AttributeSources:
    """Compiled attribute sources; each gives one attribute, and no two the same."""

    __slots__ = ("by_attribute", "by_name")

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        """Take them."""
        self.by_name = {source.name: source for source in sources}
        self.by_attribute = {source.attribute: source for source in self.by_name.values()}


def compile_sources(settings: Settings, refs: Mapping[str, AttributeRef]) -> AttributeSources:
    """Compile all sources; one that ``refs`` lacks has nothing that could answer for it."""
    return AttributeSources(_compiled(one, refs.get(one.name) or AttributeRef()) for one in settings.attributes.values())


def _compiled(one: AttributeSettings, ref: AttributeRef) -> Source:
    if isinstance(one.source, HttpAttribute):
        return HttpSource(one, one.source, ref)
    return TableSource(one, one.source, ref)


def _reader(names: Values) -> Callable[[Facts], Any]:
    """Make what reads the values of these variables.

    It gives None where nobody is signed in whose id it could be, NOT_HAD where the route says nothing of a resource.
    """
    if len(names) == 1 and names[0] != USER_ID:
        name = names[0]

        def one(facts: Facts) -> Any:
            value = facts.resource(name)
            return NOT_HAD if value is None else (value,)

        return one

    def several(facts: Facts) -> Any:
        found = []
        for name in names:
            value = (facts.principal.identity.subject or None) if name == USER_ID else facts.resource(name)
            if value is None:
                return None if name == USER_ID else NOT_HAD
            found.append(value)
        return tuple(found)

    return several


class RememberedAttributes:
    """The sources as far as memory goes, for the short way: what is not there is not had, and is not asked for."""

    __slots__ = ("_memory", "_mono", "_sources")

    def __init__(self, sources: AttributeSources, memory: AttributeMemory, mono: float) -> None:
        """``mono``: monotonic seconds at which the check began."""
        self._sources = sources
        self._memory = memory
        self._mono = mono

    def get(self, name: str, facts: Facts) -> Any:
        """The value of an attribute, None where it is missing, NOT_HAD where nothing is remembered."""
        source = self._sources.by_attribute[name]
        values = source.values(facts)
        if values is None or values is NOT_HAD:
            return values
        if isinstance(source, TableSource):
            return source.get(values)
        known = self._memory.get((source.ref, values))
        if known is None or self._mono >= known.at + source.cache:
            return NOT_HAD
        self._memory.count.hit += 1
        known.used = True
        return known.value


class CheckAttributes:
    """The sources as one check sees them: each attribute has one value for all of it, whatever happens meanwhile."""

    __slots__ = ("_asked", "_memory", "_mono", "_seen", "_sources", "_values", "why")

    def __init__(self, sources: AttributeSources, memory: AttributeMemory, mono: float) -> None:
        """``mono``: monotonic seconds at which the check began."""
        self._sources = sources
        self._memory = memory
        self._mono = mono
        self._seen: dict[str, Any] = {}
        self._values: dict[str, Values] = {}
        """Of HTTP sources that did not give anything, by attribute."""
        self._asked: list[tuple[HttpSource, Key]] = []
        self.why: dict[str, str] = {}
        """Source → why it gave nothing."""

    def get(self, name: str, facts: Facts) -> Any:
        """The value of an attribute, None where it is missing, NOT_HAD where its source has not given one."""
        seen = self._seen
        if name not in seen:
            seen[name] = self._look(name, facts)
        return seen[name]

    def _look(self, name: str, facts: Facts) -> Any:
        source = self._sources.by_attribute[name]
        values = source.values(facts)
        if values is None or values is NOT_HAD:
            if values is NOT_HAD:
                self.why[source.name] = NOT_ASKABLE
            return values
        if isinstance(source, TableSource):
            value = source.get(values)
            if value is NOT_HAD:
                self.why[source.name] = source.why_not()
            return value
        memory = self._memory
        entry = memory.get((source.ref, values))
        if entry is None:
            memory.count.miss += 1
        elif self._mono < entry.at + source.cache:
            memory.count.hit += 1
            entry.used = True
            return entry.value
        else:
            memory.count.stale += 1
        self._values[name] = values
        return NOT_HAD

    def ask(self, wanted: Iterable[str], until: float) -> Attributes | None:
        """Return the one Ask for all of these sources that can be asked; None where none can, or they were asked already."""
        if self._asked:
            return None
        requests = []
        for name in wanted:
            source = self._sources.by_name.get(name)
            values = self._values.get(source.attribute) if source is not None else None
            if not isinstance(source, HttpSource) or values is None:
                continue
            request = source.request(values)
            if request is None:
                self.why[name] = NOT_ASKABLE
                continue
            requests.append(request)
            self._asked.append((source, (source.ref, values)))
        return Attributes(tuple(requests), until) if requests else None

    def take(self, answer: object) -> None:
        """Take in what the loop answered. Whatever is not an answer in its place is a failure; an old value may stand in for it."""
        outcomes = answer if isinstance(answer, tuple) and len(answer) == len(self._asked) else (None,) * len(self._asked)
        for (source, key), outcome in zip(self._asked, outcomes, strict=True):
            if isinstance(outcome, Got):
                if source.settings.cache or source.settings.stale_max:
                    self._memory.put(key, outcome)
                self._seen[source.attribute] = outcome.value
                continue
            self.why[source.name] = outcome.why if isinstance(outcome, Failed) else "no answer"
            old = self._memory.within(key, source.settings.stale_max, self._mono)
            if old is not None:
                old.used = True
                self._seen[source.attribute] = old.value
