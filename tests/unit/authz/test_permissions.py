"""Permissions: a wildcard is a whole segment or the rest at the end, never part of a segment (security rule 19)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.permission import compile_permissions, fault_of_permission, intersect


@pytest.mark.parametrize(
    ("held", "required", "granted"),
    [
        ("posts:read", "posts:read", True),
        ("posts:read", "posts:readall", False),
        ("posts:read", "posts", False),
        ("posts:*", "posts:read", True),
        ("posts:*", "posts:comments:read", True),
        ("posts:*", "posts", False),
        ("posts:*", "postscript:read", False),
        ("*", "anything:at:all", True),
        ("posts:*:read", "posts:1:read", True),
        ("posts:*:read", "posts:1:write", False),
        ("posts:*:read", "posts:1:2:read", False),
        ("posts:*:read", "posts:1:read:all", False),
        ("posts:*:*", "posts:1:2:3", True),
        ("posts:*:*", "posts:1", False),
        ("*:read", "posts:read", True),
        ("*:read", "posts:write", False),
        ("posts:*", "posts:*", True),
        ("posts:read", "posts:*", False),
        ("posts:*", "*", False),
        ("Posts:read", "posts:read", False),
    ],
)
def test_grants(held: str, required: str, granted: bool) -> None:
    assert compile_permissions([held]).grants(required) is granted


@pytest.mark.parametrize("name", ["", ":", "a:", ":a", "a::b", "po*:read", "a:b*", "a b", "a,b", "a\nb"])
def test_names_that_are_not_permissions(name: str) -> None:
    assert fault_of_permission(name)


def test_intersection_keeps_what_both_sides_cover() -> None:
    granted = compile_permissions(["posts:*", "users:read", "users:write"])
    assert intersect(granted, compile_permissions(["posts:read", "users:*"])).names == ("users:read", "users:write", "posts:read")
    assert intersect(granted, compile_permissions([])).names == ()
    assert intersect(compile_permissions([]), granted).names == ()


SEGMENT = st.sampled_from(["a", "b", "c", "*"])
NAME = st.lists(SEGMENT, min_size=1, max_size=4).map(":".join)


def reference(held: str, required: str) -> bool:
    """The obvious reading, one permission at a time."""
    have, want = held.split(":"), required.split(":")
    for index, segment in enumerate(have):
        if segment == "*" and index == len(have) - 1:
            return len(want) > index
        if index >= len(want) or (segment not in {"*", want[index]}):
            return False
    return len(have) == len(want)


@given(st.lists(NAME, max_size=5), st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(":".join))
def test_grants_as_the_obvious_reading_does(held: list[str], required: str) -> None:
    assert compile_permissions(held).grants(required) is any(reference(one, required) for one in held)


@given(st.lists(NAME, max_size=4), st.lists(NAME, max_size=4), NAME)
def test_an_intersection_never_grants_more_than_either_side(one: list[str], other: list[str], required: str) -> None:
    left, right = compile_permissions(one), compile_permissions(other)
    if intersect(left, right).grants(required):
        assert left.grants(required)
        assert right.grants(required)
