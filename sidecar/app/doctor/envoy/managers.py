"""The HTTP connection managers: that each asks, one meaning for each path and header, and whose address counts."""

from sidecar.app.doctor.expected import Expected
from sidecar.app.doctor.findings import Findings

from .coverage import Route, check_turned_on
from .filters import EXT_AUTHZ
from .tree import Node

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
REJECTED_SLASHES = frozenset({"REJECT_REQUEST", 2})
UNDERSCORES_REFUSED = frozenset({"REJECT_REQUEST", "DROP_HEADER", 1, 2})


def asks(manager: Node) -> bool:
    """Whether one of its filters is ext_authz, here or by discovery."""
    return any(_is_ext_authz(item) for item in manager.message().get("http_filters").items())


def filter_names(manager: Node) -> set[str]:
    """The names that its ext_authz filters have, by which routes change them."""
    found = (item.get("name").value for item in manager.message().get("http_filters").items() if _is_ext_authz(item))
    return {name for name in found if isinstance(name, str)}


def _is_ext_authz(item: Node) -> bool:
    """Here, by discovery, or inside a filter that decides whether it applies (ExtensionWithMatcher, Composite)."""
    discovered = item.get("config_discovery", "type_urls").items()
    return any(node.type == EXT_AUTHZ for node in item.walk()) or any(str(url.value).endswith(EXT_AUTHZ) for url in discovered)


def check_manager(node: Node, routes: list[Route] | None, expected: Expected | None, findings: Findings) -> None:
    """Look at one connection manager. ``routes``: None when they are not known."""
    start, config = len(findings.all), node.message()
    if not asks(node):
        if routes is not None and all(one.answers_itself for one in routes):
            return  # nothing is reached by it, such as a readiness page
        findings.warning(
            "envoy.unasked",
            node.where,
            "its requests are not checked by anyone: no ext_authz among its http_filters",
            "add the filter, unless nothing that matters is served here",
        )
        return
    for item in config.get("http_filters").items():
        if _is_ext_authz(item):
            _check_item(item, routes, findings)
    for upgrade in config.get("upgrade_configs").items():
        own = upgrade.get("filters")
        if own.there and not any(_is_ext_authz(item) for item in own.items()):
            kind = upgrade.get("upgrade_type").text
            findings.error(
                "envoy.upgrades", own.where, f"upgrades to {kind} have filters of their own, without ext_authz", "add it there, too"
            )
    _check_paths(config, findings)
    _check_address(config, expected, findings)
    if findings.sound_since(start):
        findings.ok("envoy.manager", node.where, "paths and header names are brought to one form; x-forwarded-for fits trusted_hops")


def _check_item(item: Node, routes: list[Route] | None, findings: Findings) -> None:
    off, config = item.get("disabled"), item.get("typed_config")
    if off.is_true:
        check_turned_on(item, routes, findings)
    if config.there and config.type != EXT_AUTHZ:
        findings.warning(
            "envoy.matched", config.where, "a matcher decides which requests are checked; the others pass", "put ext_authz there without it"
        )


def _check_paths(config: Node, findings: Findings) -> None:
    for name, why in (
        ("normalize_path", "/public/../admin goes to the sidecar and the service as it is"),
        ("merge_slashes", "//admin goes to the sidecar and the service as it is"),
    ):
        if not config.get(name).is_true:
            findings.warning(f"envoy.{name}", config.get(name).where, f"is not set: {why}; the sidecar refuses it", f"{name}: true")
    slashes = config.get("path_with_escaped_slashes_action")
    if slashes.word not in REJECTED_SLASHES:
        findings.warning(
            "envoy.escaped_slashes",
            slashes.where,
            "paths with %2F are not refused: services read them differently",
            "path_with_escaped_slashes_action: REJECT_REQUEST",
        )
    underscores = config.get("common_http_protocol_options", "headers_with_underscores_action")
    if underscores.word not in UNDERSCORES_REFUSED:
        findings.warning(
            "envoy.underscores",
            underscores.where,
            "headers with underscores are not refused: many services read x_user_id as X-User-ID",
            "common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}",
        )


def _check_address(config: Node, expected: Expected | None, findings: Findings) -> None:
    """Compare how Envoy and the sidecar count X-Forwarded-For, whose last entry is the direct peer if Envoy appends it."""
    remote = config.get("use_remote_address")
    if not remote.there:
        findings.warning(
            "envoy.use_remote_address",
            remote.where,
            "is not said: by default a client's own x-forwarded-for arrives as it is",
            "use_remote_address: true at the edge, false behind your own proxy",
        )
    if expected is None:
        return
    hops, proxies = expected.trusted_hops, int(config.get("xff_num_trusted_hops").number or 0)
    appends = remote.is_true and not config.get("skip_xff_append").is_true
    if hops and not appends and not proxies:
        findings.error(
            "envoy.trusted_hops",
            remote.where,
            "Envoy adds no address to x-forwarded-for: the one that "
            f"server.client_address.trusted_hops ({hops}) counts is the client's own",
            "use_remote_address: true, or trusted_hops: 0",
        )
    elif hops > proxies + 1:
        findings.error(
            "envoy.trusted_hops",
            config.get("xff_num_trusted_hops").where,
            f"Envoy trusts {proxies} proxies in front, but server.client_address.trusted_hops is {hops}: "
            "it counts an entry that clients write",
            f"trusted_hops: {proxies + 1}, or xff_num_trusted_hops: {hops - 1}",
        )
    elif proxies and hops != proxies + 1:
        findings.warning(
            "envoy.trusted_hops",
            config.get("xff_num_trusted_hops").where,
            f"Envoy trusts {proxies} proxies in front, but server.client_address.trusted_hops is {hops}: "
            "the sidecar takes a proxy for the client",
            f"trusted_hops: {proxies + 1}, with `from`",
        )
