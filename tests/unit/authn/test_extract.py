"""Where credentials stand and how they are read (security rules 15 and 16)."""

import re
from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sidecar.authn.extract import MAX_PADDING, Extraction, Presented, Reader, query_values
from sidecar.model.outcome import Rejected
from sidecar.model.reason import Reason
from sidecar.model.settings import CredentialPlace
from tests.support.inputs import ListHeaders, cookie_place, header_place, key_place, query_place

JWT = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"


def readers(**places: list[CredentialPlace]) -> list[Reader]:
    return [
        Reader(order, name, "jwt" if name.startswith("corp") else "api_key", place)
        for order, (name, found) in enumerate(places.items())
        for place in found
    ]


BOTH = {"corp": [header_place()], "keys": [key_place(), header_place(prefix="sk_", forward=False)]}


def read(
    headers: dict[str, str] | list[tuple[str, str]], path: str = "/", *, first: bool = False, **places: list[CredentialPlace]
) -> object:
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    found = Extraction(readers(**(places or BOTH)), conflict_first=first).read(ListHeaders(pairs), path)
    if isinstance(found, Presented):
        return found.group.kind, found.value, tuple(reader.authenticator for reader in found.group.readers)
    return found.reason if isinstance(found, Rejected) else found


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"authorization": f"Bearer {JWT}"}, ("jwt", JWT, ("corp",))),
        ({"authorization": f"bearer {JWT}"}, ("jwt", JWT, ("corp",))),
        ({"authorization": "Bearer sk_live_1"}, ("api_key", "sk_live_1", ("keys",))),
        ({"x-api-key": "anything"}, ("api_key", "anything", ("keys",))),
        ({"authorization": "Basic dXNlcjpwdw=="}, None),
        ({"authorization": "BearerX abc"}, None),
        ({"authorization": ""}, None),
        ({"authorization": "Bearer opaque"}, ("jwt", "opaque", ("corp",))),
        ({"authorization": "Bearer"}, Reason.INVALID_TOKEN),
        ({"authorization": "Bearer "}, Reason.INVALID_TOKEN),
        ({"authorization": f"Bearer  {JWT}"}, Reason.INVALID_TOKEN),
        ({"authorization": f"Bearer\t{JWT}"}, Reason.INVALID_TOKEN),
        ({"authorization": f"Bearer={JWT}"}, Reason.INVALID_TOKEN),
        ({"x-api-key": ""}, Reason.INVALID_API_KEY),
        ({"authorization": f"Bearer {JWT},Bearer {JWT}"}, Reason.MULTIPLE_CREDENTIALS),
        ({"x-api-key": "a,b"}, Reason.MULTIPLE_CREDENTIALS),
        ([("x-api-key", "a"), ("x-api-key", "a")], Reason.MULTIPLE_CREDENTIALS),
        ([("authorization", f"Bearer {JWT}"), ("authorization", "Basic x")], Reason.MULTIPLE_CREDENTIALS),
        ({"authorization": f"Bearer {JWT}", "x-api-key": "k"}, Reason.MULTIPLE_CREDENTIALS),
        ({"authorization": "Basic x", "x-api-key": "k"}, ("api_key", "k", ("keys",))),
    ],
)
def test_reading_headers(headers: dict[str, str], expected: object) -> None:
    """Security rule 16."""
    assert read(headers) == expected


def test_only_kinds_that_the_route_accepts_count() -> None:
    both = {"authorization": f"Bearer {JWT}", "x-api-key": "k"}
    assert read(both, corp=[header_place()]) == ("jwt", JWT, ("corp",))
    assert read(both, keys=[key_place()]) == ("api_key", "k", ("keys",))
    assert read({"authorization": f"Bearer {JWT}"}, keys=[header_place(prefix="sk_")]) is None
    assert read({"authorization": "Bearer sk_1"}, corp=[header_place()]) == ("jwt", "sk_1", ("corp",))


def test_credential_conflict_first_takes_the_first_authenticator() -> None:
    both = {"x-api-key": "k", "authorization": f"Bearer {JWT}"}
    assert read(both, first=True) == ("jwt", JWT, ("corp",))
    assert read(both, first=True, keys=[key_place()], corp=[header_place()]) == ("api_key", "k", ("keys",))


def test_the_longest_prefix_wins_and_stores_on_one_header_are_tried_in_order() -> None:
    places = {"a": [key_place(prefix="sk_")], "b": [key_place(prefix="sk_live_")], "c": [key_place()], "d": [key_place()]}
    assert read({"x-api-key": "sk_live_1"}, **places) == ("api_key", "sk_live_1", ("b",))
    assert read({"x-api-key": "sk_test_1"}, **places) == ("api_key", "sk_test_1", ("a",))
    assert read({"x-api-key": "other"}, **places) == ("api_key", "other", ("c", "d"))
    assert read({"x-api-key": "other"}, a=[key_place(prefix="sk_")]) == Reason.INVALID_API_KEY


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"a=1; session={JWT}"], ("jwt", JWT, ("corp",))),
        ([f"a=x,y; session={JWT}"], ("jwt", JWT, ("corp",))),
        (["a=1; xsession=2"], None),
        ([f"session={JWT}; session={JWT}"], Reason.MULTIPLE_CREDENTIALS),
        ([f"session={JWT}", "a=1"], Reason.MULTIPLE_CREDENTIALS),
        ([f"a=1,session={JWT}"], Reason.MULTIPLE_CREDENTIALS),
        (["session="], Reason.INVALID_TOKEN),
        ([f"session={JWT}; session =x"], Reason.MULTIPLE_CREDENTIALS),
        ([f"session\t=x; session={JWT}"], Reason.MULTIPLE_CREDENTIALS),
        ([f"session={JWT}; \u00a0session=x"], Reason.MULTIPLE_CREDENTIALS),
        ([f'session={JWT},"session"=x'], Reason.MULTIPLE_CREDENTIALS),
        ([f"session!=x; session={JWT}"], Reason.MULTIPLE_CREDENTIALS),  # a byte that is not UTF-8, perhaps white space in another charset
        ([f"session={JWT},x"], Reason.MULTIPLE_CREDENTIALS),
        ([f"session={JWT}; session-id=x; a=session =x"], ("jwt", JWT, ("corp",))),
    ],
)
def test_cookies(lines: list[str], expected: object) -> None:
    assert read([("cookie", line) for line in lines], corp=[cookie_place()]) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/a?x=1&access_token={JWT}", ("jwt", JWT, ("corp",))),
        ("/a?x=access_token", None),
        ("/access_token=x", None),
        (f"/a?access_token={JWT}&access_token={JWT}", Reason.MULTIPLE_CREDENTIALS),
        ("/a?access_token=", Reason.INVALID_TOKEN),
        ("/a?x=1&access_token&y=2", Reason.INVALID_TOKEN),
        (f"/a?access_token={JWT}&access_token", Reason.MULTIPLE_CREDENTIALS),
        ("/a?access_tokens=1&my_access_token=2", None),
        ("/a?%61ccess_token=x", Reason.MULTIPLE_CREDENTIALS),  # a reader that decodes names sees it
        (f"/a?access_token={JWT}&%61ccess%5Ftoken=x", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?x=1;access_token=x&access_token={JWT}", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?access_token={JWT};access_token=x", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?+access_token=x&access_token={JWT}", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?q=%61+b;c&access_token={JWT}&q=%26access_token=x", ("jwt", JWT, ("corp",))),
        (f"/a?access_token={JWT}{'&q=%41' * 256}", ("jwt", JWT, ("corp",))),
        (f"/a?access_token={JWT}{'&q=1' * 257}", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?access_token={JWT}{'&q=1;q' * 129}", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?{'q&' * 257}", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?{'%20' * 400}access_token=x", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?%61ccess_token{'+' * 2000}=x", Reason.MULTIPLE_CREDENTIALS),
        (f"/a?{'%7B' * 2000}", None),
        (f"/a?access_tokens{'%7B' * 2000}", None),
    ],
)
def test_query_parameters_only_when_configured(path: str, expected: object) -> None:
    assert read({}, path, corp=[query_place()]) == expected
    assert read({}, path) is None


SPACES = "".join(char for char in map(chr, range(0x3100)) if char.isspace())
SPELLINGS = st.lists(
    st.sampled_from([*"a.~-=&;+% \u2003", *(f"%{code:02X}" for code in (*range(0x30), *b"a.~-A")), "%7e", "%2e", *map(quote, SPACES)]),
    max_size=8,
).map("".join)


@given(SPELLINGS)
@example("%e2%80%83a.~-")
@example("\x1ca.~-=1")
def test_a_query_parameter_is_ambiguous_where_decoding_makes_it_one(query: str) -> None:
    """By another way: decode each name. Security rule 30 is why it is not done like this."""
    assume(len(query) <= MAX_PADDING)
    names = [unquote_plus(pair.partition("=")[0]) for pair in re.split("[&;]", query)]
    written = [pair.partition("=")[0] == "a.~-" for pair in query.split("&")].count(True)
    readable = [name.strip() == "a.~-" for name in names].count(True)
    values = query_values(f"/x?{query}", "a.~-")
    assert (values is None) == (readable != written)
    assert values is None or len(values) == written


@pytest.mark.parametrize("space", SPACES)
def test_every_space_around_a_query_parameter(space: str) -> None:
    for written in (space, quote(space), quote(space).lower()):
        assert query_values(f"/x?{written}key{written}=1", "key") is None


@given(st.lists(st.tuples(st.sampled_from(["authorization", "x-api-key", "cookie", "x-other"]), st.text(max_size=30)), max_size=5))
def test_never_raises_and_never_invents_a_credential(pairs: list[tuple[str, str]]) -> None:
    found = Extraction(readers(**BOTH), conflict_first=False).read(ListHeaders(pairs), "/")
    if isinstance(found, Presented):
        assert any(value.endswith(found.value) for name, value in pairs if name in {"authorization", "x-api-key"})


@given(st.text(max_size=20).filter(lambda name: name not in {"authorization", "x-api-key"}), st.text(max_size=20))
def test_an_irrelevant_header_never_changes_what_is_read(name: str, value: str) -> None:
    pairs = [("authorization", f"Bearer {JWT}")]
    assert read([*pairs, (name, value)]) == read(pairs)
