"""Whatever a test file names has to exist, and is said with file, line and key; nothing is skipped."""

from pathlib import Path

import pytest

from .site import problems, run_text

HEAD = "version: 1\nprincipals:\n  meg: {authenticator: corp, roles: [manager]}\nrequests:\n  list: GET /posts\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{request: list, principal: meh, expect: deny}", "principal: there is no principal 'meh' (did you mean 'meg'?)"),
        ("{request: lost, expect: deny}", "request: there is no request 'lost' (did you mean 'list'?)"),
        ("{request: get /posts, expect: deny}", "request: 'get' is not an HTTP method (write it in capitals: GET)"),
        ("{request: GET posts, expect: deny}", "request: 'GET posts' is neither a request's name nor METHOD TARGET (as in GET /posts or "),
        ("{request: {method: GET}, expect: deny}", "request: has no path (write path: /…, or METHOD TARGET)"),
        ("{request: list, expect: {route: lst}}", "expect.route: there is no route 'lst' (did you mean 'list'?)"),
        ("{request: list, expect: {rule: routes.lits.require}}", "expect.rule: there is no routes.lits (did you mean 'list'?)"),
        ("{request: list, expect: {rule: policies.same-departmen}}", "expect.rule: there is no policies.same-departmen (did you mean 'same-"),
        ("{request: list, expect: {rule: permission}}", "expect.rule: is not the key path of a rule (such as routes.NAME.require.permission"),
        ("{request: list, expect: {policies: {same-dept: true}}}", "expect.policies.same-dept: there is no policy 'same-dept'"),
        ("{request: list, expect: {policies: {same-department: maybe}}}", "expect.policies.same-department: "),
        ("{request: list, expect: {decision: allow, reason: no_route}}", "expect.reason: is no reason for an allow (one of permitted, anonymous, "),
        ("{request: list, expect: {decision: deny, set: {x-a: b}}}", "expect.set: a denial has no headers for the upstream"),
        ("{request: list, expect: {reason: no_route, removed: [x-a]}}", "expect.removed: a denial has no headers for the upstream"),
        ("{request: list, expect: {decision: allow, status: 200}}", "expect.status: an allow has no status: the upstream answers (remove it)"),
        ("{request: list, expect: {reason: no_rout}}", "expect.reason: is not a reason (did you mean 'no_route'?)"),
        ("{request: list, expect: deny, principle: meg}", "principle: unknown key 'principle' (did you mean 'principal'?)"),
        ("{request: list, expect: {}}", "expect: expects nothing"),
        ("{request: list, expect: deny, attributes: {owner: unavailable}}", "attributes.owner: there is no attribute source 'owner'"),
        ("{request: list, expect: deny, now: 2026-03-02}", "now: is not a time"),
        ("{request: list, expect: deny, principal: {authenticator: crop}}", "principal.authenticator: there is no issuer and no key store 'crop'"),
        ("{request: list, expect: deny, principal: {roles: [viewer]}}", "principal: does not say who vouches for it (write authenticator: one"),
        ("{request: list, expect: deny, principal: {authenticator: corp, roles: [veiwer]}}", "principal.roles[0]: there is no role 'veiwer' (did"),
        ("{request: list, expect: deny, principal: {authenticator: other, roles: [viewer]}}", "principal.roles: no token of other carries roles"),
        ("{request: list, expect: deny, principal: {authenticator: corp, permissions: [a]}}", "principal.permissions: no token of corp carries"),
        ("{request: list, expect: deny, principal: {authenticator: other, permissions: [a]}}", "principal.permissions[0]: no token of other carries"),
        ("{request: list, expect: deny, principal: {authenticator: corp, scopes: [a]}}", "principal.scopes: no token of corp carries scopes"),
        ("{request: list, expect: deny, principal: {authenticator: other, email: a@b}}", "principal.email: no token of other carries an e-mail"),
        ("{request: list, expect: deny, principal: {authenticator: corp, audiences: [a]}}", "principal.audiences: no token of corp counts without"),
        ("{request: list, expect: deny, principal: {authenticator: corp, metadata: {a: 1}}}", "principal.metadata: corp is an issuer, and only"),
        ("{request: list, expect: deny, principal: {authenticator: corp, attributes: {departement: 1}}}", "attributes.departement: corp has no attr"),
        ("{request: list, expect: deny, principal: {authenticator: partners, email: a@b}}", "principal.email: partners is a store of API keys"),
        ("{request: list, expect: deny, principal: {authenticator: partners, claims: {}}}", "principal.claims: partners is a store of API keys"),
        ("{request: list, expect: deny, principal: {authenticator: corp, key: a}}", "principal.key: corp is an issuer, and only stores of API"),
        ("{request: list, expect: deny, principal: {authenticator: corp, claims: {}, roles: [viewer]}}", "principal: has claims and grants"),
        ("{request: list, expect: deny, principal: {like: meg, claims: {}}}", "principal: with what it is like, it has claims and grants"),
        ("{request: list, expect: deny, principal: {like: meg, key: a}}", "principal: with what it is like, it says who it is in several ways"),
        ("{request: list, expect: deny, principal: {like: mag, roles: []}}", "principal.like: there is no principal 'mag' (did you mean 'meg'?)"),
        ("{request: list, expect: deny, principal: {token: abc}}", "principal.token: is a secret, which must be a reference and never text"),
        ("{request: list, expect: deny, principal: {token: {file: none}}}", "principal.token: cannot be read: "),
        ("{request: list, expect: deny, principal: {api_key: {env: NOT_SET_HERE}}}", "principal.api_key: cannot be read: environment variable NOT"),
    ],
)  # fmt: skip
def test_what_a_case_names_wrongly(tmp_path: Path, line: str, said: str) -> None:
    found = problems(tmp_path, f"{HEAD}cases:\n  one: {line}\n")
    assert len(found) == 1, found
    assert found[0].startswith("t.yaml:7: cases.one."), found
    assert said in found[0], found


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (
            "principals: [mega]\n    rows: {list: [allow]}",
            "t.yaml:8: matrices.m.principals[0]: there is no principal 'mega' (did you mean 'meg'?)",
        ),
        (
            "principals: [meg]\n    rows: {lizt: [deny]}",
            "t.yaml:9: matrices.m.rows.lizt: there is no request 'lizt' (did you mean 'list'?)",
        ),
        (
            "principals: [meg]\n    rows: {list: [alow]}",
            "t.yaml:9: matrices.m.rows.list[0]: is neither allow, deny, - nor a reason (did you mean",
        ),
        ("principals: [meg]\n    rows: {list: [allow, deny]}", "t.yaml:9: matrices.m.rows.list: has 2 cells, and there are 1 principals"),
        ("principals: []\n    rows: {list: []}", "t.yaml:8: matrices.m.principals: must not be empty"),
        ("principals: [meg]\n    rows: {}", "t.yaml:9: matrices.m.rows: must not be empty"),
    ],
)
def test_what_a_matrix_names_wrongly(tmp_path: Path, matrix: str, said: str) -> None:
    found = problems(tmp_path, f"{HEAD}matrices:\n  m:\n    {matrix}\n")
    assert len(found) == 1, found
    assert found[0].startswith(said), found


def test_fixtures_that_no_case_uses_are_checked_too(tmp_path: Path) -> None:
    text = HEAD + "  b: {like: c}\n  c: {like: b}\nattributes: {x: unavailable}\ncases: {one: {request: list, expect: deny}}\n"
    text = text.replace("  meg:", "  ann: {like: bob}\n  bob: {like: ann}\n  anonymous: {authenticator: corp}\n  meg:")
    assert problems(tmp_path, text) == [
        "t.yaml:3: principals.ann.like: goes round in a circle: bob → ann → bob",
        "t.yaml:4: principals.bob.like: goes round in a circle: ann → bob → ann",
        "t.yaml:5: principals.anonymous: is who shows no credential (give it another name)",
        "t.yaml:9: requests.b.like: goes round in a circle: c → b → c",
        "t.yaml:10: requests.c.like: goes round in a circle: b → c → b",
        "t.yaml:11: attributes.x: there is no attribute source 'x' (the configuration has none)",
    ]


def test_a_real_token_of_an_issuer_whose_keys_are_fetched(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20ifQ.AAAA")
    (found,) = problems(tmp_path, f"{HEAD}cases:\n  one: {{principal: {{token: {{file: token}}}}, request: list, expect: deny}}\n")
    assert "the keys of corp are fetched over the network" in found
    assert "write the principal by its subject and roles, or by `claims`" in found


def test_a_principal_like_another(tmp_path: Path) -> None:
    text = HEAD.replace("requests:", "  small: {like: meg, roles: [viewer]}\nrequests:") + (
        "  post: {like: list, method: POST}\n"
        "cases:\n"
        "  a: {principal: small, request: list, expect: {decision: allow, set: {x-user-id: meg, x-user-roles: viewer}}}\n"
        "  b: {principal: small, request: post, expect: deny}\n"
        "  c: {principal: meg, request: {like: post, headers: {accept: '*/*'}}, expect: {kept: [accept]}}\n"
    )
    assert not run_text(tmp_path, text).failed


def test_shared_fixtures(tmp_path: Path) -> None:
    shared = (
        "version: 1\nhost: www.example.com\nprincipals: {meg: {authenticator: corp, roles: [manager]}}\nrequests: {public: GET /public}\n"
    )
    text = "version: 1\nfixtures: [shared.yaml]\ncases:\n  a: {principal: meg, request: public, expect: {reason: anonymous}}\n"
    report = run_text(tmp_path, text, shared=shared)
    assert not report.failed
    assert [result.trial.file for result in report.results] == [f"{tmp_path}/t.yaml"]
    double = text + "principals: {meg: {authenticator: corp}}\n"
    assert problems(tmp_path, double, shared=shared) == [
        f"shared.yaml:3: principals.meg: is defined in {tmp_path}/t.yaml:5 too (give one of them another name)"
    ]
    assert problems(tmp_path, text.replace("shared.yaml", "shred.yaml")) == [
        f"t.yaml:2: fixtures[0]: file {tmp_path}/shred.yaml does not exist (create it, or correct the path)"
    ]
    assert problems(tmp_path, text, shared=shared.replace("roles", "rolez"))[0].startswith(
        "shared.yaml:3: principals.meg.rolez: unknown key"
    )
