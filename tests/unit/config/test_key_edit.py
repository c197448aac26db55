"""Edits of key files as text: one change, and every other byte as it was."""

import difflib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.key_edit import EditError, NoSuchKey, append_entry, flow, set_revoked

FIELDS = {"id": "new-1", "digest": "sha256:ab", "roles": ["x", "p:*"], "metadata": {"plan": "gold"}, "revoked": False}

FILES = {
    "empty": "",
    "only a comment": "# keys of the partners\n",
    "empty flow list": "keys: []\n",
    "null": "keys:\n",
    "null with a comment": "keys:   # hi\nversion: 1\n",
    "flow maps in a block list": 'keys:\n- {id: a, digest: "x"}  # c1\n# end\n',
    "block maps, something behind": "keys:\n  - id: a\n    digest: y\n    roles:\n      - b  # z\n  # tail\n\nother: 1\n",
    "one flow list, a trailing comma, CRLF": "keys: [{id: a}, {id: é, x: y,}]\r\n",
    "block scalar at the end, CRLF": "keys:\r\n- {id: é}\r\n- id: a\r\n  d: |\r\n    foo\r\n",
    "no newline at the end": "keys:\n- id: a\n  roles:",
    "all in braces": "{keys: [{id: a}]}",
}


def entries(text: str) -> list[dict[str, object]]:
    return (yaml.load(text, Loader=yaml.BaseLoader) or {}).get("keys") or []


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_an_appended_entry_is_the_only_change(text: str) -> None:
    edited = append_entry(text, FIELDS)
    assert entries(edited)[:-1] == entries(text)
    assert entries(edited)[-1]["id"] == "new-1"
    for line in text.splitlines():
        comment = line.partition("#")
        assert comment[1] + comment[2] in edited


@pytest.mark.parametrize("text", [text for text in FILES.values() if "id: a" in text])
def test_revoking_changes_one_entry(text: str) -> None:
    edited = set_revoked(text, "a")
    expected = [{**entry, "revoked": "true"} if entry["id"] == "a" else entry for entry in entries(text)]
    assert entries(edited) == expected
    removed = [line for line in difflib.ndiff(text.splitlines(), edited.splitlines()) if line.startswith("- ")]
    assert len(removed) <= 1


@pytest.mark.parametrize("spelling", ["false", "False", "", "no", '"false"'])
def test_revoking_replaces_an_existing_value(spelling: str) -> None:
    edited = set_revoked(f"keys:\n- id: a\n  revoked: {spelling} # why\n", "a")
    assert entries(edited) == [{"id": "a", "revoked": "true"}]
    assert "# why" in edited


def test_revoking_twice_changes_nothing_more() -> None:
    once = set_revoked(FILES["all in braces"], "a")
    assert set_revoked(once, "a") == once


def test_an_unknown_id_is_said() -> None:
    with pytest.raises(NoSuchKey, match="'nobody'"):
        set_revoked(FILES["all in braces"], "nobody")


@pytest.mark.parametrize("text", ["- a\n", "keys: 3\n", "keys: {a: b}\n", "keys: [a]\n", "keys: [\n", "keys: &x [{id: a}]\nmore: *y\n"])
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(EditError):
        append_entry(text, FIELDS)


@pytest.mark.parametrize(
    "text", ["keys:\n- {id: sk_correct_horse\n", "keys:\n- *sk_correct_horse\n", 'keys:\n- id: "\\sk_correct_horse"\n', "sk_correct\x00"]
)
def test_nothing_of_the_file_is_in_a_message(text: str) -> None:
    """Security rule 22: a key may stand in it by mistake."""
    for edit in (lambda: append_entry(text, FIELDS), lambda: set_revoked(text, "a")):
        with pytest.raises(EditError, match="not valid YAML") as caught:
            edit()
        assert "correct" not in f"{caught.value}"
        assert "line" in str(caught.value) or "\x00" in text


NAMES = st.text(min_size=1, max_size=12)


@given(
    value=st.recursive(NAMES | st.booleans() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=8)
)
def test_flow_writes_what_yaml_reads_back(value: object) -> None:
    def as_text(item: object) -> object:
        if isinstance(item, dict):
            return {key: as_text(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [as_text(inner) for inner in item]
        return str(item).lower() if isinstance(item, bool) else str(item)

    assert yaml.load("a: " + flow(value), Loader=yaml.BaseLoader) == {"a": as_text(value)}
