"""docs/how-to/import-istio.md shows what the command really writes and says."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar.cli.root import root
from tests.docs.pages import blocks

PAGE = "docs/how-to/import-istio.md"
SOURCE, WRITTEN = (block.text for block in blocks("yaml") if block.page == PAGE)
(SHOWN,) = (block.text for block in blocks("console") if block.page == PAGE)


def test_the_page_shows_what_is_written_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policies.yaml").write_text(SOURCE)
    command, _, said = SHOWN.partition("\n")
    result = CliRunner().invoke(root, command.removeprefix("$ sidecar ").split())
    assert (result.exit_code, result.output) == (0, said)
    assert Path("sidecar.yaml").read_text() == WRITTEN
