"""URLs and keys of attribute sources: no value of a request decides whom we ask, or meets another's."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.templates import BadTemplate, KeyTemplate, UrlTemplate

OWNER = UrlTemplate("http://127.0.0.1:8081/posts/{post_id}/owner")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("https://a.example.com/", ()),
        ("https://a.example.com", ()),
        ("https://a.example.com/{id}/{resource.type}/{user.id}", ("id", "type", "user.id")),
        ("https://a.example.com/x?id={id}&fix=1", ("id",)),
        ("https://a.example.com/{id}/{id}", ("id",)),
    ],
)
def test_good_urls(text: str, names: tuple[str, ...]) -> None:
    assert UrlTemplate(text).names == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://{host}/x", "scheme or host"),
        ("{scheme}://a/x", "not a URL"),
        ("http://a:{port}/x", "scheme or host"),
        ("https://a@{user.id}/x", "scheme or host"),
        ("ftp://a/x", "not a URL"),
        ("https://a/x#{id}", "not a URL"),
        ("https://a/x-{id}", "part of a path segment"),
        ("https://a/{a}{b}", "part of a path segment"),
        ("https://a/x?q=1{id}", "part of a query value"),
        ("https://a/x?{id}=1", "name of a query parameter"),
        ("https://a/../{id}", "segment"),
        ("https://a/{user.email}", "brace"),
        ("https://a/{id", "brace"),
        ("https://a/{id=**}", "brace"),
    ],
)
def test_bad_urls(text: str, words: str) -> None:
    with pytest.raises(BadTemplate, match=words):
        UrlTemplate(text)


def test_a_value_is_one_encoded_segment() -> None:
    assert OWNER.render(["7"]) == "http://127.0.0.1:8081/posts/7/owner"
    assert OWNER.render(["a b?c#d&e=f"]) == "http://127.0.0.1:8081/posts/a%20b%3Fc%23d%26e%3Df/owner"
    assert OWNER.render(["a/b"]) == "http://127.0.0.1:8081/posts/a%2Fb/owner"
    assert OWNER.render(["ü"]) == "http://127.0.0.1:8081/posts/%C3%BC/owner"
    assert OWNER.render([".hidden"]) == "http://127.0.0.1:8081/posts/.hidden/owner"


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "...",
        ". .",
        "%2e%2e",
        "%2E.",
        "a/../b",
        "..%2fa",
        "a\\..\\b",
        "a;..",
        "a//b",
        "/a",
        "a/",
        "a\nb",
        "a\x00",
        "\ud800",
        "x" * 1025,
    ],
)
def test_what_cannot_stand_in_a_url(value: str) -> None:
    assert OWNER.render([value]) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_url_stays_on_its_host_and_tells_its_values_apart(one: str, other: str) -> None:
    template = UrlTemplate("https://a.example.com:8443/t/{tenant}/p/{post}?u={user.id}")
    first, second = template.render([one, other, "u"]), template.render([other, one, "u"])
    for url in (first, second):
        if url is not None:
            parts = urlsplit(url)
            assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "a.example.com:8443", "")
            assert parts.path.count("/") == 4
    if first is not None and one != other:
        assert first != second


@pytest.mark.parametrize(
    ("text", "words"), [("fixed", "no variable"), ("{a}{b}", "side by side"), ("{a}-{a}{b}", "side by side"), ("{a", "brace")]
)
def test_bad_keys(text: str, words: str) -> None:
    with pytest.raises(BadTemplate, match=words):
        KeyTemplate(text)


def test_keys() -> None:
    assert KeyTemplate("{id}").render(["a/b-c"]) == "a/b-c"
    assert KeyTemplate("posts/{id}").render(["7"]) == "posts/7"
    assert KeyTemplate("{tenant}/{id}").render(["t", "7"]) == "t/7"
    assert KeyTemplate("{tenant}/{id}").render(["t/x", "7"]) is None
    assert KeyTemplate("{tenant}/{id}").render(["t", "x/7"]) is None


@given(st.lists(st.text("a-/", max_size=4), min_size=2, max_size=2), st.lists(st.text("a-/", max_size=4), min_size=2, max_size=2))
def test_no_two_resources_share_a_key(one: list[str], other: list[str]) -> None:
    template = KeyTemplate("{tenant}-/{id}")
    key = template.render(one)
    if key is not None and one != other:
        assert key != template.render(other)
