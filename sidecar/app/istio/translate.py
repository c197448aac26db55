"""Documents → what the configuration will say, and what of them it does not.

One attribute policy for each rule, so that a decision's record names it. Istio's order: CUSTOM and DENY keep out
first, then some ALLOW rule has to hold, if there is any ALLOW policy, even one that allows nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sidecar.config.marks import shown
from sidecar.model.errors import Problem, Where

from .algebra import NEVER, Leaf, keeps_out_by, written
from .documents import AUTHORIZATION, Resource
from .findings import Finding, Kind, NotImportable
from .names import Names
from .rules import Hole, read_rule
from .scope import Claims, Scope, Wishes
from .texts import MISSPELT, PATH
from .tokens import Tokens, read_tokens
from .workload import TARGETS, chosen

DRY_RUN: Final = "istio.io/dry-run"
NOTHING: Final = "allow-nothing"
SPELLING: Final = "path-spelling"
_TRUE: Final = frozenset({"1", "t", "true"})
_SPEC: Final = frozenset({"selector", "action", "provider", "rules"})


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule, as an attribute policy. ``comment``: which rule it was."""

    name: str
    denies: bool
    shadow: bool
    conditions: Leaf
    comment: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The whole of it. ``restricted``: some ALLOW policy is in force, so that what no rule allows is denied."""

    issuers: Mapping[str, dict[str, Any]]
    claims: Claims
    policies: Sequence[Policy]
    restricted: bool
    wishes: Wishes
    findings: Sequence[Finding]
    documents: int

    @property
    def blocked(self) -> bool:
        """Whether something that keeps people out could not be carried over."""
        return any(finding.kind is Kind.BLOCKING for finding in self.findings)


@dataclass(slots=True)
class _Import:
    wishes: Wishes
    tokens: Tokens
    findings: list[Finding]
    claims: Claims = field(default_factory=Claims)
    names: Names = field(default_factory=lambda: Names(reserved={NOTHING, SPELLING}))
    policies: list[Policy] = field(default_factory=list)
    restricted: bool = False

    def note(self, kind: Kind, where: Where, resource: Resource, message: str, hint: str = "") -> None:
        self.findings.append(Finding(kind, where, resource.title, message, hint))

    def policy(self, resource: Resource) -> None:
        action = resource.spec.get("action", "ALLOW")
        shadow = resource.annotations.get(DRY_RUN) in _TRUE
        where = resource.where("spec", "action")
        if action == "AUDIT":
            self.note(Kind.NOTE, where, resource, "AUDIT decides nothing: not imported")
            return
        if action not in {"ALLOW", "DENY", "CUSTOM"}:
            self.note(Kind.BLOCKING, where, resource, f"{shown(str(action))!r} is no action that is known here")
            return
        if action == "CUSTOM" and not self._custom(resource, where, shadow=shadow):
            return
        if action == "ALLOW":
            self.restricted = self.restricted or not shadow
        extra = tuple(self._extra(resource))
        for number, rule in enumerate(_rules(resource)):
            self._rule(resource, number, rule, extra, denies=action != "ALLOW", shadow=shadow)

    def _custom(self, resource: Resource, where: Where, *, shadow: bool) -> bool:
        """Tell whether its rules have to be denied here: another authorizer decides about what they match."""
        provider = resource.spec.get("provider")
        name = provider.get("name") if isinstance(provider, dict) else None
        if name in self.wishes.providers:
            self.note(Kind.NOTE, where, resource, f"provider {shown(str(name))!r} is this sidecar: nothing to import")
            return False
        if shadow:
            self.note(Kind.NOTE, where, resource, "CUSTOM in dry run decides nothing: not imported")
            return False
        if not _rules(resource):
            self.note(Kind.NOTE, where, resource, "CUSTOM without rules asks nobody: not imported")
            return False
        hint = "say --provider if that is this sidecar; --partial denies what its rules match"
        self._kept_out(resource, where, f"another authorizer ({shown(str(name))}) decides about what its rules match", hint)
        return self.wishes.partial

    def _extra(self, resource: Resource) -> Iterator[Hole]:
        for key in resource.spec:
            if key in TARGETS:
                yield Hole(
                    ("spec", key), "whether its target is this workload cannot be told", "write a selector, or leave the document out"
                )
            elif key not in _SPEC:
                yield Hole(("spec", key), "is not known here")
        if not isinstance(resource.spec.get("rules", []), list):
            yield Hole(("spec", "rules"), "is no list")

    def _rule(self, resource: Resource, number: int, rule: Any, extra: tuple[Hole, ...], *, denies: bool, shadow: bool) -> None:
        scope = Scope(self.wishes, self.tokens.fault, self.tokens.split, self.claims, wide=denies)
        condition, holes = read_rule(rule, scope)
        holes = (*extra, *(Hole(("spec", "rules", number, *hole.path), hole.message, hole.hint) for hole in holes))
        if holes and (shadow or not denies):
            for hole in holes:
                self.note(
                    Kind.NOTE if shadow else Kind.LEFT_OUT,
                    resource.where(*hole.path),
                    resource,
                    f"rule {number} is left out: {hole.message}",
                    hole.hint,
                )
            return
        for hole in holes:
            self._kept_out(resource, resource.where(*hole.path), f"rule {number}: {hole.message}", hole.hint)
        if condition is False:
            self.note(Kind.NOTE, resource.where("spec", "rules", number), resource, f"rule {number} never holds: left out")
            return
        name = self.names.take("-".join(part for part in (resource.namespace, resource.name, "rule", str(number)) if part))
        place = resource.where("spec", "rules", number)
        comment = f"{place.file}:{place.line}: {resource.title}, rule {number}"
        self.policies.append(Policy(name, denies, shadow, written(condition), comment))

    def _kept_out(self, resource: Resource, where: Where, message: str, hint: str) -> None:
        """Note a part that keeps someone out and cannot be said: in a partial import more is denied."""
        if self.wishes.partial:
            self.note(Kind.DENIED, where, resource, f"{message}; more is denied instead", hint)
        else:
            self.note(Kind.BLOCKING, where, resource, message, hint or "--partial denies more instead")


def _rules(resource: Resource) -> list[Any]:
    rules = resource.spec.get("rules", [])
    return rules if isinstance(rules, list) else [rules]


def translate(resources: Sequence[Resource], wishes: Wishes) -> Imported:
    """Translate documents. Raises NotImportable: it cannot be told for which workload they are."""
    findings: list[Finding] = []
    fitting = chosen(resources, wishes, findings)
    if not fitting:
        raise NotImportable((Problem(Where("", 0, ""), "none of the documents is for this workload", "see --namespace and --label"),))
    task = _Import(wishes, read_tokens(fitting, wishes, findings), findings)
    for resource in fitting:
        if resource.kind == AUTHORIZATION:
            task.policy(resource)
    policies = tuple(_attachable(task))
    return Imported(task.tokens.issuers, task.claims, policies, task.restricted, wishes, tuple(findings), len(fitting))


def _attachable(task: _Import) -> Iterator[Policy]:
    """Give what a route can attach: beside an ALLOW rule in dry run there has to be one in force."""
    in_force = any(not policy.denies and not policy.shadow for policy in task.policies)
    if any(keeps_out_by(policy.conditions, PATH, denies=policy.denies) for policy in task.policies if not policy.shadow):
        comment = "one path spelled in another way, /%61dmin for /admin; Envoy with normalize_path has decoded it"
        yield Policy(SPELLING, denies=True, shadow=False, conditions=MISSPELT, comment=comment)
    for policy in task.policies:
        if policy.denies or not policy.shadow or task.restricted:
            yield policy
        else:
            message = f"{policy.name}: an ALLOW rule in dry run, with no ALLOW policy in force beside it, cannot be tried: left out"
            task.findings.append(Finding(Kind.NOTE, Where("", 0, ""), policy.comment, message))
    if task.restricted and not in_force:
        yield Policy(
            NOTHING, denies=False, shadow=False, conditions=NEVER, comment="an ALLOW policy is in force, and no rule of it is left"
        )
