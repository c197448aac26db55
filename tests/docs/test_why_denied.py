"""The page of ten denials is what the commands on it print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import Block, blocks

PAGE = "docs/how-to/why-denied.md"
(CONFIG,) = (block.text for block in blocks("yaml") if block.page == PAGE)
SETUP = next(block.text for block in blocks("sh") if block.page == PAGE)
SHOWN = [block for block in blocks("console") if block.page == PAGE]


def run(folder: Path, commands: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SIDECAR_CONFIG": "config/config.yaml"}
    return subprocess.run(["bash", "-uc", commands], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("why")
    done = run(made, f"set -e\n{SETUP}")
    assert done.returncode == 0, done.stderr
    (made / "config" / "config.yaml").write_text(CONFIG)
    return made


def test_there_are_ten() -> None:
    assert len(SHOWN) == 10


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_a_denial_is_explained_as_shown(folder: Path, block: Block) -> None:
    command, _, wanted = block.text.removeprefix("$ ").partition("\n")
    done = run(folder, command)
    assert done.returncode == 1, done.stderr
    printed = iter(done.stdout.splitlines())
    missing = [line for line in wanted.splitlines() if not any(line == found for found in printed)]
    assert missing == [], done.stdout
