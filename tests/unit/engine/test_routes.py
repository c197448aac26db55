"""Route choice: by specificity, never by order, without going back."""

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.canonical import Path, canonical_path
from sidecar.engine.routes import RouteConflict, RouteTable, compile_routes
from sidecar.model.errors import Where
from sidecar.model.settings import PathSettings, RouteSettings

WHERE = Where("config.yaml", 1, "routes")


def route(
    name: str,
    *paths: str,
    hosts: tuple[str, ...] = (),
    methods: tuple[str, ...] = (),
    context: dict[str, str] | None = None,
    allow: frozenset[str] = frozenset(),
    authenticate: tuple[str, ...] = ("corp",),
    preflight: bool = False,
) -> RouteSettings:
    return RouteSettings(
        name=name,
        hosts=hosts,
        methods=methods,
        paths=paths,
        context=context or {},
        allow=allow,
        authenticate=authenticate,
        credential_conflict_first=False,
        require=None,
        deny=(),
        resource={},
        cors_preflight=preflight,
        unsafe_shadow_allows=False,
        where=WHERE,
    )


def table(*routes: RouteSettings, slash: str = "same", case: str = "sensitive") -> RouteTable[RouteSettings]:
    shuffled = list(routes)
    random.shuffle(shuffled)  # order never counts
    return compile_routes(shuffled, PathSettings(trailing_slash=slash, case=case))


def chosen(
    routes: RouteTable[RouteSettings], path: str, method: str = "GET", host: str = "h.example", context: dict[str, str] | None = None
) -> str:
    canonical = canonical_path(path)
    assert isinstance(canonical, Path)
    usual(routes, path, method, host, context or {})
    leaf = routes.find(host, canonical)
    if leaf is None:
        return "no route"
    found = leaf.choose(method, context or {})
    return found.name if found is not None else f"405 {leaf.allowed(context or {})}".strip()


def usual(routes: RouteTable[RouteSettings], path: str, method: str, host: str, context: dict[str, str]) -> None:
    """``usual`` gives ``find`` and ``choose``'s answer, or leaves it to them."""
    route = routes.usual(method, host, path)
    if route is not None:
        leaf = routes.find(host, canonical_path(path))
        assert leaf is not None
        assert not (method == "OPTIONS" and leaf.preflights and not leaf.has_own("OPTIONS", context))
        assert route is leaf.choose(method, context)


def test_literal_before_variable_before_rest() -> None:
    routes = table(route("rest", "/a/{x=**}"), route("variable", "/a/{x}"), route("literal", "/a/b"), route("root", "/"))
    assert [chosen(routes, path) for path in ("/a/b", "/a/c", "/a/c/d", "/a", "/", "/b")] == [
        "literal",
        "variable",
        "no route",
        "rest",
        "root",
        "no route",
    ]


def test_no_going_back_from_a_literal() -> None:
    routes = table(route("deep", "/{tenant}/secret/{id}"), route("literal", "/acme/public"), route("rest", "/acme/files/{p=**}"))
    assert chosen(routes, "/acme/public") == "literal"
    assert chosen(routes, "/acme/secret/1") == "no route"
    assert chosen(routes, "/other/secret/1") == "deep"
    assert chosen(routes, "/acme/files") == "rest"
    assert chosen(routes, "/acme/files/a/b/c") == "rest"


def test_a_weaker_route_never_answers_for_a_wrong_method() -> None:
    routes = table(route("open", "/{x=**}", authenticate=("anonymous",)), route("strict", "/admin", methods=("POST",)))
    assert chosen(routes, "/admin", "POST") == "strict"
    assert chosen(routes, "/admin", "GET") == "405 POST"
    assert chosen(routes, "/other", "GET") == "open"


def test_hosts_exact_before_longest_suffix_before_any() -> None:
    routes = table(
        route("any", "/a"),
        route("exact", "/b", hosts=("api.example.com",)),
        route("suffix", "/c", hosts=("*.example.com",)),
        route("longer", "/d", hosts=("*.eu.example.com",)),
    )
    assert chosen(routes, "/b", host="api.example.com") == "exact"
    assert chosen(routes, "/a", host="api.example.com") == "no route"  # it has routes of its own
    assert chosen(routes, "/c", host="x.y.example.com") == "suffix"
    assert chosen(routes, "/c", host="example.com") == "no route"  # the apex is not under the suffix
    assert chosen(routes, "/a", host="example.com") == "any"
    assert chosen(routes, "/d", host="a.eu.example.com") == "longer"
    assert chosen(routes, "/c", host="a.eu.example.com") == "no route"


def test_head_follows_get_and_named_methods_come_before_any() -> None:
    routes = table(route("get", "/a", methods=("GET",)), route("rest", "/a"), route("only-get", "/b", methods=("GET",)))
    assert chosen(routes, "/a", "HEAD") == "get"
    assert chosen(routes, "/a", "DELETE") == "rest"
    assert chosen(routes, "/b", "HEAD") == "only-get"
    assert chosen(routes, "/b", "POST") == "405 GET, HEAD"


def test_context_narrows() -> None:
    routes = table(route("one", "/a", context={"vhost": "one"}), route("two", "/a", context={"vhost": "two"}), route("other", "/a"))
    assert chosen(routes, "/a", context={"vhost": "one"}) == "one"
    assert chosen(routes, "/a", context={"vhost": "two", "x": "y"}) == "two"
    assert chosen(routes, "/a") == "other"
    only = table(route("one", "/a", context={"vhost": "one"}))
    assert chosen(only, "/a") == "405"


def test_trailing_slash_and_case() -> None:
    same = table(route("a", "/a/b"))
    assert chosen(same, "/a/b/") == "a"
    strict = table(route("plain", "/a"), route("slash", "/a/"), slash="strict")
    assert (chosen(strict, "/a"), chosen(strict, "/a/")) == ("plain", "slash")
    assert chosen(table(route("v", "/a/{x}"), slash="strict"), "/a/") == "no route"
    assert chosen(table(route("a", "/Admin/{X}")), "/admin/x") == "no route"
    assert chosen(table(route("a", "/Admin/{X}"), case="insensitive"), "/ADMIN/y") == "a"


def test_configured_paths_go_through_the_same_canonicaliser() -> None:
    assert chosen(table(route("a", "/%61dmin/caf%C3%A9")), "/admin/caf%C3%A9") == "a"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (route("a", "/x/{id}"), route("b", "/x/{name}")),
        (route("a", "/x", methods=("GET", "POST")), route("b", "/x", methods=("POST",))),
        (route("a", "/x"), route("b", "/x")),
        (route("a", "/x/{p=**}"), route("b", "/x/{q=**}")),
        (route("a", "/x", hosts=("a.example", "b.example")), route("b", "/x", hosts=("b.example",))),
        (route("a", "/x", context={"k": "1"}), route("b", "/x", context={"j": "1"})),
        (route("a", "/x/"), route("b", "/x")),
        (route("a", "/%61"), route("b", "/a")),
    ],
)
def test_overlap_names_both_routes(one: RouteSettings, other: RouteSettings) -> None:
    with pytest.raises(RouteConflict) as caught:
        table(one, other)
    assert {caught.value.first, caught.value.second} == {"a", "b"}
    assert "'a'" in caught.value.message
    assert "'b'" in caught.value.message


@pytest.mark.parametrize("path", ["/a/{x}/{x}", "/{x=**}/a", "/a{x}", "/a/*", "/{x=*}", "/a/../b", "//a", "a", "/a;b", "/a%2Fb"])
def test_a_path_that_cannot_be_used(path: str) -> None:
    with pytest.raises(RouteConflict, match="path"):
        table(route("a", path))


def test_doubtful_features_in_a_configured_path_must_be_allowed() -> None:
    routes = table(route("a", "/a;b", allow=frozenset({"semicolon"})))
    assert chosen(routes, "/a;b") == "a"


def test_warnings() -> None:
    open_rest = table(route("open", "/{x=**}", authenticate=("anonymous",)), route("admin", "/admin"))
    assert [name for name, _ in open_rest.warnings] == ["open"]
    hidden = table(route("deep", "/{tenant}/secret"), route("literal", "/acme/public"))
    assert [name for name, _ in hidden.warnings] == ["deep"]
    assert table(route("a", "/a"), route("b", "/b/{x}")).warnings == ()


def test_preflight_belongs_to_the_route_that_accepts_the_method() -> None:
    routes = table(route("post", "/a", methods=("POST",), preflight=True), route("get", "/a", methods=("GET",)))
    leaf = routes.find("h.example", canonical_path("/a"))
    assert leaf is not None
    assert leaf.preflight("POST", {}).name == "post"
    assert leaf.preflight("GET", {}) is None
    assert leaf.preflight("DELETE", {}) is None
    assert not leaf.has_own("OPTIONS", {})


def test_preflight_belongs_to_the_most_specific_route_whatever_the_order() -> None:
    for order in (1, -1):
        both = [route("any", "/a", preflight=True), route("get", "/a", methods=("GET",), preflight=True)]
        leaf = table(*both[::order]).find("h.example", canonical_path("/a"))
        assert leaf is not None
        assert [leaf.preflight(method, {}).name for method in ("GET", "HEAD", "PUT")] == ["get", "get", "any"]


PARTS = st.sampled_from(["a", "b", "c", "{x}", "{y}", "{z=**}"])
ROUTES = st.lists(
    st.tuples(st.lists(PARTS, max_size=4), st.sampled_from([(), ("GET",), ("GET", "POST"), ("OPTIONS",)]), st.booleans()), max_size=8
)


@given(
    ROUTES,
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4),
    st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "X"]),
    st.sampled_from(["same", "strict"]),
)
def test_the_short_way_to_a_route_is_the_long_one(given_routes: list[Any], segments: list[str], method: str, slash: str) -> None:
    routes: RouteTable[RouteSettings] = RouteTable(PathSettings(trailing_slash=slash, case="sensitive"))
    for number, (parts, methods, preflight) in enumerate(given_routes):
        one = route(f"r{number}", "/" + "/".join(parts), methods=methods, preflight=preflight)
        with contextlib.suppress(RouteConflict):
            routes.add(one, one)
    for path in ("/" + "/".join(segments), "/" + "/".join([*segments, ""])):
        if isinstance(canonical_path(path), Path):
            usual(routes, path, method, "h.example", {})


def test_a_pattern_that_only_some_readers_fold_is_refused_where_case_does_not_count() -> None:
    assert chosen(table(route("a", "/stra%C3%9Fe")), "/stra%C3%9Fe") == "a"
    with pytest.raises(RouteConflict, match="could never match: character in the path that folds into an ASCII letter"):
        table(route("a", "/stra%C3%9Fe"), case="insensitive")
