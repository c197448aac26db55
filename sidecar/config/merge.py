"""The files of a configuration directory as one document."""

from collections.abc import Iterable
from typing import Any

from sidecar.model.errors import Problem

from .marks import Mark, Nothing
from .schema.root import MERGED
from .yaml_reader import Document


def merge(documents: Iterable[Document], root: str) -> Document:
    """Merge by section: maps of names name by name, settings from the one file that has them.

    ``root`` names the configuration as a whole, for problems that belong to no file.
    """
    documents = list(documents)
    merged: dict[str, Any] = {}
    marks: dict[str, Mark] = {}
    problems = [problem for document in documents for problem in document.problems]
    for document in documents:
        if not isinstance(document.value, dict):
            if not isinstance(document.value, Nothing) or not document.value.reported:
                problems.append(document.mark.here((), "is not a map of sections", "start with `version: 1`"))
            continue
        problems += _version(document)
        for name in document.value:
            problems += _add(document, name, merged, marks)
    if problems:
        merged.setdefault("version", 1)  # missing because a file could not be read
    whole = documents[0].mark if len(documents) == 1 else Mark(root, 1)
    return Document(merged, Mark(whole.file, whole.line, marks), problems)


def _version(document: Document) -> list[Problem]:
    if "version" in document.value:
        return []
    assert isinstance(document.mark.children, dict)
    document.value["version"] = 1
    document.mark.children["version"] = Mark(document.mark.file, 1)
    return [document.mark.here((), "has no version", "add `version: 1` as the first line")]


def _add(document: Document, name: str, merged: dict[str, Any], marks: dict[str, Mark]) -> list[Problem]:
    value, mark = document.value[name], document.mark.child(name)
    assert mark is not None
    if name not in merged:
        merged[name] = dict(value) if isinstance(value, dict) else value
        marks[name] = Mark(mark.file, mark.line, dict(mark.children) if isinstance(mark.children, dict) else mark.children)
        return []
    if name == "version":
        same = value == merged[name] and type(value) is type(merged[name])
        return [] if same else [mark.here((name,), "must be 1 in every file")]
    first = marks[name]
    if name not in MERGED:
        return [mark.here((name,), f"this section stands in {first.file}, too", "keep it in one file")]
    if not isinstance(value, dict) or not isinstance(merged[name], dict):
        return [mark.here((name,), f"stands in {first.file}, too, and only maps of names merge", "keep it in one file")]
    return _merge_names(name, mark, value, merged[name], first)


def _merge_names(name: str, mark: Mark, value: dict[str, Any], into: dict[str, Any], first: Mark) -> list[Problem]:
    assert isinstance(mark.children, dict)
    assert isinstance(first.children, dict)
    problems = []
    for key, item in value.items():
        here = mark.children[key]
        if key in into:
            other = first.children[key]
            problems.append(here.here((name, key), f"stands in {other.file}:{other.line}, too", "rename or remove one"))
        else:
            into[key] = item
            first.children[key] = here
    return problems
