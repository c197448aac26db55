"""``policies``."""

from sidecar.authz.attributes import Catalogue, UnknownAttribute
from sidecar.authz.cel import check_expression
from sidecar.config.marks import KeyPath, shown
from sidecar.config.schema.policies import Policy
from sidecar.config.schema.root import Config
from sidecar.config.suggest import did_you_mean
from sidecar.engine.routes import path_variables
from sidecar.model.condition import AllOf, Condition, Expression, attributes_of
from sidecar.model.settings import PolicySettings

from .conditions import ConditionReader, unknown_hint
from .place import Place


def catalogue_of(model: Config) -> Catalogue:
    """Return the attributes of a configuration that fits the schema."""
    mapped = {name for issuer in model.issuers.values() for name in issuer.claims.attributes or {}}
    resources = {name for route in model.routes.values() for name in route.resource or {}}
    resources |= {name for route in model.routes.values() for path in route.paths for name in path_variables(path)}
    return Catalogue(mapped, {source.provides: name for name, source in model.attributes.items()}, resources)


def policies_settings(model: Config, place: Place) -> dict[str, PolicySettings]:
    """Convert all policies; what cannot be used is noted."""
    if not model.policies:
        return {}
    catalogue = catalogue_of(model)
    found = {}
    for name, policy in model.policies.items():
        condition = _condition(name, policy, catalogue, place)
        if condition is not None:
            found[name] = PolicySettings(
                name=name,
                effect=policy.effect,
                shadow=policy.mode == "shadow",
                condition=condition,
                attributes=attributes_of(condition),
                where=place.mark.where(("policies", name)),
            )
    return found


def _condition(name: str, policy: Policy, catalogue: Catalogue, place: Place) -> Condition | None:
    path: KeyPath = ("policies", name)
    parts: list[Condition | None] = []
    if policy.conditions is not None:
        parts.append(ConditionReader(path, catalogue, place).read(policy.conditions))
    if policy.when is not None:
        parts.append(_expression(policy.when, (*path, "when"), catalogue, place))
    usable = tuple(part for part in parts if part is not None)
    if len(usable) != len(parts):
        return None
    return usable[0] if len(usable) == 1 else AllOf("", usable)


def _expression(text: str, path: KeyPath, catalogue: Catalogue, place: Place) -> Expression | None:
    try:
        return Expression("when", text, check_expression(text, catalogue))
    except UnknownAttribute as error:
        name = str(error)
        hint = did_you_mean(name, catalogue.names()) or unknown_hint(name)
        place.wrong(path, f"there is no attribute {shown(name)!r}", hint)
    except ValueError as error:
        place.wrong(path, f"CEL: {error}")
    return None
