"""The evaluator shares no code with what it judges."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULES = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("test_"))
ALLOWED = {
    "ast", "base64", "collections", "dataclasses", "datetime", "functools", "hashlib", "hmac", "ipaddress", "json", "math", "re", "typing", "unicodedata", "urllib",
    "jwt", "cryptography",
}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_evaluator_imports_the_standard_library_and_signature_checks_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= ALLOWED
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").partition(".")[0] in ALLOWED
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, "nothing from outside of this package"


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 8
