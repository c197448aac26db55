"""Security rule 25: YAML without surprises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.marks import Nothing
from sidecar.config.scalars import resolve
from sidecar.config.yaml_reader import MAX_DEPTH, read_yaml


def read(text: str) -> Any:
    document = read_yaml("f.yaml", text.encode())
    assert not document.problems
    return document.value


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "yes",
        "on",
        "off",
        "NO",
        "17:00",
        "0123",
        "00",
        "-01",
        "1_000",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        ".inf",
        "-.inf",
        ".nan",
        "1e999",
    ],
)
def test_text_stays_text(text: str) -> None:
    """YAML 1.1 made booleans, sexagesimal and octal numbers, and dates of these."""
    assert read(f"k: {text}") == {"k": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        (".5", 0.5),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    found = read(f"k: {text}")["k"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "~", "null", "Null"])
def test_null_is_no_value(text: str) -> None:
    found = read(f"k: {text}")["k"]
    assert isinstance(found, Nothing)
    assert not found.reported


@pytest.mark.parametrize("text", ["'true'", '"12"', '"null"', "'~'", "|\n  0"])
def test_quoted_is_text(text: str) -> None:
    assert isinstance(read(f"k: {text}")["k"], str)


def test_keys_are_their_text() -> None:
    assert read("no: 1\n2026: 2\ntrue: 3\n0x1: 4\n~: 5") == {"no": 1, "2026": 2, "true": 3, "0x1": 4, "~": 5}


def test_positions() -> None:
    mark = read_yaml("f.yaml", b"a:\n  b: 1\n  c:\n  - x\n  - d: 2\n\ne: 3\n").mark
    assert str(mark.where(("a", "b"))) == "f.yaml:2: a.b"
    assert str(mark.where(("a", "c", 1, "d"))) == "f.yaml:5: a.c[1].d"
    assert str(mark.where(("a", "c", 7))) == "f.yaml:3: a.c[7]"
    assert str(mark.where(("e", "missing"))) == "f.yaml:7: e.missing"


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 3000 + "x", "{a: " * 5000, "a:\n" + "\n".join(" " * n + "b:" for n in range(1, 300))])
def test_depth_is_bounded(text: str) -> None:
    """Security rule 30."""
    document = read_yaml("f.yaml", text.encode())
    assert any(f"deeper than {MAX_DEPTH}" in problem.message for problem in document.problems)


def test_problems_are_bounded() -> None:
    document = read_yaml("f.yaml", b"\n".join(b"a: *x" for _ in range(10_000)))
    assert len(document.problems) <= 200


def test_byte_order_mark_and_line_ends() -> None:
    assert read("\ufeffa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}


@pytest.mark.parametrize("data", [b"a: \xff", "a: 1".encode("utf-16"), b"a: \xed\xa0\x80", b"a: \x00"])
def test_bytes_that_are_no_text(data: bytes) -> None:
    assert read_yaml("f.yaml", data).problems


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_reported(data: bytes) -> None:
    document = read_yaml("f.yaml", data)
    assert document.problems or plain(document.value)


SNIPPETS = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            ": ",
            "- ",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&x ",
            "*x",
            "!t ",
            "'",
            '"',
            "|",
            ">",
            "---",
            "#",
            "? ",
            "<<",
            "%",
            "1",
            "~",
            "\t",
        ]
    ),
    max_size=40,
).map("".join)


@given(SNIPPETS)
def test_any_yaml_is_read_or_reported(text: str) -> None:
    document = read_yaml("f.yaml", text.encode())
    assert document.problems or plain(document.value)


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_scalars_never_crash(text: str) -> None:
    value = resolve(text)
    assert isinstance(value, str | bool | int | float | Nothing)
    assert not isinstance(value, str) or value == text


def plain(value: object) -> bool:
    """Everything in a document is of these types."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return isinstance(value, str | bool | int | float | Nothing)
