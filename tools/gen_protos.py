"""Generate ``sidecar/wire/_gen`` from ``protos/``, or with ``--check`` say whether it is out of date.

The versions in the generated headers are those of the installed grpcio-tools; ``--check`` compares everything but
them, so that a newer generator with the same output is no difference.
"""

import argparse
import difflib
import re
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = "sidecar/wire/_gen"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
VERSIONED = re.compile(r"^# Protobuf Python Version: .*$|(?<=Domain\.PUBLIC,\n)(\s+\d+,\n)+", re.MULTILINE)


def generate(out: Path) -> None:
    """Write ``PACKAGE/*_pb2.py`` and ``.pyi`` below ``out``; raise SystemExit when protoc refuses.

    The virtual import path makes ``sidecar/wire/_gen/x.proto`` of ``protos/x.proto``: the name under which the
    descriptor pool knows the file, and the module that one generated file imports another by.
    """
    target = out / PACKAGE
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*_pb2.py*"):
        stale.unlink()
    names = [f"{PACKAGE}/{path.name}" for path in sorted(PROTOS.glob("*.proto"))]
    code = protoc.main(["protoc", f"-I{PACKAGE}={PROTOS}", f"-I{WELL_KNOWN}", f"--python_out={out}", f"--pyi_out={out}", *names])
    if code != 0:
        raise SystemExit(f"protoc failed with {code}")


def contents(folder: Path) -> dict[str, list[str]]:
    """Map the generated files' names to their lines, without the generator's versions."""
    found = sorted(folder.glob("*_pb2.py*"))
    return {path.name: VERSIONED.sub("", path.read_text(encoding="utf-8")).splitlines() for path in found}


def difference() -> list[str]:
    """Return the unified diff between what is committed and what would be generated now."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = contents(Path(scratch) / PACKAGE)
    present = contents(ROOT / PACKAGE)
    lines: list[str] = []
    for name in sorted(fresh.keys() | present.keys()):
        lines += difflib.unified_diff(present.get(name, []), fresh.get(name, []), f"committed/{name}", f"generated/{name}", lineterm="")
    return lines


def main() -> int:
    """Run from the command line; exit 1 on a difference."""
    parser = argparse.ArgumentParser(description="Generate sidecar/wire/_gen from protos/.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if the generated code is out of date")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    lines = difference()
    if lines:
        sys.stderr.write("\n".join([*lines, "", "sidecar/wire/_gen is out of date: run `make gen`", ""]))
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
