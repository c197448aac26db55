"""Files of attribute sources: one meaning, or none of it."""

import pytest

from sidecar.config import tables
from sidecar.config.tables import read_table


def entries(text: str | bytes, form: str = "json") -> dict[str, object]:
    found, problems = read_table("t", text if isinstance(text, bytes) else text.encode(), form)
    assert not problems
    return dict(found)


def test_json() -> None:
    assert entries('{"7": {"id": "ann"}, "8": null, "9": [1, 2.5, true]}') == {"7": {"id": "ann"}, "8": None, "9": [1, 2.5, True]}
    assert entries("{}") == {}
    assert entries(b'\xef\xbb\xbf{"7": "a"}') == {"7": "a"}


def test_csv_of_two_columns_gives_texts() -> None:
    assert entries('id,classification\r\n7,public\r\n"a,b",\r\n\r\n', "csv") == {"7": "public", "a,b": None}


def test_csv_of_more_columns_gives_objects() -> None:
    assert entries("post,id,department\n7,ann,eng\n8,bob,\n", "csv") == {"7": {"id": "ann", "department": "eng"}, "8": {"id": "bob"}}


@pytest.mark.parametrize(
    ("text", "form", "line", "words"),
    [
        (b"", "json", 1, "is not JSON"),
        (b'{"a": 1,\n"b": }', "json", 2, "is not JSON"),
        (b"[1]", "json", 1, "is not a JSON object"),
        (b'{"a": 1, "a": 2}', "json", 1, "has the member 'a' twice"),
        (b'{"a": {"b": 1, "b": 2}}', "json", 1, "has the member 'b' twice"),
        (b'{"a": NaN}', "json", 1, "NaN"),
        (b"[" * 100_000, "json", 1, "nested too deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "json", 1, "number that is too long"),
        (b'{"a": "\xff"}', "json", 1, "is not UTF-8"),
        (b"", "csv", 1, "needs a first line"),
        (b"id\n7\n", "csv", 1, "needs a first line"),
        (b"id,id\n", "csv", 1, "needs a first line"),
        (b"id,,x\n", "csv", 1, "needs a first line"),
        (b"id,a\n7\n", "csv", 2, "has 1 fields, and there are 2 columns"),
        (b"id,a\n7,x\n7,y\n", "csv", 3, "has the key '7' again"),
        (b"id,a\n,y\n", "csv", 2, "has no key"),
        (b'id,a\n7,"x\n', "csv", 2, "is not CSV"),
    ],
)
def test_a_fault_spoils_all_of_it(text: bytes, form: str, line: int, words: str) -> None:
    found, problems = read_table("t.txt", text, form)
    assert found == ()
    (problem,) = problems
    assert (problem.where.file, problem.where.line) == ("t.txt", line)
    assert words in problem.message


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ENTRIES", 2)
    found, problems = read_table("t", b"id,a\n1,a\n2,b\n3,c\n", "csv")
    assert found == ()
    assert "more than 2 entries" in problems[0].message
