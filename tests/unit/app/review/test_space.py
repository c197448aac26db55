"""Whatever two routes a request reaches in two configurations, they meet; and only such routes do."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.app.review.rows import Spot
from sidecar.app.review.space import all_meetings, meetings, table_of
from sidecar.engine.canonical import Path, canonical_path
from sidecar.engine.routes import RouteTable
from sidecar.model.errors import ConfigError
from sidecar.model.settings import Settings
from tests.support.settings import make_settings

PATTERNS = ["/", "/a", "/a/b", "/a/{v}", "/{v}", "/{v}/b", "/a/{v}/c", "/a/b/c", "/a/{r=**}", "/{r=**}"]
PATHS = ["/", "/a", "/b", "/z", "/a/b", "/a/z", "/z/b", "/z/z", "/a/b/c", "/a/z/c", "/a/b/z", "/a/z/z", "/z/b/c", "/a/b/c/d", "/a/z/c/z"]
HOSTS: list[list[str]] = [[], [], ["api.example.com"], ["*.example.com"], ["*.com"]]
ASKED = ["api.example.com", "x.example.com", "example.com", "other.test"]
METHODS = ["GET", "POST", "HEAD", "PUT"]

ROUTES = st.lists(
    st.tuples(st.sampled_from(PATTERNS), st.sampled_from(["GET", "POST", ""]), st.sampled_from(HOSTS), st.sampled_from(["", "one", "two"])),
    min_size=1,
    max_size=6,
)


def configured(routes: list[tuple[str, str, list[str], str]]) -> Settings | None:
    named: dict[str, Any] = {}
    for number, (pattern, method, hosts, context) in enumerate(routes):
        named[f"r{number}"] = {"paths": [pattern], "authenticate": ["anonymous"]}
        named[f"r{number}"] |= {"methods": [method]} if method else {}
        named[f"r{number}"] |= {"hosts": hosts} if hosts else {}
        named[f"r{number}"] |= {"match": {"context": {"vhost": context}}} if context else {}
    try:
        return make_settings(routes=named, issuers=None, api_keys=None, roles=None, identity_headers=None)
    except ConfigError:
        return None


def reached(table: RouteTable[Spot], host: str, path: str, method: str, context: dict[str, str]) -> str:
    canonical = canonical_path(path)
    assert isinstance(canonical, Path)
    leaf = table.find(host, canonical)
    found = leaf.choose(method, context) if leaf is not None else None
    return found.route.name if found is not None else ""


@settings(deadline=None, max_examples=100)
@given(ROUTES, ROUTES, st.booleans())
def test_requests_reach_what_meets(
    first: list[tuple[str, str, list[str], str]], second: list[tuple[str, str, list[str], str]], alike: bool
) -> None:
    old, new = configured(first), configured(first if alike else second)
    if old is None or new is None:
        return
    met = {tuple(spot.route.name if spot else "" for spot in (one.old, one.new)) for one in all_meetings(old, new)}
    tables = table_of(old), table_of(new)
    walked = {tuple(spot.route.name if spot else "" for spot in (one.old, one.new)) for one in meetings(*tables)}
    assert met >= walked
    for host in ASKED:
        for path in PATHS:
            for method in METHODS:
                for vhost in ("", "one", "two"):
                    pair = tuple(reached(table, host, path, method, {"vhost": vhost} if vhost else {}) for table in tables)
                    assert pair == ("", "") or pair in walked, (host, path, method, vhost)
