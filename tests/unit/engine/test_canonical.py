"""Security rules 18 and 19 begin here: one meaning, or refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.canonical import DOTS, ENCODED_SLASH, SEMICOLON, Path, Refused, canonical_host, canonical_path


def segments(raw: str) -> tuple[str, ...]:
    path = canonical_path(raw)
    assert isinstance(path, Path), path
    assert not path.features
    return path.segments


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/", ()),
        ("/?x=/../y", ()),
        ("/a/b", ("a", "b")),
        ("/a/b/", ("a", "b")),
        ("/a/b?c=%zz#", ("a", "b")),
        ("/%61dmin", ("admin",)),
        ("/user%40example.com", ("user@example.com",)),
        ("/a%20b", ("a b",)),
        ("/caf%C3%A9", ("café",)),
        ("/v1.2/file.tar.gz", ("v1.2", "file.tar.gz")),
        ("/.well-known/x", (".well-known", "x")),
        ("/a{b}|c", ("a{b}|c",)),
        ("/a=b,c:d@e+f!$&'()*~_-", ("a=b,c:d@e+f!$&'()*~_-",)),
    ],
)
def test_a_path_with_one_meaning(raw: str, expected: tuple[str, ...]) -> None:
    assert segments(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "*",
        "admin",
        "http://x/",
        "/public/../admin",
        "/public/./admin",
        "/..",
        "/.",
        "//admin",
        "/a//b",
        "/a//",
        "/public/%2e%2e/admin",
        "/public/%2E./admin",
        "/public/.%2e/admin",
        "/%2561dmin",
        "/%25",
        "/%",
        "/%4",
        "/%zz",
        "/%u002e%u002e/admin",
        "/%c0%ae%c0%ae/admin",
        "/%c1%9c",
        "/%ff",
        "/%ed%a0%80",
        "/a\\b",
        "/a%5Cb",
        "/a%5cb",
        "/a#b",
        "/a%23b",
        "/a%3Fb",
        "/a%3fb",
        "/a b",
        "/a\tb",
        "/a%00b",
        "/a%09",
        "/a%0a",
        "/a%0D%0Ab",
        "/a%7f",
        "/a%20",
        "/%20a",
        "/a\x7f",
        "/caf\u00e9",
        "/%E2%80%A5/admin",  # U+2025: NFKC is two dots
        "/a%EF%BC%8Fb",  # U+FF0F: NFKC is a slash
        "/a%EF%BC%BCb",  # U+FF3C: NFKC is a backslash
        "/a%EF%BC%85b",  # U+FF05: NFKC is a per cent sign
        "/a%EF%BC%9Bb",  # U+FF1B: NFKC is a semicolon
        "/a%E2%84%80b",  # U+2100: NFKC has a slash
        "/a%C2%85b",  # C1 control
        "/a%E3%80%80",  # ideographic space at the edge
        "/%C2%A0a",  # no-break space at the edge
        "/ad%E2%80%8Bmin",  # U+200B: zero-width space
        "/ad%E2%80%8Dmin",  # U+200D: zero-width joiner
        "/ad%C2%ADmin",  # soft hyphen
        "/%EF%BB%BFadmin",  # byte-order mark
        "/nimda%E2%80%AE",  # U+202E: right to left from here
        "/a%E2%80%A8b",  # U+2028: line separator
        "/a%F3%A0%81%A1b",  # U+E0061: tag
        "/" + "a" * 8192,
    ],
)
def test_a_path_with_more_than_one_meaning_is_refused(raw: str) -> None:
    assert isinstance(canonical_path(raw), Refused)


@pytest.mark.parametrize(
    ("raw", "features", "expected"),
    [
        ("/a%2Fb", {ENCODED_SLASH}, ("a%2Fb",)),
        ("/a%2fb", {ENCODED_SLASH}, ("a%2Fb",)),
        ("/a;x=1/b", {SEMICOLON}, ("a;x=1", "b")),
        ("/a%3Bx", {SEMICOLON}, ("a;x",)),
        ("/a.", {DOTS}, ("a.",)),
        ("/a...", {DOTS}, ("a...",)),
        ("/a.%20.b.", {DOTS}, ("a. .b.",)),
        ("/a%2Eb", {DOTS}, ("a.b",)),
        ("/a;/b;;", {SEMICOLON}, ("a;", "b;;")),
        ("/a%2fb/", {ENCODED_SLASH}, ("a%2Fb",)),
        ("/a%2fb;c.", {ENCODED_SLASH, SEMICOLON, DOTS}, ("a%2Fb;c.",)),
    ],
)
def test_doubtful_features_are_named_for_the_route_to_judge(raw: str, features: set[str], expected: tuple[str, ...]) -> None:
    path = canonical_path(raw)
    assert isinstance(path, Path)
    assert path.features == features
    assert path.segments == expected


@pytest.mark.parametrize(
    "raw", ["/public/..;/admin", "/a%2F..%2Fb", "/a%2F..", "/..%2Fadmin", "/a/.;x/b", "/%2e%2e%3b/admin", "/a;/%2e%2e"]
)
def test_no_feature_admits_a_dot_segment_in_disguise(raw: str) -> None:
    assert isinstance(canonical_path(raw), Refused)


@pytest.mark.parametrize("part", ["...", "....", ".%2E.", "%2E%2E%2E", ".%20.", "..%20.", "...%C2%A0."])
@pytest.mark.parametrize(
    "around", ["/public/{}/admin", "/public/{}", "/public/{}/", "/public/a%2F{}", "/public/{}%2Fadmin", "/a;{}/b", "/{};x"]
)
def test_no_feature_admits_a_segment_of_dots_and_spaces(part: str, around: str) -> None:
    """Readers that drop dots and spaces at the end of a name see none, or the parent."""
    assert canonical_path(around.format(part)) == Refused("segment of dots in the path")


@pytest.mark.parametrize(
    "raw", ["/a%2F%2Fb", "/a%2F", "/%2Fa", "/%2F", "/a%2F/b", "/a/%2Fb", "/a%2F;x", "/;x", "/a/;x/b", "/a/%3Bx", "/a/;"]
)
def test_no_feature_admits_an_empty_segment_in_disguise(raw: str) -> None:
    assert canonical_path(raw) == Refused("empty segment in the path")


@given(st.lists(st.sampled_from(["/", "%2F", "%2e", ".", "..", ";", "%20", "a", "%C2%A0", "%E2%80%8B"]), max_size=12))
def test_readers_that_decode_or_drop_parameters_see_the_same_segments(parts: list[str]) -> None:
    """What passes has no part that such a reader would take for nothing or for dots."""
    path = canonical_path("/" + "".join(parts))
    if isinstance(path, Path):
        for segment in path.segments:
            for part in segment.split("%2F"):
                assert part.partition(";")[0].strip(". \xa0")
                assert all(one == "" or one.strip(". \xa0") for one in part.split(";"))


@pytest.mark.parametrize("char", "\u212a\u017f\u0130\u0131\u00df\ufb01\uff21\uff41\u00aa\u2160\u0149\u1e9e")
def test_what_folds_into_an_ascii_letter_has_two_meanings_where_case_is_folded(char: str) -> None:
    """Readers fold in different ways: /admin\u0131strator, /\u212aeys."""
    raw = "/a" + "".join(f"%{byte:02X}" for byte in char.encode())
    assert isinstance(canonical_path(raw), Path)
    assert canonical_path(raw, folding=True) == Refused("character in the path that folds into an ASCII letter")


@pytest.mark.parametrize("raw", ["/caf%C3%A9", "/CAF%C3%89", "/%E6%97%A5", "/%CE%A3%CF%82", "/Admin"])
def test_what_folds_into_its_own_kind_passes(raw: str) -> None:
    assert canonical_path(raw, folding=True) == canonical_path(raw)


def test_long_runs_of_dots_cost_little() -> None:
    """Security rule 30."""
    began = time.perf_counter()
    for path in ("/" + "." * 8000 + "a", "/" + ".%20" * 2000 + "a", "/a;" + ".;" * 4000 + "a", "/" + "....a;" * 1300):
        canonical_path(path)
    assert time.perf_counter() - began < 0.25


@given(st.text(max_size=60))
def test_never_raises_and_what_passes_has_no_dot_segment(raw: str) -> None:
    path = canonical_path("/" + raw)
    if isinstance(path, Path):
        assert not {".", "..", ""} & set(path.segments)
        assert all("/" not in segment and "\\" not in segment and "\x00" not in segment for segment in path.segments)


@given(
    st.lists(st.text(st.characters(min_codepoint=0x61, max_codepoint=0x7A), min_size=1, max_size=8), min_size=1, max_size=5), st.randoms()
)
def test_escaping_a_plain_character_changes_nothing(parts: list[str], random: object) -> None:
    escaped = ["".join(f"%{ord(char):02X}" if random.random() < 0.5 else char for char in part) for part in parts]
    assert canonical_path("/" + "/".join(escaped)) == canonical_path("/" + "/".join(parts))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM:8443", "api.example.com"),
        ("api.example.com:", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("api.example.com.:443", "api.example.com"),
        ("my_svc.ns", "my_svc.ns"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8080", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_with_one_meaning(raw: str, expected: str) -> None:
    assert canonical_host(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        ".",
        "a..b",
        "a.b..",
        ".a",
        "a b",
        "a/b",
        "a@b",
        "ä.example",
        "a:b",
        "a:80:80",
        "a:123456",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "999.1.1.1",
        "example.123",
        "[::1",
        "[::g]",
        "-a.example",
        "a-.example",
        "a" * 64 + ".example",
        "a." * 200 + "b",
        "a%2eb",
        "a,b",
        "[::1]x",
        "a\x00b",
    ],
)
def test_a_host_with_more_than_one_meaning_is_refused(raw: str) -> None:
    assert canonical_host(raw) is None


@pytest.mark.parametrize("after", ["", ".", ":65535", ".:65535"])
def test_a_name_is_at_most_253_characters_whatever_follows_it(after: str) -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert canonical_host(longest + after) == longest
    assert canonical_host("a" + longest[:200] + "aaaa" + longest[200:] + after) is None
    assert canonical_host("a." + longest + after) is None
