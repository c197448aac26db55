"""An allow says exactly its mutations under every id; nothing but an Allow allows."""

from types import SimpleNamespace

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.denials import answer
from sidecar.model.decision import Allow, Deny
from sidecar.model.mutation import Mutations, Upstream
from sidecar.model.permission import compile_permissions
from sidecar.model.principal import Identity, Principal
from sidecar.model.reason import ALLOWING, Reason
from sidecar.wire._gen.ext_authz_pb2 import CheckResponse
from sidecar.wire.encode import OVERWRITE, Encoder, last_resort
from tests.support.inputs import make_input

ID = "abcdefghijklmnop"
PLAIN = ("decision_id", "route", "reason")
WHO = Principal(
    Identity(kind="jwt", authenticator="corp", issuer="i", subject="user_123"),
    roles=(),
    closure=frozenset(),
    permissions=compile_permissions(()),
    scopes=frozenset(),
    since=0.0,
    until=0.0,
)


def encoder(metadata: tuple[str, ...] = PLAIN, *, unsafe_error: bool = False) -> Encoder:
    return Encoder(metadata, "rev1", unsafe_error=unsafe_error)


def allow(mutations: Mutations, reason: Reason = Reason.PERMITTED) -> Allow:
    return Allow(reason, "routes.r.require.permission", "list-posts", WHO, mutations)


def parse(response: bytes) -> CheckResponse:
    return CheckResponse.FromString(response)


NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=200)


@given(
    st.dictionaries(NAME, VALUE, max_size=6),
    st.lists(NAME, max_size=4),
    st.lists(NAME, max_size=3),
    st.lists(NAME, max_size=2),
)
def test_an_allow_says_exactly_its_mutations(headers: dict[str, str], removed: list[str], extra: list[str], query: list[str]) -> None:
    gone = tuple(name for name in dict.fromkeys(removed) if name not in headers)
    later = tuple(name for name in dict.fromkeys(extra) if name not in headers and name not in gone)
    mutations = Mutations(Upstream(tuple(headers.items()), gone), (), later, tuple(query))
    made = encoder()
    first, second = (parse(made.allow(allow(mutations), one)) for one in (ID, ID[::-1]))
    assert {option.header.key: option.header.value for option in first.ok_response.headers} == headers
    assert {option.append_action for option in first.ok_response.headers} <= {OVERWRITE}
    assert list(first.ok_response.headers_to_remove) == [*gone, *later]
    assert list(first.ok_response.query_parameters_to_remove) == query
    assert first.WhichOneof("http_response") == "ok_response"
    assert first.status.code == 0
    assert MessageToDict(first.dynamic_metadata) == {"decision_id": ID, "route": "list-posts"}
    assert MessageToDict(second.dynamic_metadata) == {"decision_id": ID[::-1], "route": "list-posts"}
    names = {option.header.key for option in first.ok_response.headers}
    assert names.isdisjoint(first.ok_response.headers_to_remove)


def test_a_cookie_may_hold_what_the_client_sent() -> None:
    made = parse(encoder().allow(allow(Mutations(Upstream((), ()), (("cookie", "a=é"),))), ID))
    assert made.ok_response.headers[0].header.value == "a=é"


def test_a_plain_allow_stays_under_250_bytes() -> None:
    headers = (
        ("x-user-id", "user_123"),
        ("x-user-email", "john@example.com"),
        ("x-user-roles", "admin,user"),
        ("x-user-permissions", "posts:read"),
    )
    assert len(encoder().allow(allow(Mutations(Upstream(headers, ("x-api-key",)))), ID)) <= 250


@pytest.mark.parametrize("metadata", [(), ("route",), ("decision_id",), (*PLAIN, "rule", "subject", "revision")])
@pytest.mark.parametrize("reason", sorted(ALLOWING))
def test_metadata_of_an_allow(metadata: tuple[str, ...], reason: Reason) -> None:
    known = {"decision_id": ID, "route": "list-posts", "rule": "routes.r.require.permission", "subject": "user_123", "revision": "rev1"}
    expected = {name: known[name] for name in metadata if name in known}
    if "reason" in metadata and reason is not Reason.PERMITTED:
        expected["reason"] = str(reason)
    made = encoder(metadata)
    for _ in range(2):
        response = parse(made.allow(allow(Mutations(Upstream((), ())), reason), ID))
        assert MessageToDict(response.dynamic_metadata) == expected
        assert response.WhichOneof("http_response") == "ok_response"


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in ALLOWING])
@pytest.mark.parametrize("grpc", [False, True])
def test_a_denial_always_has_a_code_and_a_denied_response(reason: Reason, grpc: bool) -> None:
    request = make_input(headers={"content-type": "application/grpc"} if grpc else {})
    deny = Deny(reason, "rule", route="list-posts", challenges=('Bearer realm="api"', "ApiKey"))
    response = parse(encoder().deny(deny, answer(deny, request, ID), request, ID))
    assert response.status.code != 0
    assert response.WhichOneof("http_response") == "denied_response"
    assert response.denied_response.status.code == reason.status
    headers = [(option.header.key, option.header.value) for option in response.denied_response.headers]
    expected = {400: "3", 401: "16", 403: "7", 405: "12", 503: "14"}[reason.status]
    assert (("grpc-status", expected) in headers) is grpc
    assert MessageToDict(response.dynamic_metadata)["reason"] == reason


def test_unsafe_error_lets_envoy_decide_about_our_faults_only() -> None:
    for reason, kind in [(Reason.INTERNAL_ERROR, "error_response"), (Reason.NO_ROUTE, "denied_response")]:
        deny = Deny(reason)
        response = parse(encoder(unsafe_error=True).deny(deny, answer(deny, None, ID), None, ID))
        assert response.WhichOneof("http_response") == kind
        assert response.status.code != 0


def test_nothing_but_an_allow_allows() -> None:
    for impostor in (Deny(Reason.NO_ROUTE), None, object()):
        with pytest.raises((TypeError, AttributeError)):
            encoder().allow(impostor, ID)  # type: ignore[arg-type]
    made = allow(Mutations(Upstream((), ())))
    with pytest.raises(TypeError, match="only an Allow"):
        encoder().allow(SimpleNamespace(**{name: getattr(made, name) for name in Allow.__slots__}), ID)  # type: ignore[arg-type]
    response = parse(last_resort())
    assert (response.status.code, response.denied_response.status.code) == (14, 503)
