"""The contract of our own in tools/contracts.py can fail."""

from grimp import ImportGraph

from tools.contracts import ThirdParties


def contract() -> ThirdParties:
    options = {"package": "p", "allowed": ["low:", "high: good", "high.special: other"]}
    return ThirdParties("third parties", {}, options)


def graph(*imports: tuple[str, str]) -> ImportGraph:
    made = ImportGraph()
    for module in ("p", "p.low", "p.high", "p.high.special"):
        made.add_module(module)
    for foreign in ("good", "other", "json"):
        made.add_module(foreign, is_squashed=True)
    for importer, imported in imports:
        made.add_import(importer=importer, imported=imported, line_number=7, line_contents=f"import {imported}")
    return made


def broken(*imports: tuple[str, str]) -> list[tuple[str, str]]:
    check = contract().check(graph(*imports), verbose=False)
    assert check.kept == (not check.metadata["broken"])
    return [(row["importer"], row["package"]) for row in check.metadata["broken"]]


def test_allowed_and_standard_library_imports_pass() -> None:
    assert broken(("p.high", "good"), ("p.low", "json"), ("p.high.special", "other")) == []


def test_a_package_of_another_layer_is_refused() -> None:
    assert broken(("p.low", "good")) == [("p.low", "good")]


def test_the_longest_prefix_counts() -> None:
    assert broken(("p.high.special", "good")) == [("p.high.special", "good")]


def test_a_module_that_no_line_names_may_import_nothing() -> None:
    assert broken(("p", "good")) == [("p", "good")]
