"""The page on policy tests is what the commands on it print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import Block, blocks

PAGE = "docs/how-to/test-policies.md"
FILES = [block for block in blocks("yaml") if block.page == PAGE and len(block.info) > 1]
COMMANDS = [block for block in blocks("sh", "console") if block.page == PAGE]


def run(folder: Path, commands: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env.pop("SIDECAR_CONFIG", None)
    return subprocess.run(["bash", "-euc", commands], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, and what its sh blocks make of them."""
    made = tmp_path_factory.mktemp("policy") / "here"
    made.mkdir()
    (made.parent / "keys.yaml").write_text("keys: []\n")
    for block in FILES:
        (made / block.info[1]).write_text(block.text)
    for block in COMMANDS:
        if block.info[0] == "sh":
            done = run(made, block.text)
            assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_the_page_has_what_is_tested() -> None:
    assert {block.info[1] for block in FILES} == {"config.yaml", "tests.yaml"}
    assert len([block for block in COMMANDS if block.info[0] == "console"]) == 4


def test_the_report_of_ci_is_written(folder: Path) -> None:
    assert (folder / "report.xml").read_text().startswith("<?xml")


@pytest.mark.parametrize("block", [block for block in COMMANDS if block.info[0] == "console"], ids=lambda block: block.place)
def test_a_command_prints_what_is_shown(folder: Path, block: Block) -> None:
    command, _, wanted = block.text.removeprefix("$ ").partition("\n")
    done = run(folder, command)
    assert done.returncode == int(block.info[1].removeprefix("exit-") if len(block.info) > 1 else 0), done.stderr
    printed = iter((done.stdout + done.stderr).splitlines())
    missing = [line for line in wanted.splitlines() if not any(line == found for found in printed)]
    assert missing == [], done.stdout
