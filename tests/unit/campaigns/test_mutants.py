"""The list of mutants still fits the code; running them is ``make mutate``."""

import ast
import builtins
import re
from functools import cache

import pytest

from campaigns.mutate.bench import _is_of
from campaigns.mutate.mutant import ROOT, Mutant, NotApplicable
from campaigns.mutate.mutants import MUTANTS


@cache
def whole(path: str) -> tuple[str, str, frozenset[str]]:
    """Text, tree and names of a file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    tree = ast.parse(text)
    return text, ast.dump(tree), frozenset(name for names in names_of(tree) for name in names)


def names_of(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Names that are read, and names that are given a value."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    given = {node.id for node in found if isinstance(node.ctx, ast.Store)} | {
        node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)
    }
    return {node.id for node in found if isinstance(node.ctx, ast.Load)}, given


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 60
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.path, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_still_applies_and_is_code(mutant: Mutant) -> None:
    text, tree, known = whole(mutant.path)
    broken = ast.parse(mutant.apply(text))
    assert ast.dump(broken) != tree, "only the text differs"
    read, given = names_of(broken)
    assert read <= known | given | set(dir(builtins)), "a name that is not there makes any test fail, and shows nothing"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_says_what_it_means_and_who_has_to_notice(mutant: Mutant) -> None:
    assert mutant.means.endswith(".")
    assert re.fullmatch(r"[a-z0-9-]+", mutant.name)
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        function = name.partition("[")[0].rpartition("::")[2]
        assert re.search(rf"\b(?:def|class) {function}\b", (ROOT / file).read_text(encoding="utf-8")), test


def test_what_does_not_fit_any_more_says_so() -> None:
    mutant = Mutant("gone", "sidecar/__init__.py", "no such text", "", "Nothing.", ("tests",))
    with pytest.raises(NotApplicable, match="gone: the text to replace is 0 times"):
        mutant.broken()
    with pytest.raises(NotApplicable, match="2 times"):
        mutant._replace(old="a").apply("a a")


@pytest.mark.parametrize(
    ("line", "whose"),
    [
        ("FAILED tests/a.py::test_b - assert 1", True),
        ("FAILED tests/a.py::test_b", True),
        ("FAILED tests/a.py::test_b[x y] - assert 1", True),
        ("FAILED tests/a.py::test_bc - assert 1", False),
        ("FAILED tests/other.py::test_b - assert 1", False),
    ],
)
def test_which_test_a_line_of_the_summary_is_about(line: str, whose: bool) -> None:
    assert _is_of(line, "tests/a.py::test_b") is whose
