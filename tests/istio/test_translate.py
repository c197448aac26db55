"""The translator by itself: what blocks, what is left out, what is noted; nothing is dropped silently."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.app.istio.documents import read_resources
from sidecar.app.istio.fields import OPERATION, SOURCE
from sidecar.app.istio.findings import NotImportable
from sidecar.app.istio.names import Names
from sidecar.app.istio.scope import Wishes
from sidecar.app.istio.text import config_text
from sidecar.app.istio.translate import Imported, translate
from sidecar.app.istio.yaml_text import block
from sidecar.config.yaml_reader import read_yaml

from .ours import Ours
from .requests import Request

WISHES = Wishes(port=8080, audiences=("api",))
ISSUER = {"issuer": "https://idp.example.com", "jwksUri": "https://idp.example.com/keys"}
GET = {"to": [{"operation": {"methods": ["GET"]}}]}
UNSAYABLE = {"from": [{"source": {"principals": ["a"]}}]}


def policy(action: str | None = "ALLOW", rules: Any = (GET,), name: str = "p", dry: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", **({"annotations": {"istio.io/dry-run": dry}} if dry else {})}
    body = {**({"action": action} if action else {}), **({"rules": list(rules)} if rules is not None else {}), **spec}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": body}


def authentication(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "jwt", "namespace": "shop"}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": metadata,
        "spec": {"jwtRules": list(rules or (ISSUER,)), **spec},
    }


def run(*documents: dict[str, Any], wishes: Wishes = WISHES, **changes: Any) -> Imported:
    text = "\n---\n".join(json.dumps(one) for one in documents)
    return translate(read_resources([("p.yaml", text.encode())]), replace(wishes, **changes))


def kinds(found: Imported) -> list[str]:
    return [finding.kind.value for finding in found.findings]


def allowed(found: Imported, **fields: Any) -> bool:
    return Ours(config_text(found)).decide(Request(**fields), "").allowed


def test_no_policy_lets_everyone_in_as_in_istio() -> None:
    assert allowed(run(authentication()))


@pytest.mark.parametrize(
    ("documents", "get", "post"),
    [
        ([policy()], True, False),
        ([policy("ALLOW", [{}])], True, True),
        ([policy("ALLOW", [])], False, False),
        ([policy("ALLOW", None)], False, False),
        ([policy(None)], True, False),
        ([policy("ALLOW", [UNSAYABLE])], False, False),
        ([policy("ALLOW", [UNSAYABLE, GET])], True, False),
        ([policy("DENY")], False, True),
        ([policy("DENY", [])], True, True),
        ([policy("DENY", [{}])], False, False),
        ([policy("DENY"), policy("ALLOW", [{}], "q")], False, True),
        ([policy("ALLOW", [{}]), policy("DENY", [GET], "q")], False, True),
        ([policy("AUDIT")], True, True),
        ([policy(dry="true")], True, True),
        ([policy(dry="T"), policy("ALLOW", [], "q")], False, False),
        ([policy(dry="false")], True, False),
        ([policy("DENY", dry="true")], True, True),
        ([policy("ALLOW", [{"from": [{}], "to": [{"operation": {}}]}])], True, True),
        ([policy("ALLOW", [{"from": [{"source": {"notIpBlocks": ["10.0.0.0/8"]}}], **GET}])], True, False),
    ],
    ids=str,
)
def test_actions_and_rules(documents: list[dict[str, Any]], get: bool, post: bool) -> None:
    found = run(*documents)
    assert not found.blocked
    assert (allowed(found), allowed(found, method="POST")) == (get, post)


def test_a_rule_that_denies_and_cannot_be_said_blocks_or_denies_more() -> None:
    rule = {**UNSAYABLE, **GET}
    assert kinds(run(policy("DENY", [rule]))) == ["blocking"]
    found = run(policy("DENY", [rule]), partial=True)
    assert (kinds(found), found.blocked) == (["denied"], False)
    assert (allowed(found), allowed(found, method="POST")) == (False, True)


def test_custom_is_denied_unless_it_asks_this_sidecar() -> None:
    custom = policy("CUSTOM", provider={"name": "opa"})
    assert run(custom).blocked
    assert not allowed(run(custom, partial=True))
    assert allowed(run(custom, partial=True), method="POST")
    ours = run(custom, providers=frozenset({"opa"}))
    assert kinds(ours) == ["note"]
    assert allowed(ours)
    assert kinds(run(policy("CUSTOM", [], provider={"name": "opa"}))) == ["note"]
    assert kinds(run(policy("CUSTOM", dry="true", provider={"name": "opa"}))) == ["note"]
    assert run(policy("CUSTOM")).blocked


@pytest.mark.parametrize(
    "rule",
    [
        {"form": [{"source": {}}]},
        {"from": [{"source": {"principal": ["a"]}}]},
        {"from": [{"source": {"ipBlocks": ["127.0.0.0/8"]}, "operation": {}}]},
        {"to": [{"operation": {"path": ["/a"]}}]},
        {"to": [{"operation": {"paths": "/a"}}]},
        {"to": [{"operation": {"paths": [1]}}]},
        {"to": [{"operation": {"paths": [""]}}]},
        {"to": [{"operation": {"ports": ["http"]}}]},
        {"to": [{"operation": {"ports": ["65536"]}}]},
        {"to": [{"operation": {"paths": ["/{**}/a/{*}"]}}]},
        {"to": [{"operation": {"paths": ["/a{*}"]}}]},
        {"to": [{"operation": {"paths": ["{*}/a"]}}]},
        {"to": ["operation"]},
        {"to": [{"operation": ["paths"]}]},
        {"to": {"operation": {}}},
        {"when": [{"key": "request.path", "values": ["/a"]}]},
        {"when": [{"key": "request.headers", "values": ["a"]}]},
        {"when": [{"key": "request.headers[a]"}]},
        {"when": [{"key": "request.headers[a]", "values": ["a"], "valeus": ["b"]}]},
        {"when": [{"key": "request.auth.claims", "values": ["a"]}]},
        {"when": [{"key": "request.auth.claims[permission]", "values": ["a"]}]},
        {"when": [{"key": "request.auth.claims[scope]", "values": ["a b"]}]},
        {"when": [{"key": "source.ip", "values": ["10.0.0.0/40"]}]},
        {"when": [{"key": "destination.ip", "values": ["10.0.0.1"]}]},
        {"when": [{"key": "connection.sni", "values": ["a"]}]},
        {"when": [{"values": ["a"]}]},
        {"when": ["a"]},
        "rule",
        None,
    ],
    ids=str,
)
def test_what_is_not_understood_is_never_dropped(rule: Any) -> None:
    left_out = run(authentication(), policy("ALLOW", [rule]))
    assert kinds(left_out) == ["left-out"]
    assert not allowed(left_out)
    assert run(authentication(), policy("DENY", [rule])).blocked
    partial = run(authentication(), policy("DENY", [rule]), partial=True)
    assert kinds(partial) == ["denied"]
    assert not allowed(partial, headers=(("a", "a"),))


@pytest.mark.parametrize("name", [*SOURCE, *OPERATION])
def test_each_field_has_its_opposite(name: str) -> None:
    """What a positive field matches, its negative does not, under one action."""
    value = {"ports": "8080", "ipBlocks": "127.0.0.1", "remoteIpBlocks": "127.0.0.1"}.get(name, "*")
    where, inner = ("to", "operation") if name in OPERATION else ("from", "source")
    opposite = f"not{name[0].upper()}{name[1:]}"
    results = [run(authentication(), policy("ALLOW", [{where: [{inner: {key: [value]}}]}])) for key in (name, opposite)]
    if "left-out" in kinds(results[0]):
        assert kinds(results[1]) == ["left-out"]
    else:
        assert allowed(results[0]) is not allowed(results[1])


def test_spec_keys_that_are_not_known_block() -> None:
    target = {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "g"}
    for extra in ({"targetRefs": [target]}, {"more": 1}):
        assert run(policy("DENY", **extra)).blocked
        assert "left-out" in kinds(run(policy("ALLOW", **extra)))
        assert run(authentication(**extra)).blocked
    assert run(policy("LOG")).blocked
    odd = policy("ALLOW", None)
    odd["spec"]["rules"] = {"to": []}
    assert set(kinds(run(odd))) == {"left-out"}


def test_ports_are_settled_when_the_import_is_made() -> None:
    rule = {"to": [{"operation": {"ports": ["80", "8080"], "methods": ["GET"]}}]}
    assert allowed(run(policy(rules=[rule])))
    assert not allowed(run(policy(rules=[rule]), port=81))
    assert kinds(run(policy(rules=[rule]), port=None)) == ["left-out"]
    dominated = {"to": [{"operation": {"ports": ["81"]}}], **UNSAYABLE}
    assert kinds(run(policy("DENY", [dominated]))) == ["note"]
    inside = {"when": [], "to": [{"operation": {"ports": ["81"], "verbs": ["GET"]}}, {"operation": {"methods": ["GET"]}}]}
    found = run(policy("DENY", [inside]))
    assert (kinds(found), allowed(found), allowed(found, method="POST")) == ([], False, True)


def test_addresses_are_either_the_peers_or_those_behind_proxies() -> None:
    direct, behind = ({"from": [{"source": {name: ["10.0.0.0/8"]}}]} for name in ("ipBlocks", "remoteIpBlocks"))
    hops = {"trusted_hops": 1, "trusted_from": ("127.0.0.0/8",)}
    assert kinds(run(policy(rules=[direct]))) == []
    assert kinds(run(policy(rules=[behind]))) == ["left-out"]
    assert kinds(run(policy(rules=[direct]), **hops)) == ["left-out"]
    found = run(policy(rules=[behind]), **hops)
    assert allowed(found, forwarded="10.1.2.3")
    assert not allowed(found, forwarded="10.1.2.3, 192.0.2.1")


def test_tokens_need_a_request_authentication() -> None:
    rule = {"from": [{"source": {"requestPrincipals": ["*"]}}]}
    assert kinds(run(policy(rules=[rule]))) == ["left-out"]
    assert run(policy("DENY", [rule])).blocked
    assert kinds(run(policy(rules=[rule]), authentication())) == []
    nobody = authentication()
    nobody["spec"] = {}
    assert kinds(run(policy(rules=[rule]), nobody)) == ["left-out"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"issuer": ""}, "no name"),
        ({"jwks": "{}", "jwksUri": ""}, ""),
        ({"jwks": "nonsense", "jwksUri": ""}, "no JSON"),
        ({"issuer": "mail@example.com", "jwksUri": ""}, "neither jwksUri nor jwks"),
        ({"fromHeaders": [{"name": "x-token", "prefix": "Token:"}]}, "behind"),
        ({"fromHeaders": "x-token"}, "no list of maps"),
        ({"audiences": "api"}, "no list of texts"),
        ({"newKey": 1}, "not known here"),
    ],
    ids=str,
)
def test_an_issuer_that_cannot_be_carried_over_blocks_even_a_partial_import(rule: dict[str, Any], words: str) -> None:
    found = run(authentication({**ISSUER, **rule}), partial=True)
    assert found.blocked is bool(words)
    assert all(words in finding.message for finding in found.findings)


def test_an_issuer_needs_an_audience_and_stands_once() -> None:
    assert run(authentication(), audiences=()).blocked
    assert run(authentication(ISSUER, ISSUER)).blocked
    assert not run(authentication({**ISSUER, "audiences": ["x"]}), audiences=()).blocked


def test_issuers_are_said_whole() -> None:
    rule = {
        **ISSUER, "forwardOriginalToken": True, "fromHeaders": [{"name": "X-Token", "prefix": "Token "}, {"name": "x-raw"}], "fromParams": ["t"],
        "fromCookies": ["c"], "outputClaimToHeaders": [{"header": "x-a", "claim": "a"}],
    }  # fmt: skip
    found = run(authentication(rule, {**ISSUER, "issuer": "https://b.example.com", "jwksUri": "http://keys.shop/keys"}))
    assert kinds(found) == ["note", "note"]
    one, other = found.issuers.values()
    places = [{"header": "x-token", "scheme": "Token"}, {"header": "x-raw"}, {"query": "t"}, {"cookie": "c"}]
    assert one["credentials"] == [{**place, "forward": True} for place in places]
    assert other["credentials"] == [
        {"header": "authorization", "scheme": "Bearer", "forward": False},
        {"query": "access_token", "forward": False},
    ]
    assert other["keys"] == {"url": "http://keys.shop/keys", "unsafe_http": True}
    assert list(found.issuers) == ["idp-example-com", "b-example-com"]
    (plain,) = run(authentication({**ISSUER, "fromParams": ["t"], "fromCookies": ["c"]})).issuers.values()
    assert plain["credentials"] == [{"query": "t", "forward": False}, {"cookie": "c", "forward": False}]


def test_a_claim_with_a_dot_is_mapped() -> None:
    rule = {"when": [{"key": "request.auth.claims[https://x.example/groups][a]", "values": ["g"]}]}
    text = config_text(run(authentication(), policy(rules=[rule])))
    assert 'attributes: {claim_1: ["https://x.example/groups", a]}' in text
    assert "user.claim_1: {exists: true, equals: g}" in text


def test_documents_for_other_workloads() -> None:
    mine = policy(selector={"matchLabels": {"app": "posts"}})
    other = policy("DENY", [{}], "q", selector={"matchLabels": {"app": "users"}})
    with pytest.raises(NotImportable, match="several workloads: app=posts; app=users"):
        run(mine, other)
    found = run(mine, other, labels={"app": "posts", "version": "1"})
    assert (kinds(found), allowed(found)) == (["note"], True)
    assert not allowed(run(mine, other, labels={"app": "users"}))
    elsewhere = policy("DENY", [{}], "q")
    elsewhere["metadata"]["namespace"] = "billing"
    with pytest.raises(NotImportable, match="several namespaces"):
        run(mine, elsewhere)
    assert allowed(run(mine, elsewhere, namespace="shop"))
    elsewhere["metadata"]["namespace"] = "istio-system"
    assert not allowed(run(mine, elsewhere))
    with pytest.raises(NotImportable, match="none of the documents"):
        run(mine, namespace="nowhere")
    with pytest.raises(NotImportable, match="more than matchLabels"):
        run(policy(selector={"matchExpressions": []}))


def test_other_documents_are_noted() -> None:
    peer = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "m"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    assert kinds(run(policy(), peer, service)) == ["note", "note"]
    assert kinds(run({"kind": "List", "apiVersion": "v1", "items": [policy(), service]})) == ["note"]


def test_places_in_files_of_several_documents() -> None:
    text = b"# a comment\n---\n\n--- # one\nkind: AuthorizationPolicy\napiVersion: security.istio.io/v1\nmetadata: {name: p}\nspec:\n  rules:\n  - froom: []\n...\n---\n"
    found = translate(read_resources([("p.yaml", text)]), WISHES)
    assert [str(finding.where) for finding in found.findings] == ["p.yaml:10: spec.rules[0].froom"]
    with pytest.raises(NotImportable, match=r"p\.yaml:4"):
        read_resources([("p.yaml", b"kind: A\n---\nkind: [\n")])
    with pytest.raises(NotImportable, match="no kind"):
        read_resources([("p.yaml", b"a: 1\n")])


def test_a_comment_is_one_line_whatever_a_file_is_called() -> None:
    text = json.dumps(policy("ALLOW", [UNSAYABLE, GET])).encode()
    written = config_text(translate(read_resources([("p\nadmin: {}\u2028.yaml", text)]), WISHES))
    assert "\nadmin" not in written
    Ours(written)


def test_names_are_usable_and_distinct() -> None:
    names = Names(reserved={"anonymous"})
    assert [names.take(text) for text in ("a.b/c", "a-b-c", "...", "anonymous", "x" * 80, "x" * 80)] == [
        "a-b-c", "a-b-c-2", "unnamed", "anonymous-2", "x" * 63, "x" * 61 + "-2",
    ]  # fmt: skip


def test_a_path_with_a_query_matches_nothing_as_in_envoy() -> None:
    for value in ("/a?x", "/a?*", "*?x", "/a#b"):
        found = run(policy("ALLOW", [{"to": [{"operation": {"paths": [value]}}]}]))
        assert (kinds(found), allowed(found, path="/a?x")) == (["note"], False)


def test_one_path_spelled_in_another_way_goes_around_no_rule() -> None:
    admin = {"operation": {"paths": ["/admin"]}}
    for documents in ([policy("DENY", [{"to": [admin]}])], [policy("ALLOW", [{"to": [{"operation": {"notPaths": ["/admin"]}}]}])]):
        found = run(*documents)
        assert not any(allowed(found, path=path) for path in ("/admin", "/%61dmin", "/admi%6E", "/%61dmi%6e?x"))
        assert all(allowed(found, path=path) for path in ("/admins", "/a%40b", "/other?x=%61"))
    assert "path-spelling" not in config_text(run(policy("ALLOW", [{"to": [admin]}])))
    assert "path-spelling" not in config_text(run(policy("DENY")))
    engine = Ours(config_text(run(policy("DENY", [{"to": [admin]}]))))
    every = [code for code in range(128) if not engine.decide(Request(path=f"/x%{code:02x}y"), "").allowed]
    assert {chr(code) for code in every} >= set("abcxyzABCXYZ0189-_~.")


def test_texts_that_read_like_attributes_are_literals() -> None:
    rule = {"when": [{"key": "request.headers[a]", "values": ["user.id", "request.x*"]}]}
    found = run(policy(rules=[rule]))
    assert "{literal: user.id}" in config_text(found)
    assert allowed(found, headers=(("a", "user.id"),))
    assert allowed(found, headers=(("a", "request.xyz"),))
    assert not allowed(found, headers=(("a", "user.idx"),))


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.text(max_size=12),
    st.sampled_from(["no", "~", "null", "1e3", "a: b", "'", '"', "\\d'", "- a", "#", "\u2028"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, min_size=1, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, min_size=1, max_size=4))
def test_what_is_written_is_read_the_same(value: dict[str, Any]) -> None:
    document = read_yaml("x", "\n".join(block(value, 0)).encode())
    assert (document.value, document.problems) == (value, [])
