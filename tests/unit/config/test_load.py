"""Valid configurations become exactly these settings."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.config.convert.issuers import DEFAULT_ALGORITHMS
from sidecar.model.errors import ConfigError, Problem, Where
from sidecar.model.settings import (
    CredentialPlace,
    DiscoveredKeys,
    FileKeys,
    IdentityHeader,
    InlineKeys,
    RequireSettings,
    RoleClaim,
    SecretRef,
    SharedSecretKeys,
)
from tests.support.settings import BASE, load_files, make_loaded, make_settings

ISSUER = {"issuer": "https://idp.example.com", "audiences": ["x"], "keys": {"discovery": True}}


def test_defaults() -> None:
    found = make_settings(text="version: 1")
    server = found.server
    assert (server.listen, server.socket_mode, server.transport, server.max_in_flight) == ("127.0.0.1:9191", 0o660, "auto", 1024)
    assert (server.check_deadline, server.shutdown_delay, server.shutdown_timeout) == (0.15, 5.0, 25.0)
    assert (server.max_check_size, server.unsafe_error, server.tls, server.allowed_peers) == (1024 * 1024, False, None, ())
    assert (server.client_address.trusted_hops, server.client_address.trusted_peers) == (0, ())
    assert (server.paths.trailing_slash, server.paths.case) == ("same", "sensitive")
    assert (found.telemetry.listen, found.admin.listen, found.admin.unsafe_public) == ("0.0.0.0:9193", "127.0.0.1:9192", False)
    assert found.dynamic_metadata == ("decision_id", "route", "reason")
    assert (found.users, found.strip_headers, found.acknowledge) == ((), (), frozenset())
    usual = {"x-user-id": "subject", "x-user-email": "email", "x-user-roles": "roles", "x-user-permissions": "permissions"}
    assert {header.name: header.source for header in found.identity_headers} == usual
    assert make_settings(text="version: 1\nidentity_headers: {}").identity_headers == ()


def test_defaults_of_an_issuer() -> None:
    issuer = make_settings(issuers={"corp": ISSUER}, identity_headers=None).issuers["corp"]
    assert issuer.algorithms == DEFAULT_ALGORITHMS == ("RS256", "ES256", "PS256", "EdDSA")
    assert issuer.token_types == {"at+jwt", "jwt", "none"}
    assert (issuer.clock_skew, issuer.max_lifetime, issuer.max_token_size) == (30.0, None, 8192)
    assert (issuer.refresh.every, issuer.refresh.stale_max, issuer.refresh.required_for_ready) == (600.0, 86400.0, False)
    assert issuer.credentials == (CredentialPlace(kind="header", name="authorization", scheme="Bearer", prefix=None, forward=True),)
    claims = issuer.claims
    assert (claims.subject, claims.email, claims.email_trusted_always) == (("sub",), None, False)
    assert (claims.roles, claims.permissions, claims.scopes, claims.attributes) == (None, None, None, {})
    assert isinstance(issuer.keys, DiscoveredKeys)
    assert issuer.where == Where("sidecar.yaml", 1, "issuers.corp")


def test_defaults_of_a_key_store() -> None:
    store = make_settings().api_keys["partners"]
    assert store.credentials == (CredentialPlace(kind="header", name="x-api-key", scheme=None, prefix=None, forward=False),)
    assert (store.invalid_status, store.peppers, store.path) == (403, {}, "/etc/sidecar-keys/keys.yaml")


def test_relative_paths_start_at_the_configuration() -> None:
    text = """
version: 1
issuers:
  a: {issuer: https://a.example, audiences: [x], keys: {file: keys/jwks.json}}
  c: {issuer: https://c.example, audiences: [x], keys: {discovery: true}, refresh: {ca_file: ca.pem}}
  b: {issuer: https://b.example, audiences: [x], keys: {shared_secret: {file: secret}}}
api_keys: {k: {store: {file: ../keys.yaml}, peppers: {"1": {file: pepper}, "2": {env: PEPPER}}}}
server: {tls: {cert_file: c.pem, key_file: /k.pem}}
"""
    found = make_settings(text=text)
    assert found.server.tls is not None
    assert (found.server.tls.cert_file, found.server.tls.key_file) == ("/etc/sidecar/c.pem", "/k.pem")
    assert isinstance(found.issuers["a"].keys, FileKeys)
    assert found.issuers["a"].keys.path == "/etc/sidecar/keys/jwks.json"
    assert found.issuers["c"].refresh.ca_file == "/etc/sidecar/ca.pem"
    secret = found.issuers["b"].keys
    assert isinstance(secret, SharedSecretKeys)
    assert (secret.secret.kind, secret.secret.value) == ("file", "/etc/sidecar/secret")
    assert found.issuers["b"].algorithms == ("HS256",)
    assert found.api_keys["k"].path == "/etc/sidecar/../keys.yaml"
    assert found.api_keys["k"].peppers["2"] == SecretRef(kind="env", value="PEPPER", where=Where("sidecar.yaml", 7, "api_keys.k.peppers.2"))


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        ("roles", (("roles",),)),
        (["realm_access", "roles"], (("realm_access", "roles"),)),
        ([["roles"], ["realm_access", "roles"]], (("roles",), ("realm_access", "roles"))),
        (["https://example.com/roles"], (("https://example.com/roles",),)),
        ({"from": "roles"}, (("roles",),)),
    ],
)
def test_claim_paths(written: object, paths: tuple[tuple[str, ...], ...]) -> None:
    claims = make_settings(issuers={"corp": {**ISSUER, "claims": {"roles": written}}}).issuers["corp"].claims
    assert claims.roles == RoleClaim(paths=paths, rename={}, allow=None)


def test_require_keeps_the_order_written() -> None:
    route = {"paths": ["/x"], "authenticate": ["corp"], "require": {"any_scope": ["b", "a"], "authenticated": True, "permission": "a:b"}}
    found = make_settings(routes={"x": route}).routes["x"].require
    assert found == RequireSettings(parts=(("any_scope", ("b", "a")), ("authenticated", ()), ("permission", ("a:b",))))


def test_users_as_a_map_and_as_a_list_are_the_same() -> None:
    grant = {"roles": ["editor"], "not_before": "2026-01-01T00:00:00Z", "expires_at": "2026-06-01T02:00:00+02:00"}
    as_map = make_settings(users={"john@example.com": grant, "u-7": {"roles": ["viewer"], "permissions": ["a:b"]}}).users
    as_list = make_settings(
        users=[
            {"match": {"issuer": "corp", "email": "john@example.com"}, **grant},
            {"match": {"issuer": "corp", "subject": "u-7"}, "roles": ["viewer"], "permissions": ["a:b"]},
        ]
    ).users
    assert as_map == as_list
    assert (as_map[0].not_before, as_map[0].expires_at) == (1767225600.0, 1780272000.0)


def test_identity_headers_short_and_long() -> None:
    found = make_settings(
        identity_headers={"X-User-Id": "subject", "x-p": {"from": "permissions", "join": " ", "expand": True, "encode": "percent"}}
    )
    assert found.identity_headers == (
        IdentityHeader(name="x-user-id", source="subject", join=",", expand=False, percent_encode=False),
        IdentityHeader(name="x-p", source="permissions", join=" ", expand=True, percent_encode=True),
    )


def test_ed25519_is_eddsa() -> None:
    assert make_settings(issuers={"corp": {**ISSUER, "algorithms": ["Ed25519"]}}).issuers["corp"].algorithms == ("EdDSA",)


def test_inline_keys_are_kept_as_json() -> None:
    document = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "abc", "kid": "1"}]}
    keys = make_settings(issuers={"corp": {**ISSUER, "keys": {"inline": document}}}).issuers["corp"].keys
    assert isinstance(keys, InlineKeys)
    assert json.loads(keys.document) == document


def test_hosts_are_canonical() -> None:
    route = {"hosts": ["API.Example.com", "*.Example.COM"], "paths": ["/x"], "authenticate": ["anonymous"]}
    assert make_settings(routes={"x": route}).routes["x"].hosts == ("api.example.com", "*.example.com")


def test_directory_merges_names_and_keeps_places() -> None:
    found = load_files(
        {
            "a.yaml": "version: 1\nroles: {viewer: {permissions: ['a:b']}}\nserver: {max_in_flight: 7}\n",
            "b.yaml": "version: 1\n\nroles:\n  editor: {inherits: [viewer]}\nroutes:\n  x: {paths: [/x], authenticate: [anonymous]}\n",
        }
    ).settings
    assert set(found.roles) == {"viewer", "editor"}
    assert found.server.max_in_flight == 7
    assert found.routes["x"].where == Where("b.yaml", 6, "routes.x")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            {"a.yaml": "version: 1\nroles: {v: {}}", "b.yaml": "version: 1\nroles:\n  v: {}"},
            "b.yaml:3: roles.v: stands in a.yaml:2, too (rename or remove one)",
        ),
        (
            {"a.yaml": "version: 1\nserver: {}", "b.yaml": "version: 1\nserver: {}"},
            "b.yaml:2: server: this section stands in a.yaml, too (keep it in one file)",
        ),
        ({"a.yaml": "version: 1", "b.yaml": "roles: {}"}, "b.yaml:1: has no version (add `version: 1` as the first line)"),
        ({"a.yaml": "version: 1", "b.yaml": "version: 2"}, "b.yaml:1: version: must be 1 in every file"),
        ({"a.yaml": "version: 1", "b.yaml": "version: true"}, "b.yaml:1: version: must be 1 in every file"),
        (
            {"a.yaml": "version: 1\nusers: {a: {roles: [v]}}", "b.yaml": "version: 1\nusers: [{match: {}}]"},
            "b.yaml:2: users: stands in a.yaml, too, and only maps of names merge (keep it in one file)",
        ),
        ({"a.yaml": "version: 1", "b.yaml": ""}, "b.yaml:1: is empty (a configuration starts with `version: 1`)"),
    ],
)
def test_directory_conflicts(texts: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_files(texts)
    assert expected in str(caught.value).splitlines()


def test_key_file_in_the_configuration_directory() -> None:
    texts = {"a.yaml": "version: 1\napi_keys: {k: {store: {file: keys/k.yaml}}}", "b.yaml": "version: 1"}
    with pytest.raises(ConfigError, match=r"a\.yaml:2: api_keys\.k\.store\.file: lies in the configuration directory"):
        load_files(texts)


def test_missing_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    text = """
version: 1
server: {tls: {cert_file: none.pem, key_file: folder}}
issuers:
  a: {issuer: https://a.example, audiences: [x], keys: {file: jwks.json}}
  b: {issuer: https://b.example, audiences: [x], keys: {shared_secret: {env: NOT_SET}}}
  c: {issuer: https://c.example, audiences: [x], keys: {discovery: true}, refresh: {ca_file: ca.pem}}
api_keys: {k: {store: {file: keys.yaml}, peppers: {"1": {file: pepper}, "2": {env: IS_SET}}}}
"""
    with pytest.raises(ConfigError) as caught:
        load_files({"s.yaml": text}, str(tmp_path), with_files=True, environment={"IS_SET"})
    assert str(caught.value).replace(str(tmp_path), "DIR").splitlines() == [
        "s.yaml:3: server.tls.cert_file: file DIR/none.pem does not exist (create it, or correct the path)",
        "s.yaml:3: server.tls.key_file: file DIR/folder is not a regular file",
        "s.yaml:5: issuers.a.keys.file: file DIR/jwks.json does not exist (create it, or correct the path)",
        "s.yaml:7: issuers.c.refresh.ca_file: file DIR/ca.pem does not exist (create it, or correct the path)",
        "s.yaml:8: api_keys.k.store.file: file DIR/keys.yaml does not exist (create it, or correct the path)",
        "s.yaml:6: issuers.b.keys.shared_secret.env: environment variable NOT_SET is not set (set it for the sidecar)",
        "s.yaml:8: api_keys.k.peppers.1.file: file DIR/pepper does not exist (create it, or correct the path)",
    ]


def test_key_files_are_read_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text(f'keys:\n- {{id: a, digest: "sha256:{"0" * 64}", roles: [viewre], routes: [list-post]}}\n')
    text = json.dumps({**BASE, "api_keys": {"partners": {"store": {"file": "keys.yaml"}}}})
    found = load_files({"s.yaml": text}, str(tmp_path), with_files=True)
    assert [entry.id for entry in found.key_entries["partners"]] == ["a"]
    assert [str(problem).replace(str(tmp_path), "DIR") for problem in found.warnings] == [
        "DIR/keys.yaml:2: keys[0]: key 'a' names the role 'viewre', which is not configured (did you mean 'viewer'?)",
        "DIR/keys.yaml:2: keys[0]: key 'a' names the route 'list-post', which is not configured (did you mean 'list-posts'?)",
    ]


def test_a_broken_key_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text("keys:\n- {id: a, digest: sk_live_correct_horse}\n")
    text = json.dumps({**BASE, "api_keys": {"partners": {"store": {"file": "keys.yaml"}}}})
    with pytest.raises(ConfigError) as caught:
        load_files({"s.yaml": text}, str(tmp_path), with_files=True)
    assert "keys.yaml:2: keys[0].digest" in str(caught.value)
    assert "horse" not in str(caught.value)


def test_twenty_thousand_lines() -> None:
    """Fault 27: bounded work; about half a second of CPU where nothing else runs."""
    route = """
  r{n}:
    hosts: [api{h}.example.com]
    methods: [GET]
    paths: ["/r{n}/{{id}}"]
    authenticate: [corp]
    require: {{permission: "r{n}:read"}}"""
    issuer = "issuers: {corp: {issuer: https://a.example, audiences: [x], keys: {discovery: true}}}"
    text = f"version: 1\n{issuer}\nroutes:" + "".join(route.format(n=n, h=n % 10) for n in range(3_400))
    assert text.count("\n") > 20_000
    started = time.process_time()
    assert len(make_settings(text=text).routes) == 3_400
    assert time.process_time() - started < 10


def test_thousands_of_mistakes() -> None:
    """Security rule 30: neither the messages nor the time grow with them."""
    roles = "".join(f"  role-{n}: {{inherits: [rule-{n}]}}\n" for n in range(2_000))
    routes = "".join(f"  r{n}: {{path: [/x], authentcate: [a]}}\n" for n in range(2_000))
    for text in (f"version: 1\nroles:\n{roles}", f"version: 1\nroutes:\n{routes}"):
        started = time.process_time()
        with pytest.raises(ConfigError) as caught:
            make_settings(text=text)
        assert len(caught.value.problems) == 500
        assert time.process_time() - started < 30


def test_base_has_no_warnings() -> None:
    assert make_loaded().warnings == ()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text("ab:/*. -{}", max_size=6),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["keys", "from", "paths", "roles", "a", "match", "file"]), below, max_size=3)
    ),
    max_leaves=8,
)


def problems_of(document: object) -> tuple[Problem, ...]:
    try:
        load_files({"s.yaml": json.dumps(document)})
    except ConfigError as error:
        return error.problems
    return ()


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*BASE, "users", "strip_headers", "server", "admin", "acknowledge"]), JSON, max_size=4))
def test_any_document_is_loaded_or_refused_with_places(document: dict[str, object]) -> None:
    """Never another exception than ConfigError, and each problem stands somewhere."""
    assert all(problem.where.line >= 1 and problem.message for problem in problems_of({"version": 1, **document}))


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    if isinstance(value, dict):
        found += [deeper for key, item in value.items() for deeper in _paths(item, (*path, key))]
    if isinstance(value, list):
        found += [deeper for number, item in enumerate(value) for deeper in _paths(item, (*path, number))]
    return found


@settings(max_examples=300)
@given(st.sampled_from(_paths(BASE)[1:]), JSON)
def test_any_value_in_any_place_is_loaded_or_refused(path: tuple[str | int, ...], value: object) -> None:
    document = json.loads(json.dumps(BASE))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert all(problem.where.line >= 1 and problem.message for problem in problems_of(document))
