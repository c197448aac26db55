"""Which requests a filter is asked about: routes that turn it on, upgrades, matchers, discovery."""

import copy
from pathlib import Path
from typing import Any

from tests.support.envoy_config import PER_ROUTE, Parts, bad, diagnosed, expected

FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
NAME = "envoy.filters.http.ext_authz"


def override(**config: Any) -> dict[str, Any]:
    return {"typed_per_filter_config": {NAME: {"@type": PER_ROUTE, **config}}}


def test_a_filter_that_routes_turn_on(tmp_path: Path) -> None:
    """Envoy Gateway's way: off in the manager, on where a policy is attached."""
    on = override(check_settings={})

    def change(parts: Parts, *, route: Any = None, host: Any = None) -> None:
        parts.item["disabled"] = True
        parts.host["routes"].append({"match": {"prefix": "/x"}, "route": {"cluster": "service"}, **(route or {})})
        parts.host.update(host or {})

    assert bad(diagnosed(tmp_path, change, expected())) == [("error", "envoy.disabled")]
    assert bad(diagnosed(tmp_path, lambda p: change(p, host=on), expected())) == []
    assert bad(diagnosed(tmp_path, lambda p: change(p, route=on), expected())) == [("warning", "envoy.route_unasked")]
    off = override(disabled=True)
    found = bad(diagnosed(tmp_path, lambda p: change(p, host=on, route=off), expected()))
    assert found == [("warning", "envoy.route_unasked"), ("error", "envoy.route_disabled")]
    wrapped = {"typed_per_filter_config": {NAME: {"@type": FILTER_CONFIG, "config": {"@type": PER_ROUTE, "check_settings": {}}}}}
    assert bad(diagnosed(tmp_path, lambda p: change(p, host=wrapped), expected())) == []
    itself = {"direct_response": {"status": 404}, "route": None}
    assert bad(diagnosed(tmp_path, lambda p: change(p, route=itself) or p.route.update(on), expected())) == []


def test_many_unasked_routes_are_counted(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        parts.item["disabled"] = True
        parts.route.update(override(check_settings={}))
        parts.host["routes"] += [{"match": {"prefix": f"/{number}"}, "route": {"cluster": "service"}} for number in range(30)]

    found = diagnosed(tmp_path, change, expected())
    assert bad(found) == [("warning", "envoy.route_unasked")] * 11
    assert any("20 more routes" in finding.message for finding in found)


def test_routes_that_come_from_elsewhere(tmp_path: Path) -> None:
    def change(parts: Parts, *, known: bool) -> None:
        parts.item["disabled"] = True
        parts.route.update(override(check_settings={}))
        kind = {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "mine"}
        routes = {**parts.manager.pop("route_config"), **kind}
        parts.manager["rds"] = {"route_config_name": "mine"}
        parts.document["dump"] = [{"route_config": routes}] if known else []

    assert bad(diagnosed(tmp_path, lambda p: change(p, known=True), expected())) == []
    assert bad(diagnosed(tmp_path, lambda p: change(p, known=False), expected())) == [("warning", "envoy.disabled")]


def test_a_readiness_page_need_not_ask(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        page = copy.deepcopy(parts.listener)
        config = page["filter_chains"][0]["filters"][0]["typed_config"]
        del config["http_filters"][0]
        config["route_config"]["virtual_hosts"][0]["routes"] = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
        parts.document["static_resources"]["listeners"].append(page)

    assert bad(diagnosed(tmp_path, change, expected())) == []


def test_upgrades_with_filters_of_their_own(tmp_path: Path) -> None:
    def change(parts: Parts, *filters: Any) -> None:
        parts.manager["upgrade_configs"] = [{"upgrade_type": "websocket", "filters": [*filters, parts.manager["http_filters"][1]]}]

    assert bad(diagnosed(tmp_path, change, expected())) == [("error", "envoy.upgrades")]
    assert bad(diagnosed(tmp_path, lambda p: change(p, p.item), expected())) == []


def test_a_filter_behind_a_matcher_is_doubtful(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        wrapped = {"name": "ext_authz", "typed_config": parts.filter}
        kind = "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher"
        parts.item["typed_config"] = {"@type": kind, "extension_config": wrapped, "xds_matcher": {}}

    assert bad(diagnosed(tmp_path, change, expected())) == [("warning", "envoy.matched")]


def test_a_filter_that_comes_by_discovery_counts(tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        url = parts.filter["@type"]
        parts.document["ecds"] = [parts.item.pop("typed_config")]
        parts.item["config_discovery"] = {"type_urls": [url], "config_source": {"ads": {}}}

    assert bad(diagnosed(tmp_path, change, expected())) == []
