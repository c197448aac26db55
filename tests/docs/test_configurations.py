"""Every configuration that README and docs show is valid as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from .pages import Block, blocks

PLACES = ("/etc/sidecar-keys", "/etc/sidecar", "/run/secrets", "/run/sidecar")
"""Where the pages put files; the test puts them into a folder of its own."""

SHOWN = [block for block in blocks("yaml") if "version: 1\n" in block.text]
COMPANIONS = [block for block in blocks("yaml", "json", "text") if len(block.info) > 1]
"""Blocks that name a file (```yaml keys.yaml): they lie beside the configurations of their page."""


def lay_out(folder: Path, block: Block) -> Path:
    """Write a configuration and what it names into ``folder``; return its path."""
    for name in ("pepper", "pepper-2026-1", "pepper-2026-2"):
        (folder / name).write_text("0" * 64)
    made = [sys.executable, "-m", "sidecar", "token", "key", "--out", str(folder / "signing.json")]
    (folder / "config").mkdir()
    (folder / "config" / "jwks.json").write_bytes(subprocess.run(made, check=True, capture_output=True).stdout)
    authority = trustme.CA()
    certificate = authority.issue_cert("sidecar.example.com")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    certificate.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    (folder / "keys.yaml").write_text("version: 1\nkeys: []\n")
    for companion in COMPANIONS:
        if companion.page == block.page:
            (folder / Path(companion.info[1]).name).write_text(companion.text)
    text = block.text
    for place in PLACES:
        text = text.replace(f"unix://{place}/", "unix:///SOCKETS/").replace(f"{place}/", f"{folder}/").replace("SOCKETS", place[1:])
    path = folder / "config" / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_configuration_is_valid(block: Block, tmp_path: Path) -> None:
    path = lay_out(tmp_path, block)
    done = subprocess.run([sys.executable, "-m", "sidecar", "validate", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"


def test_the_readme_shows_one() -> None:
    assert [block for block in SHOWN if block.page == "README.md"]
