"""The pages on reviews are what their commands print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import Block, blocks

PAGES = {"docs/how-to/access-review.md": "config", "docs/how-to/review-a-change.md": "old"}
"""And the folder where the page's configuration goes."""
SHOWN = [block for block in blocks("console") if block.page in PAGES]


def run(folder: Path, commands: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SIDECAR_CONFIG": "config/config.yaml"}
    return subprocess.run(["bash", "-uc", commands], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each page a folder in which what it says was done: its first commands, then the later ones."""
    made = {}
    for page, name in PAGES.items():
        folder = made[page] = tmp_path_factory.mktemp("review")
        (config,) = (block.text for block in blocks("yaml") if block.page == page)
        for block in blocks("text"):
            if block.page == page:
                (folder / block.info[1]).write_text(block.text)
        first, *later = (block.text for block in blocks("sh") if block.page == page)
        make, rest = first.split("\n", 1)
        for commands in (make, None, rest, *later):
            if commands is None:
                (folder / name / "config.yaml").write_text(config)
            else:
                done = run(folder, f"set -e\n{commands}")
                assert done.returncode == 0, (commands, done.stdout, done.stderr)
    return made


def test_both_pages_show_commands() -> None:
    assert {block.page for block in SHOWN} == set(PAGES)


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_the_command_prints_what_the_page_shows(folders: dict[str, Path], block: Block) -> None:
    command, _, wanted = block.text.removeprefix("$ ").partition("\n")
    done = run(folders[block.page], command)
    assert done.returncode == (3 if command.startswith("sidecar diff") else 0), done.stderr
    printed = iter(done.stdout.splitlines())
    missing = [line for line in wanted.splitlines() if not any(line == found for found in printed)]
    assert missing == [], done.stdout
