"""What an attribute source is asked about: URLs and keys made from variables of the request, so that no two of them ever meet.

A variable is ``{name}`` (a path variable or a ``resource.`` name of the route), ``{resource.name}`` (the same), or
``{user.id}``. Its value comes from whoever asks, so it never decides *whom* we ask nor *where the segment ends*: in a
URL it is one whole segment or one whole query value, percent-encoded; in a key nothing that separates two variables
can stand in either of them.
"""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

USER_ID: Final = "user.id"
MAX_VALUE: Final = 1024
MAX_URL: Final = 8192
"""Characters."""
_VARIABLE = re.compile(r"\{(?:resource\.)?([A-Za-z_][A-Za-z0-9_]*|user\.id)\}")
_URL = re.compile(r"(https?://[^/?#]*)(/[^?#]*)?(?:\?([^#]*))?")
_STEPS = re.compile(r"[/\\;]|%2[Ff]|%5[Cc]")
"""Where a server that decodes twice, or drops ;parameters, would see a segment end."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadTemplate(ValueError):
    """A template that cannot be used; the text says why, in words for operators."""


def variables_in(text: str) -> tuple[str, ...]:
    """Return the names of the variables, each once, ``{resource.name}`` as ``name``. Raises BadTemplate on a stray brace."""
    if "{" in _VARIABLE.sub("", text) or "}" in _VARIABLE.sub("", text):
        raise BadTemplate("has a brace that is no {variable}: write {name} of a path variable or of `resource`, or {user.id}")
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


class UrlTemplate:
    """A URL with variables. Scheme, host and port are always those of the configuration."""

    __slots__ = ("_parts", "names")

    def __init__(self, text: str) -> None:
        """Take it apart. Raises BadTemplate."""
        found = _URL.fullmatch(text)
        if found is None:
            raise BadTemplate("is not a URL: write https://host/path")
        if "{" in found[1] or "}" in found[1]:
            raise BadTemplate("has a variable in its scheme or host, which are never taken from a request")
        self.names = variables_in(text)
        for segment in (found[2] or "/")[1:].split("/"):
            if segment in {".", ".."}:
                raise BadTemplate("has a . or .. segment in its path")
            _check_whole(segment, "path segment")
        for field in (found[3] or "").split("&"):
            name, _, value = field.partition("=")
            if "{" in name:
                raise BadTemplate("has a variable in the name of a query parameter")
            _check_whole(value, "query value")
        self._parts = _taken_apart(text, self.names)

    def render(self, values: Sequence[str]) -> str | None:
        """Return the URL for these values of ``names``; None where one of them cannot stand in it."""
        encoded = [_encoded(value) for value in values]
        if None in encoded:
            return None
        url = "".join(str(encoded[part]) if isinstance(part, int) else part for part in self._parts)
        return url if len(url) <= MAX_URL else None


class KeyTemplate:
    """The key of a table."""

    __slots__ = ("_parts", "_separators", "names")

    def __init__(self, text: str) -> None:
        """Take it apart. Raises BadTemplate."""
        self.names = variables_in(text)
        if not self.names:
            raise BadTemplate("has no variable: every request would find the same entry")
        self._parts = _taken_apart(text, self.names)
        inner = self._parts[1:-1][1::2]  # literals and variables take turns, and it starts and ends with a literal
        if "" in inner:
            raise BadTemplate('has two variables side by side: put a separator between them, as in "{tenant}/{post_id}"')
        self._separators = frozenset("".join(str(literal) for literal in inner))

    def render(self, values: Sequence[str]) -> str | None:
        """Return the key; None where a value holds what separates it from the next: two resources would share an entry."""
        for value in values:
            if len(value) > MAX_VALUE or not self._separators.isdisjoint(value):
                return None
        return "".join(values[part] if isinstance(part, int) else part for part in self._parts)


def _check_whole(piece: str, what: str) -> None:
    if "{" in piece and _VARIABLE.fullmatch(piece) is None:
        raise BadTemplate(f"has a variable that is only a part of a {what}: a value is a whole one")


def _taken_apart(text: str, names: tuple[str, ...]) -> list[str | int]:
    """Literals, and between them the number of a variable."""
    pieces = _VARIABLE.split(text)
    return [names.index(piece) if number % 2 else piece for number, piece in enumerate(pieces)]


def _encoded(value: str) -> str | None:
    """Return one segment; None for what is empty, a dot segment to some reader, or not meant for a URL at all."""
    if not value or len(value) > MAX_VALUE or _CONTROL.search(value):
        return None
    if any(not step.strip(". ") for step in _STEPS.split(value.replace("%2e", ".").replace("%2E", "."))):
        return None
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        return None
