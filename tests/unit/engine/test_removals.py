"""What has to go from a request: look-alikes and credentials (security rule 15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authn.extract import Reader
from sidecar.engine.removals import Credentials, LookAlikes, combine, fold
from sidecar.model.mutation import Mutations, Upstream
from tests.support.inputs import ListHeaders, cookie_place, header_place, key_place, make_input, query_place

OURS = ("x-user-id", "x-user-roles")


def look_alikes(*names: str, strip: tuple[str, ...] = ()) -> tuple[str, ...]:
    return LookAlikes(OURS, strip).present(ListHeaders([(name, "v") for name in names]))


@pytest.mark.parametrize("name", ["x_user_id", "X.User-Id", "x.user.id", "x-user_roles", " x-user-id", "x~user~id"])
def test_every_spelling_that_a_backend_could_read_as_ours(name: str) -> None:
    assert look_alikes("accept", name) == (name,)


def test_ours_themselves_are_set_or_removed_anyway() -> None:
    assert look_alikes("x-user-id", "X-User-ID", "accept", "x-user-identity", "y-user-id") == ()


def test_strip_patterns() -> None:
    strip = ("x-auth-*", "x-internal")
    assert look_alikes("x-auth-a", "X_Auth_b", "x-internal", "x_internal", "x-authx", strip=strip) == (
        "x-auth-a",
        "X_Auth_b",
        "x-internal",
        "x_internal",
    )
    assert look_alikes(":path", "host", strip=("*",)) == ()


def test_the_memory_of_harmless_names_is_bounded_and_changes_nothing() -> None:
    finder = LookAlikes(OURS, ())
    for index in range(10_000):
        assert finder.present(ListHeaders([(f"h-{index}", "v"), ("x_user_id", "v")])) == ("x_user_id",)
    assert len(finder.harmless) <= 4096 + len(OURS)


def test_names_are_still_learnt_once_the_memory_was_full() -> None:
    """Else whoever sends 4,096 names once keeps every later check off the short way, for as long as the snapshot lives."""
    finder = LookAlikes(OURS, ("x-auth-*",))
    known = finder.harmless  # the short way holds on to it
    for index in range(5000):
        finder.present(ListHeaders([(f"h-{index}", "v")]))
    usual = ListHeaders([("accept", "v"), ("user-agent", "v"), *((name, "v") for name in OURS)])
    assert finder.present(usual) == ()
    assert known is finder.harmless
    assert known.issuperset(usual.names())
    assert finder.present(ListHeaders([("X_User_Id", "v"), ("x-auth-a", "v")])) == ("X_User_Id", "x-auth-a")


@given(st.lists(st.text("xuseridX_-.", min_size=1, max_size=10)))
def test_remembering_never_changes_an_answer(names: list[str]) -> None:
    finder = LookAlikes(OURS, ())
    headers = ListHeaders([(name, "v") for name in names])
    first = finder.present(headers)
    assert finder.present(headers) == first
    assert set(first) == {name for name in names if fold(name) in {"x-user-id", "x-user-roles"} and name.lower() not in OURS}


PLACES = (header_place(), header_place(prefix="sk_", forward=False), key_place(), cookie_place(forward=False), query_place())
ACCEPTED_TOKEN = Reader(0, "corp", "jwt", PLACES[0])
ACCEPTED_KEY = Reader(0, "keys", "api_key", PLACES[1])


def taken(headers: list[tuple[str, str]] | None = None, path: str = "/", accepted: Reader | None = None) -> object:
    return Credentials(PLACES).take_off(make_input(path=path, headers=headers or []), accepted)


def test_a_header_that_only_holds_credentials_is_always_removed() -> None:
    assert Credentials(PLACES).always == ("x-api-key",)


@pytest.mark.parametrize(
    ("value", "accepted", "removed"),
    [
        ("Bearer eyJ.x.y", ACCEPTED_TOKEN, ()),
        ("Bearer eyJ.x.y", None, ()),
        ("Bearer sk_1", ACCEPTED_KEY, ("authorization",)),
        ("Bearer sk_1", None, ("authorization",)),
        ("bearer  sk_1", None, ("authorization",)),
        ("Basic abc, Bearer sk_1", None, ("authorization",)),
        ("Basic abc", None, ()),
    ],
)
def test_a_shared_header_goes_when_it_holds_what_must_not_be_forwarded(
    value: str, accepted: Reader | None, removed: tuple[str, ...]
) -> None:
    assert taken([("authorization", value)], accepted=accepted).removed == removed


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        (["a=1; session=s; b=2"], "a=1; b=2"),
        (["session=s"], None),
        (["a=1", "session=s"], "a=1"),
        (["a=1,session=s; b=x,y"], "a=1; b=x,y"),
        (["session=s; a=1; session=t"], "a=1"),
        (["a=1; session =s; b=2"], "a=1; b=2"),
        (["a=1; session=s,t,; b=2"], "a=1; b=2"),
        (["session=s,t,b=2,3"], ",b=2,3"),
        (["a=1; b=2"], ""),
    ],
)
def test_one_cookie_is_taken_out_of_the_rest(lines: list[str], rest: str | None) -> None:
    off = taken([("cookie", line) for line in lines])
    if rest == "":
        assert off == ((), (), ())
    elif rest is None:
        assert off.removed == ("cookie",)
    else:
        assert dict(off.set_headers) == {"cookie": rest}


def test_a_query_parameter_is_taken_off() -> None:
    assert taken(path="/a?x=1&access_token=t").queries == ("access_token",)
    assert taken(path="/a?x=access_token").queries == ()


def test_sets_and_removals_never_meet() -> None:
    always = Mutations(Upstream((("x-user-id", "u"),), ("x-api-key",)))
    both = combine(always, ("x_user_id", "x-user-id"), taken([("authorization", "Bearer sk_1"), ("x-api-key", "k")]))
    assert both.removed == ("x_user_id", "authorization")
    with pytest.raises(ValueError, match="both"):
        Upstream((("a", "b"),), ("a",))
