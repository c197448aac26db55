"""Which routes stand behind a connection manager, and whether a filter that is off by default is on for them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sidecar.app.doctor.findings import Findings

from .tree import Node

ROUTES = "envoy.config.route.v3.RouteConfiguration"
MAX_NAMED = 10
"""Routes that are named one by one; of more than that only the count is told."""


class Route(NamedTuple):
    """A route, its virtual host and its configuration: an override of the innermost one counts."""

    route: Node
    host: Node
    configuration: Node

    @property
    def answers_itself(self) -> bool:
        """Whether no service is reached by it."""
        return self.route.get("direct_response").there or self.route.get("redirect").there

    def turns_on(self, name: str) -> bool:
        """Whether a filter that is disabled in the manager is on here: some override names it, and does not disable it too."""
        for level in self:
            override = _field(level.get("typed_per_filter_config"), name)
            if override.there:
                return not override.message().get("disabled").is_true and not override.message().get("config", "disabled").is_true
        return False


def _field(node: Node, name: str) -> Node:
    """A map's key exactly as it is: it is a name, not a field."""
    return next((value for key, value in node.fields() if key == name), Node(None, node.root, node.path))


def route_configurations(parts: Iterable[Node]) -> Mapping[str, Node]:
    """The route configurations of a config_dump, by name."""
    named = ((part.get("name").value, part) for part in parts if part.type == ROUTES)
    return {name: part for name, part in named if isinstance(name, str)}


def routes_behind(manager: Node, known: Mapping[str, Node]) -> list[Route] | None:
    """Every route of a manager; None when they come from elsewhere and are not known."""
    own = manager.message().get("route_config")
    name = manager.message().get("rds", "route_config_name").value
    configuration = own if own.there else known.get(name) if isinstance(name, str) else None
    if configuration is None:
        return None
    return [
        Route(route, host, configuration) for host in configuration.get("virtual_hosts").items() for route in host.get("routes").items()
    ]


def check_turned_on(item: Node, routes: list[Route] | None, findings: Findings) -> None:
    """Judge a filter that is disabled in the manager (Envoy Gateway's way): routes have to turn it on."""
    where, name = item.get("disabled").where, item.get("name").value
    if routes is None:
        findings.warning(
            "envoy.disabled",
            where,
            "ext_authz is on only where a route turns it on, and the routes are not here",
            "give the whole /config_dump",
        )
        return
    missed = [one for one in routes if not one.answers_itself and not (isinstance(name, str) and one.turns_on(name))]
    if routes and len(missed) == len(routes):
        findings.error("envoy.disabled", where, "ext_authz is off, and no route turns it on", "remove `disabled`")
        return
    for one in missed[:MAX_NAMED]:
        findings.warning(
            "envoy.route_unasked",
            one.route.where,
            "requests pass here unchecked: ext_authz is off by default, and this route does not turn it on",
            "attach the policy to it, too, unless that is meant",
        )
    if len(missed) > MAX_NAMED:
        findings.warning(
            "envoy.route_unasked", where, f"{len(missed) - MAX_NAMED} more routes do not turn it on", "attach the policy to them, too"
        )
    if not missed:
        findings.ok("envoy.disabled", where, f"ext_authz is off by default, and on for every route ({len(routes)})")
