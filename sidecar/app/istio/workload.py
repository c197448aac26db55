"""Which documents are for the workload: those of its namespace or of the root one whose selector fits its labels."""

from collections.abc import Iterable, Sequence

from sidecar.config.marks import shown
from sidecar.model.errors import Problem

from .documents import AUTHENTICATION, AUTHORIZATION, Resource
from .findings import Finding, Kind, NotImportable
from .scope import Wishes

TARGETS = ("targetRef", "targetRefs")


def chosen(resources: Iterable[Resource], wishes: Wishes, findings: list[Finding]) -> list[Resource]:
    """Return the documents that count; the others are noted. Raises NotImportable: it cannot be told for whom they are."""
    security = []
    for one in resources:
        if not one.of_istio:
            findings.append(Finding(Kind.NOTE, one.where("kind"), one.title, "is no security document of Istio's: not looked at"))
        elif one.kind in {AUTHORIZATION, AUTHENTICATION}:
            security.append(one)
        else:
            findings.append(Finding(Kind.NOTE, one.where("kind"), one.title, "is not imported: leave it in force in Istio"))
    namespace, labels = _workload(security, wishes)
    fitting = []
    for one in security:
        here = not one.namespace or one.namespace in {namespace, wishes.root_namespace}
        if here and selector_of(one).items() <= labels.items():
            fitting.append(one)
        else:
            findings.append(Finding(Kind.NOTE, one.where("metadata"), one.title, "is for other workloads: not imported"))
    return fitting


def selector_of(resource: Resource) -> dict[str, str]:
    """Return the labels that a document asks for; none: it is for every workload. Raises NotImportable: no such selector is known."""
    selector = resource.spec.get("selector")
    if not isinstance(selector, dict):
        if isinstance(selector, str | int | list):
            raise _wrong(resource, "is no selector")
        return {}
    labels = selector.get("matchLabels", {})
    if set(selector) - {"matchLabels"} or not isinstance(labels, dict):
        raise _wrong(resource, "has more than matchLabels, which Istio does not know either")
    return {name: str(value) for name, value in labels.items()}


def _wrong(resource: Resource, message: str) -> NotImportable:
    where = resource.where("spec", "selector")
    return NotImportable((Problem(where, message, "see Istio's reference of WorkloadSelector"),))


def _workload(resources: Sequence[Resource], wishes: Wishes) -> tuple[str, dict[str, str]]:
    """Return the workload that is meant: as said, else the only one that the documents speak of."""
    namespace, labels = wishes.namespace, dict(wishes.labels)
    if namespace is None:
        spaces = sorted({one.namespace for one in resources} - {"", wishes.root_namespace})
        if len(spaces) > 1:
            raise _several(resources, f"the documents are for several namespaces: {', '.join(spaces)}", "say --namespace")
        namespace = spaces[0] if spaces else ""
    if not labels:
        mine = [one for one in resources if one.namespace in {"", namespace, wishes.root_namespace}]
        selectors = [selector for one in mine if (selector := selector_of(one))]
        if any(selector != selectors[0] for selector in selectors):
            said = "; ".join(dict.fromkeys(_said(selector) for selector in selectors))
            raise _several(resources, f"the documents select several workloads: {said}", "say --label NAME=VALUE for each label of yours")
        labels = selectors[0] if selectors else {}
    return namespace, labels


def _said(selector: dict[str, str]) -> str:
    return ", ".join(f"{shown(name)}={shown(value)}" for name, value in sorted(selector.items()))


def _several(resources: Sequence[Resource], message: str, hint: str) -> NotImportable:
    return NotImportable((Problem(resources[0].where("metadata"), message, hint),))
