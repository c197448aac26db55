"""Files with Istio's documents: several in one file, lists of them, each value with its place."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sidecar.config.marks import KeyPath, Mark, Nothing, shown
from sidecar.config.yaml_reader import read_yaml
from sidecar.model.errors import Problem, Where

from .findings import NotImportable

GROUP: Final = "security.istio.io/"
AUTHORIZATION: Final = "AuthorizationPolicy"
AUTHENTICATION: Final = "RequestAuthentication"
_BOUNDARY = re.compile(r"^(?:---(?=[ \t\r]|$)|\.\.\.(?=[ \t\r]|$))", re.MULTILINE)
_ONLY_COMMENTS = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?(?:\n|\Z))*\Z")


@dataclass(frozen=True, slots=True)
class Resource:
    """One document. ``namespace`` is empty where it names none; ``root``: its key path in its part of the file."""

    kind: str
    api: str
    name: str
    namespace: str
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    mark: Mark
    root: KeyPath

    @property
    def title(self) -> str:
        """How findings call it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def of_istio(self) -> bool:
        """Whether it is one of Istio's security documents."""
        return self.api.startswith(GROUP)

    def where(self, *path: str | int) -> Where:
        """Say where a part of it stands."""
        return self.mark.where((*self.root, *path))


def read_resources(files: Iterable[tuple[str, bytes]]) -> list[Resource]:
    """Read all documents of ``files`` (name and content), in order.

    Raises:
        NotImportable: something is no YAML, or no Kubernetes document; with every place.

    """
    resources: list[Resource] = []
    problems: list[Problem] = []
    for name, content in files:
        for part in _parts(content):
            document = read_yaml(name, part)
            problems.extend(document.problems)
            if not document.problems:
                resources.extend(_resources(document.value, document.mark, (), problems))
    if problems:
        raise NotImportable(tuple(problems))
    return resources


def _parts(content: bytes) -> Iterator[bytes]:
    """Cut a file at its document markers; line breaks stand for what was cut off, so that places stay right."""
    text = content.decode("utf-8", "surrogateescape")
    starts = [0, *(found.end() for found in _BOUNDARY.finditer(text))]
    ends = [*(found.start() for found in _BOUNDARY.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        if not _ONLY_COMMENTS.match(text, start, end):
            yield ("\n" * text.count("\n", 0, start) + text[start:end]).encode("utf-8", "surrogateescape")


def _resources(value: Any, mark: Mark, root: KeyPath, problems: list[Problem]) -> Iterator[Resource]:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        problems.append(mark.problem(root, "is no Kubernetes document: it has no kind", "a document has apiVersion, kind and metadata"))
        return
    if value["kind"] == "List" and isinstance(value.get("items"), list):
        for number, item in enumerate(value["items"]):
            yield from _resources(item, mark, (*root, "items", number), problems)
        return
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    annotations = metadata.get("annotations")
    api = value.get("apiVersion")
    spec = value.get("spec", {})
    resource = Resource(
        kind=value["kind"],
        api=api if isinstance(api, str) else "",
        name=_text(metadata.get("name")) or "unnamed",
        namespace=_text(metadata.get("namespace")),
        annotations={name: str(one).lower() for name, one in annotations.items()} if isinstance(annotations, dict) else {},
        spec=spec if isinstance(spec, dict) else {},
        mark=mark,
        root=root,
    )
    if resource.of_istio and not isinstance(spec, dict | Nothing):
        problems.append(mark.problem((*root, "spec"), "is no map", "see Istio's reference of this kind"))
    yield resource


def _text(value: Any) -> str:
    return shown(value) if isinstance(value, str) else ""
