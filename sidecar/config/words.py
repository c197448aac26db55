"""Pydantic's errors in plain words, at file and line, with a suggestion. No message repeats a value."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sidecar.model.errors import Problem

from .marks import KeyPath, Mark, Nothing, shown
from .schema.base import OURS, UNBUILT
from .suggest import did_you_mean

MAX_ERRORS = 500
_UNION_TAGS = frozenset({"map", "list"})

_NEEDS = {
    "string_type": "needs text",
    "bool_type": "needs true or false",
    "int_type": "needs a whole number",
    "int_from_float": "needs a whole number",
    "float_type": "needs a number",
    "list_type": "needs a list",
    "tuple_type": "needs a list",
    "dict_type": "needs a map of `key: value`",
    "model_type": "needs a map of `key: value`",
    "too_short": "must not be empty",
    "missing": "is missing",
}


def problems_of(error: ValidationError, model: type[BaseModel], mark: Mark) -> list[Problem]:
    """Turn a validation error of ``model`` into problems in the order of the file."""
    found = [_problem(details, model, mark) for details in error.errors(include_url=False)[:MAX_ERRORS]]
    return sorted({problem: None for problem in found if problem is not None}, key=lambda problem: problem.where.line)


def _problem(details: ErrorDetails, model: type[BaseModel], mark: Mark) -> Problem | None:
    path = _path(details["loc"])
    value = details["input"]
    kind = details["type"]
    if isinstance(value, Nothing):
        if value.reported:
            return None
        if kind not in {UNBUILT, "extra_forbidden"}:
            return mark.problem(path, "has no value", "write one, or remove the key")
    if kind == "extra_forbidden":
        return _unknown(path, model, mark)
    if kind == UNBUILT:
        return mark.problem(path, f"{shown(str(path[-1]))!r} is not built yet", "remove it")
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind == OURS:
        return mark.problem(path, str(context["message"]), str(context["hint"]))
    return mark.problem(path, *_said(kind, context, value, details["msg"]))


def _said(kind: str, context: Mapping[str, Any], value: object, message: str) -> tuple[str, str]:
    """Return message and hint for one of pydantic's own errors."""
    if kind in _NEEDS:
        return _NEEDS[kind], _hint(kind, value)
    if kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ")
        choices = [choice.strip().strip("'").replace("True", "true") for choice in expected.split(", ")]
        near = did_you_mean(value, choices) if isinstance(value, str) else ""
        return f"must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}", near
    for name, word in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if name in context:
            return f"must be {word} {context[name]}", ""
    return message[:1].lower() + message[1:], ""


def _hint(kind: str, value: object) -> str:
    if kind == "string_type":
        return "put it in quotes" if isinstance(value, bool | int | float) else ""
    if kind == "bool_type":
        return "write true or false without quotes" if isinstance(value, str) else ""
    if kind in {"list_type", "tuple_type"}:
        return "write it in [ ]" if isinstance(value, str | int | float) else ""
    return ""


def _path(loc: Sequence[str | int]) -> KeyPath:
    """Drop what pydantic adds to the document's own path: names of union members, and the mark of a map's key."""
    path = list(loc)
    if path[-1:] == ["[key]"]:
        path.pop()
    if len(path) > 1 and path[0] == "users" and path[1] in _UNION_TAGS:
        del path[1]
    return tuple(path)


def _unknown(path: KeyPath, model: type[BaseModel], mark: Mark) -> Problem:
    name = str(path[-1])
    section = model_at(model, path[:-1])
    known = built_keys(section) if section is not None else []
    hint = did_you_mean(name, known) or (f"known here: {', '.join(known)}" if known else "")
    return mark.problem(path, f"unknown key {shown(name)!r}", hint)


def built_keys(section: type[BaseModel]) -> list[str]:
    """Return the keys of a section as operators write them, without those that are not built yet."""
    return [
        field.alias or name
        for name, field in section.model_fields.items()
        if not (isinstance(field.json_schema_extra, dict) and UNBUILT in field.json_schema_extra)
    ]


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Return the section that stands at ``path`` below ``model``, or None where there is none."""
    candidates: list[Any] = [model]
    for step in path:
        candidates = [below for candidate in candidates for below in _below(candidate, step)]
    for candidate in candidates:
        for one in _options(candidate):
            if isinstance(one, type) and issubclass(one, BaseModel):
                return one
    return None


def _below(annotation: Any, step: str | int) -> list[Any]:
    found: list[Any] = []
    for option in _options(annotation):
        origin, arguments = get_origin(option), get_args(option)
        if isinstance(option, type) and issubclass(option, BaseModel):
            found += [field.annotation for name, field in option.model_fields.items() if (field.alias or name) == step]
        elif origin is dict and isinstance(step, str):
            found.append(arguments[1])
        elif origin is list and isinstance(step, int):
            found.append(arguments[0])
    return found


def _options(annotation: Any) -> list[Any]:
    """Unfold Annotated and unions."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _options(arguments[0])
    if origin is not None and origin not in {dict, list, tuple} and arguments and not isinstance(annotation, type):
        return [one for argument in arguments for one in _options(argument)]
    return [annotation]
