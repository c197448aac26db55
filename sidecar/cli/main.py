"""The entry point of ``sidecar`` and ``python -m sidecar``."""

from .root import root


def main() -> None:
    """Run the command line. Raises SystemExit with the exit code."""
    root(prog_name="sidecar")
