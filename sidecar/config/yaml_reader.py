"""YAML without surprises: events of libyaml's parser to plain values with their positions.

Composed from events, not by PyYAML's composer: it recurses in C without a bound, resolves aliases silently and
keeps the last of two equal keys. Here anchors, aliases, tags, merge keys, duplicate keys and directives are
errors, depth is capped, and every value keeps its line.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from sidecar.model.errors import Problem

from .marks import NULL, REPORTED, KeyPath, Mark, shown
from .scalars import resolve

MAX_DEPTH = 48
MAX_KEY = 1024
MAX_PROBLEMS = 200

# Not allowed by YAML, or a line break or an invisible direction mark that editors show otherwise than they count
# (CVE-2021-42574).
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_WORDS = {
    "found character that cannot start any token": "a character that cannot start a value here (a tab, or one of @ ` %): quote the text",
    "mapping values are not allowed in this context": "a second `: ` on this line: quote the text, or check the indentation",
    "could not find expected ':'": "a line without `:` where a key is expected",
    "did not find expected key": "a key is expected here: check the indentation and the quotes",
    "did not find expected '-' indicator": "an item starting with `- ` is expected here: check the indentation",
    "did not find expected ',' or ']'": "a list in [ ] is not closed",
    "did not find expected ',' or '}'": "a map in { } is not closed",
    "did not find expected node content": "a value is missing",
    "found unexpected end of stream": "the file ends inside a quoted text",
    "found unknown escape character": "an unknown escape in double quotes: use single quotes for text with backslashes",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One file's content. ``value`` is made of dict, list, str, int, float, bool and Nothing."""

    value: Any
    mark: Mark
    problems: list[Problem] = field(default_factory=list)


class _Stop(Exception):
    """The rest of the file cannot be read; the problem is already noted."""


def read_yaml(file: str, data: bytes) -> Document:
    """Read one document from ``data``; ``file`` is its name in messages. Never raises: see ``problems``."""
    reader = _Reader(file)
    try:
        text = reader.text_of(data)
        value, mark = reader.document(text)
    except _Stop:
        return Document(REPORTED, Mark(file, 1), reader.problems)
    return Document(value, mark, reader.problems)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def note(self, line: int, path: KeyPath, message: str, hint: str = "") -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop
        self.problems.append(Mark(self.file, line).here(path, message, hint))

    def stop(self, line: int, message: str, hint: str = "", path: KeyPath = ()) -> _Stop:
        self.note(line, path, message, hint)
        return _Stop()

    def text_of(self, data: bytes) -> str:
        try:
            text = data.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise self.stop(data.count(b"\n", 0, error.start) + 1, "is not UTF-8", "save the file as UTF-8") from None
        found = _UNREADABLE.search(text)
        if found:
            name = f"U+{ord(found[0]):04X}"
            raise self.stop(text.count("\n", 0, found.start()) + 1, f"has the character {name}, which is not allowed", "remove it")
        return text

    def document(self, text: str) -> tuple[Any, Mark]:
        events = yaml.CSafeLoader(text)  # used for its parser alone: nothing is constructed
        try:
            return self._single(events)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = str(error.problem)
            raise self.stop(mark.line + 1 if mark else 1, f"not valid YAML: {_WORDS.get(problem, problem)}") from None
        except yaml.YAMLError:
            raise self.stop(1, "not valid YAML") from None

    def _single(self, events: Any) -> tuple[Any, Mark]:
        events.get_event()
        start = events.get_event()
        if isinstance(start, yaml.StreamEndEvent):
            raise self.stop(1, "is empty", "a configuration starts with `version: 1`")
        if start.version is not None or start.tags:
            self.note(1, (), "YAML directives (%) are not allowed", "remove the line")
        result = self._node(events, events.get_event(), ())
        events.get_event()
        following = events.get_event()
        if not isinstance(following, yaml.StreamEndEvent):
            raise self.stop(following.start_mark.line + 1, "a second document starts here", "one file holds one document: remove `---`")
        return result

    def _node(self, events: Any, event: Any, path: KeyPath) -> tuple[Any, Mark]:
        line = event.start_mark.line + 1
        if len(path) > MAX_DEPTH:
            raise self.stop(line, f"nested deeper than {MAX_DEPTH} levels", path=path[:3])
        if isinstance(event, yaml.AliasEvent):
            self.note(line, path, "aliases (*) are not allowed", "write the value out; to mean the character, quote the text")
            return REPORTED, Mark(self.file, line)
        spoiled = self._spoiled(event, line, path)
        if isinstance(event, yaml.ScalarEvent):
            value = resolve(event.value) if event.implicit[0] else event.value
            return REPORTED if spoiled else value, Mark(self.file, line)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, line, path)
        return self._mapping(events, line, path)

    def _spoiled(self, event: Any, line: int, path: KeyPath) -> bool:
        if event.tag is not None:
            self.note(line, path, "tags (!) are not allowed", "remove it; to mean the character, quote the text")
        if event.anchor is not None:
            self.note(line, path, "anchors (&) are not allowed", "remove it; to mean the character, quote the text")
        return event.tag is not None or event.anchor is not None

    def _sequence(self, events: Any, line: int, path: KeyPath) -> tuple[Any, Mark]:
        values: list[Any] = []
        marks: list[Mark] = []
        while not isinstance(event := events.get_event(), yaml.SequenceEndEvent):
            value, mark = self._node(events, event, (*path, len(values)))
            values.append(value)
            marks.append(mark)
        return values, Mark(self.file, line, marks)

    def _mapping(self, events: Any, line: int, path: KeyPath) -> tuple[Any, Mark]:
        values: dict[str, Any] = {}
        marks: dict[str, Mark] = {}
        while not isinstance(event := events.get_event(), yaml.MappingEndEvent):
            at = event.start_mark.line + 1
            key = self._key(events, event, at, path)
            value, mark = self._node(events, events.get_event(), (*path, "" if key is None else key))
            if key is None:
                continue
            if key in values:
                self.note(at, (*path, key), f"the key {shown(key)!r} stands here twice, first on line {marks[key].line}", "keep one")
                continue
            mark.line = at
            values[key] = value
            marks[key] = mark
        return values, Mark(self.file, line, marks)

    def _key(self, events: Any, event: Any, line: int, path: KeyPath) -> str | None:
        """Return the key as its plain text, whatever it looks like; None when the entry must be left out."""
        if not isinstance(event, yaml.ScalarEvent):
            self._node(events, event, (*path, "?"))
            self.note(line, path, "a key must be plain text", "to start a text with [ { or *, quote it")
            return None
        if event.value == "<<" and event.implicit[0]:
            self.note(line, path, "merge keys (<<) are not allowed", "write the values out")
            return None
        if self._spoiled(event, line, path):
            return None
        key: str = event.value
        if not key or len(key) > MAX_KEY:
            self.note(line, path, "a key is empty or too long")
            return None
        return key


__all__ = ["MAX_DEPTH", "NULL", "Document", "read_yaml"]
