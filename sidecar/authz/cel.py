"""``when``: the same kind of rule in CEL (github.com/google/cel-spec), checked for types when the configuration loads.

Each attribute is one variable under its whole name, and only those that an expression names are handed over. An
error comes back as a *value* of type ERROR whose content is a truthy text: whatever is not ``True`` or ``False`` itself is unknown.
The library keeps its own budget of iterations.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .attributes import Attribute, Catalogue, Kind, UnknownAttribute
from .facts import NOT_HAD, Facts, Unusable
from .ternary import FALSE, OPEN, TRUE, UNKNOWN, Truth

MAX_TEXT: Final = 4096
_TEXTS = re.compile(r"""[rRbB]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|//[^\n]*""", re.DOTALL)
_NAME = re.compile(r"(?<![\w.])(?:user|resource|environment|request)(?:\s*\.\s*[A-Za-z_]\w*)+(\s*\()?")
_KEYED = re.compile(r"""(?<![\w.])request\.(headers|query)\s*\[\s*(?:'([^'\\\n]*)'|"([^"\\\n]*)")\s*\]""")
_HAS = re.compile(r"(?<!\w)has\s*\(\s*\Z")
_OPENED = re.compile(r"(?<![\w.])(?:request\.(?:headers|query)(?!\s*[.\w\[])|(?:user|resource|environment|request)(?!\s*[.\w:]))")


def names_in(text: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the attributes that an expression names, ``request.headers["x-a"]`` as ``request.headers.x-a``.

    Raises:
        ValueError: with what is wrong, in words for operators.

    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters")
    names = {f"request.{kind}.{one or other}": None for kind, one, other in _KEYED.findall(text)}
    bare = _TEXTS.sub('""', _KEYED.sub('""', text))
    if _OPENED.search(bare):
        raise ValueError('names a whole group of attributes: name one, such as user.id or request.headers["x-tenant"]')
    for found in _NAME.finditer(bare):
        name = re.sub(r"\s", "", found[0].rstrip("( \t\n"))
        known = _longest_known(name, catalogue, called=found[1] is not None)
        if known == name and _HAS.search(bare, 0, found.start()):
            raise ValueError(f"has() is for fields of a value: for an attribute write conditions: {{{name}: {{exists: true}}}}")
        names[known] = None
    return tuple(names)


def _longest_known(name: str, catalogue: Catalogue, *, called: bool) -> str:
    """Cut what is a method, or a field of a value: the longest start that is an attribute."""
    parts = name.split(".")
    if called:
        parts.pop()
    for end in range(len(parts), 1, -1):
        start = ".".join(parts[:end])
        if catalogue.knows(start):
            return start
    raise UnknownAttribute(".".join(parts))


def check_expression(text: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Check an expression; return the attributes that it names.

    Raises:
        UnknownAttribute: it names something that is none.
        ValueError: with what is wrong, in words for operators.

    """
    names = names_in(text, catalogue)
    _compiled(text, {name: catalogue.find(name) for name in names})
    return names


def compile_expression(text: str, attributes: Mapping[str, Attribute]) -> Callable[[Facts], Truth]:
    """Compile a checked expression to a closure."""
    expression = _compiled(text, attributes)
    readers = [(name, _value_of(attribute.kind, attribute.read), attribute.source) for name, attribute in attributes.items()]
    keyed = [name for name in attributes if name.startswith(("request.headers.", "request.query."))]

    def holds(facts: Facts) -> Truth:
        values, missing = {}, []
        for name, read, source in readers:
            value = read(facts)
            if value is NOT_HAD:
                missing.append(source)
            elif value is not None and not isinstance(value, Unusable):
                values[name] = value
        for name in keyed:
            _put_keyed(values, name)
        try:
            outcome = expression.eval(data=values).value()
        except Exception:  # noqa: BLE001 - whatever the library makes of a value it cannot take: not known
            outcome = None
        if outcome is True:  # the very object: the text of an error is true, too
            return TRUE
        if outcome is False:
            return FALSE
        facts.wanted.extend(missing)
        return OPEN if missing else UNKNOWN

    return holds


def _put_keyed(values: dict[str, Any], name: str) -> None:
    _, group, key = name.split(".", 2)
    found = values.setdefault(f"request.{group}", {})
    if name in values:
        found[key] = values.pop(name)


def _value_of(kind: Kind, read: Callable[[Facts], Any]) -> Callable[[Facts], Any]:
    if kind is Kind.TIME:
        return lambda facts: facts.local().time_text
    if kind is Kind.DATE:
        return lambda facts: facts.local().date_text
    if kind is Kind.TEXTS:
        return lambda facts: list(read(facts))
    return read


def _compiled(text: str, attributes: Mapping[str, Attribute]) -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - 16 MB that only those load who write CEL

    types = {
        Kind.TEXT: cel.Type.STRING, Kind.ADDRESS: cel.Type.STRING, Kind.TIME: cel.Type.STRING, Kind.DATE: cel.Type.STRING,
        Kind.TEXTS: cel.Type.List(cel.Type.STRING), Kind.JSON: cel.Type.DYN,
    }  # fmt: skip
    variables = {}
    for name, attribute in attributes.items():
        if name.startswith(("request.headers.", "request.query.")):
            variables[".".join(name.split(".")[:2])] = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
        else:
            variables[name] = types[attribute.kind]
    try:
        expression = cel.NewEnv(variables=variables).compile(text)
    except RuntimeError as error:
        raise ValueError("; ".join(_said(str(error))) or "is not a CEL expression") from None
    if expression.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise ValueError(f"gives {expression.return_type().name()}, and a rule is true or false")
    return expression


def _said(error: str) -> Iterator[str]:
    """Pick the messages out of the library's text: ``ERROR: <input>:1:5: message``."""
    for line in error.splitlines():
        found = re.search(r"<input>:(\d+):(\d+): (.*?)(?: \(in container ''\))?$", line)
        if found:
            message = found[3].partition(" expecting {")[0]
            yield f"character {found[2]}: {message}" if found[1] == "1" else f"line {found[1]}, character {found[2]}: {message}"
