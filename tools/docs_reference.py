"""Write the generated pages of docs/reference; with ``--check`` fail when one differs from what the code says."""

import sys
from collections.abc import Callable
from pathlib import Path

from . import reference_cli, reference_configuration, reference_reasons

ROOT = Path(__file__).resolve().parent.parent
PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": reference_cli.page,
    "docs/reference/configuration.md": reference_configuration.page,
    "docs/reference/reasons.md": reference_reasons.page,
}


def write(pages: dict[str, Callable[[], str]], *, check: bool) -> int:
    """Write the pages, or compare them; return the exit code."""
    stale = []
    for name, page in pages.items():
        path = ROOT / name
        wanted = page()
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
            sys.stdout.write(f"written: {name}\n")
    if check and stale:
        sys.stderr.write(f"not what the code says: {', '.join(stale)}; run make gen\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(write(PAGES, check="--check" in sys.argv))
