"""What is no Envoy configuration: one sentence that names the source, and nothing of its content."""

import io
import json
from pathlib import Path

import pytest

from sidecar.app.doctor.envoy.source import read_envoy
from sidecar.model.errors import SourceError
from tests.support.envoy_config import SHIPPED

CANARY = "c4n4ry-of-this-test"
WHOLE = SHIPPED.read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("just text", "is no Envoy configuration"),
        ("[1, 2]", "is no Envoy configuration"),
        ("version: 1\nroutes: {}\n", "is no Envoy configuration"),
        ('{"static_resources": {"listeners": [{"name": "' + CANARY, "not valid YAML"),
        (json.dumps({"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.X"}], "s": CANARY})[:-9], "not valid YAML"),
        (f"static_resources:\n  a: &{CANARY} 1\n  b: *{CANARY}\n", "anchors (&) are not allowed"),
        (f"static_resources: {{}}\n---\nsecret: {CANARY}\n", "a second document starts here"),
        ("apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nspec: {}\n", "is a Kubernetes manifest (EnvoyFilter)"),
        ("static_resources: {}\nname: \x00\n", "which is not allowed"),
        ("static_resources: " + "[" * 60, "nested deeper"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text(content)
    with pytest.raises(SourceError, match=r"envoy\.yaml") as caught:
        read_envoy(str(path))
    assert words in str(caught.value)
    assert "/config_dump" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("length", range(100, len(WHOLE), 997))
def test_half_a_file_never_ends_in_a_crash(tmp_path: Path, length: int) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text(WHOLE[:length])
    try:
        read_envoy(str(path))
    except SourceError as error:
        assert str(path) in str(error)  # noqa: PT017 - what is left may be valid, too


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.yaml: no such file"):
        read_envoy(str(tmp_path / "gone.yaml"))
    with pytest.raises(SourceError, match="not a regular file"):
        read_envoy(str(tmp_path))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(WHOLE.encode())))
    assert read_envoy("-").get("static_resources", "listeners").there
