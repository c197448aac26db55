"""The page on Envoy: its route with a body fits into the shipped configuration, and the doctor finds it sound."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.envoy_config import Parts, bad, expected, of_document

from .pages import blocks

PAGE = "docs/how-to/envoy.md"
(ROUTE,) = (block.text for block in blocks("yaml") if block.page == PAGE and "with_request_body" in block.text)


@pytest.fixture
def document() -> dict[str, Any]:
    """The shipped configuration with the page's route before its own."""
    parts = Parts()
    parts.host["routes"][:0] = yaml.safe_load(ROUTE)
    return parts.document


@pytest.mark.envoy
def test_envoy_takes_a_body_on_one_route(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text(yaml.safe_dump(document))
    command = [str(Path(sys.executable).with_name("envoy")), "--mode", "validate", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_doctor_finds_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    assert bad(of_document(tmp_path, document, expected())) == []
