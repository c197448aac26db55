"""Every rule of docs/reference/security-rules.md is shown by at least one test that names it."""

import re

from .tree import python_files, text

NUMBER = r"\d{1,2}a?"
NAMED = re.compile(rf"[Ss]ecurity rules? ({NUMBER}(?:(?:, and |, | and |-| to ){NUMBER})*)")
IN_A_NAME = re.compile(rf"security_rules?((?:_{NUMBER})+)(?=_|\b)")
ROW = re.compile(rf"^\| ({NUMBER}) \|", re.MULTILINE)
SPAN = re.compile(r"(\d+)(?:-| to )(\d+)")


def rules() -> list[str]:
    return ROW.findall(text("docs/reference/security-rules.md"))


def rules_in(source: str) -> set[str]:
    """The rules that a text names: ``Security rule 9``, ``Security rules 3, 5a and 9``, ``Security rules 1 to 4``."""
    named: set[str] = set()
    for words in [*NAMED.findall(source), *(match.replace("_", " ") for match in IN_A_NAME.findall(source))]:
        for first, last in SPAN.findall(words):
            named.update(str(number) for number in range(int(first), int(last) + 1))
        named.update(re.findall(NUMBER, words))
    return named


def test_the_page_lists_each_rule_once() -> None:
    assert len(rules()) == len(set(rules()))
    assert len(rules()) >= 28


def test_each_rule_is_named_by_a_test() -> None:
    names = [name for name in python_files("tests/") if name.rpartition("/")[2].startswith("test_") and "tests/project/" not in name]
    named = set().union(*(rules_in(text(name)) for name in names))
    missing = [rule for rule in rules() if rule not in named]
    assert not missing, f"no test names: {', '.join(missing)}"


def test_names_are_understood() -> None:
    assert rules_in('"""Security rule 9."""') == {"9"}
    assert rules_in("Security rules 3, 5a and 24a hold") == {"3", "5a", "24a"}
    assert rules_in("security rules 1-3") == {"1", "2", "3"}
    assert rules_in("def test_security_rule_16_refuses():") == {"16"}
    assert rules_in("rule 9 of something else") == set()
