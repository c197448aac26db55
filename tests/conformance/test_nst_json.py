"""Nicolas Seriot's JSON parsing suite (MIT). Security rule 2.

The suite says y (must be taken), n (must be refused), i (either). Ours is held to objects, so each file is also
read as a member of one.
"""

from collections import Counter
from pathlib import Path

import pytest

from sidecar.authn.jose import MAX_DEPTH, strict_json_object
from tests.support.vectors import VECTORS

FILES = sorted((VECTORS / "nst-json" / "test_parsing").glob("*.json"))

TWICE = "a member stands twice"
STRICTER = {
    "y_object_duplicated_key.json": TWICE,
    "y_object_duplicated_key_and_value.json": TWICE,
}
"""Valid JSON that has more than one reading."""
TAKEN = {
    "i_number_double_huge_neg_exp.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
}
"""Of those left open, what has one reading. The others (infinite numbers, lone surrogates, bad UTF-8, BOM, depth) are refused."""


def wrapped(path: Path) -> bytes:
    return b'{"a":' + path.read_bytes() + b"}"


def refusal(data: bytes) -> str:
    """Why it is refused, or an empty string."""
    try:
        strict_json_object(data)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parsing(path: Path) -> None:
    refused = refusal(wrapped(path))
    if path.name in STRICTER:
        assert refused == STRICTER[path.name]
    elif path.name.startswith("i_"):
        assert (refused == "") is (path.name in TAKEN)
    else:
        assert (refused == "") is path.name.startswith("y_")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_alone_only_objects_are_taken(path: Path) -> None:
    refused = refusal(path.read_bytes())
    is_object = path.name.startswith("y_") and path.read_bytes().lstrip()[:1] == b"{" and path.name not in STRICTER
    assert (refused == "") is is_object


def test_every_file_is_accounted_for() -> None:
    assert Counter(path.name[0] for path in FILES) == {"y": 95, "n": 188, "i": 35}
    taken = Counter(path.name[0] for path in FILES if not refusal(wrapped(path)))
    assert taken == {"y": 95 - len(STRICTER), "i": len(TAKEN)}
    reasons = Counter(refusal(wrapped(path)) for path in FILES if path.name[0] == "i" and path.name not in TAKEN)
    assert sum(reasons.values()) == 35 - len(TAKEN)
    assert set(reasons) <= {
        "not UTF-8",
        "not JSON",
        "a number beyond any float",
        "a surrogate without its pair",
        f"nested deeper than {MAX_DEPTH}",
    }
