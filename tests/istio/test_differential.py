"""Istio's filters in the real Envoy against our import of the same policies: one verdict, or a stricter one that is listed."""

from collections import Counter

import pytest

from sidecar.app.istio import rules

from .compare import Comparison, Outcome
from .odd import odd_requests
from .pairs import ASKING, CONSTANT, PAIRS

LEVELS = {"whole": 20, "rule": 62, "field": 250, "value": 272, "generator": 104, "joined": 120}
WHOLE = {"whole": 12, "rule": 40, "field": 164, "value": 188, "generator": 64, "joined": 120}
"""Of these, how many are carried over whole; the others have one of these holes, or several."""
HOLES = {"mesh": 188, "destination.ip": 16, "sni": 16, "metadata": 20}
COMPARED = 17_000
STRICTER = {
    "odd-header x-header False:ALLOW": 3, "odd-header x-header True:ALLOW": 1, "odd-header x-header False:DENY": 1, "odd-header x-header True:DENY": 3,
    "odd-claim nested True:ALLOW": 5, "odd-claim nested False:DENY": 5, "odd-claim scope False:ALLOW": 1, "odd-claim scope True:ALLOW": 2,
    "odd-claim scope False:DENY": 2, "odd-claim scope True:DENY": 1,
}  # fmt: skip
"""How many odd requests Istio lets in and we don't: a header given twice, a claim that is neither a text nor a list of texts."""


def kind_of(hole: str) -> str:
    words = {"identity in the mesh": "mesh", "to which address": "destination.ip", "in TLS": "sni", "metadata": "metadata"}
    return next((kind for text, kind in words.items() if text in hole), hole)


def test_what_is_carried_over_whole_gets_the_same_verdicts(outcomes: dict[str, Outcome]) -> None:
    assert [text for one in outcomes.values() if one.whole for text in one.different] == []


def test_nothing_lets_in_whom_istio_keeps_out(outcomes: dict[str, Outcome]) -> None:
    assert [text for one in outcomes.values() for text in one.wider] == []


def test_how_much_was_compared(outcomes: dict[str, Outcome]) -> None:
    whole = [one for one in outcomes.values() if one.whole]
    assert dict(Counter(one.pair.level for one in outcomes.values())) == LEVELS
    assert dict(Counter(one.pair.level for one in whole)) == WHOLE
    assert dict(Counter(kind for one in outcomes.values() if not one.whole for kind in {kind_of(hole) for hole in one.holes})) == HOLES
    assert sum(one.compared for one in whole) > COMPARED
    assert sum(one.skipped for one in outcomes.values()) == 0
    assert {name for name in PAIRS if name in outcomes} == set(PAIRS) - ASKING


def test_both_verdicts_occur(outcomes: dict[str, Outcome]) -> None:
    """For all values but those that every request matches or none: ``*``, a subject without an issuer, ``rule[0]-to[0]-path[1]``."""
    values = [one for one in outcomes.values() if one.whole and one.pair.level in {"value", "generator"}]
    telling = [one for one in values if not CONSTANT.fullmatch(one.pair.name.partition("=")[2].partition(":ALLOW")[0])]
    assert len(telling) > 140
    assert [one.pair.name for one in telling if one.allowed in {0, one.compared}] == []
    joined = [one for one in outcomes.values() if one.pair.level == "joined"]
    assert sum(one.allowed not in {0, one.compared} for one in joined) > 90


def test_every_character_in_a_path(comparison: Comparison) -> None:
    for name in [pair.name for pair in comparison.pairs.values() if pair.name.startswith("odd-template")]:
        outcome = _odd(comparison, name)
        assert not outcome.different + outcome.wider
        assert 0 < outcome.allowed < outcome.compared


def test_odd_headers_and_claims_are_never_wider(comparison: Comparison) -> None:
    """A header given twice, and a claim of another type, have no single meaning here: nothing holds because of them."""
    stricter = {}
    for name in [pair.name for pair in comparison.pairs.values() if pair.name.startswith(("odd-header", "odd-claim"))]:
        outcome = _odd(comparison, name)
        assert outcome.wider == []
        stricter[name] = len(outcome.different)
    assert {name: count for name, count in stricter.items() if count} == STRICTER


def _odd(comparison: Comparison, name: str) -> Outcome:
    case = comparison.case(name)
    outcome = comparison.run(case, requests=odd_requests(comparison.pairs[case]))
    assert not outcome.holes
    return outcome


BREAKS = [
    ("paths=/prefix/*", "starts_with", "ends_with"),
    ("paths=/exact", "([?#].*)?", ""),
    ("paths=/path/template/{*}", r"\-]+(", r"\-/]+("),
    ("hosts=exact.com", "(?i)", ""),
    ("methods=*-suffix-method", "ends_with", "starts_with"),
    ("requestPrincipals=*-suffix-requestPrincipals", "ends_with", "equals"),
    ("notRequestPrincipals=*", "exists: true", "exists: false"),
    ("request.auth.claims[nested1][nested2]=nested-prefix-*", "nested1.nested2", "nested1"),
    ("request.headers[X-header]=*-suffix-header", "x-header", "x-other"),
    ("ipBlocks=5.6.0.0/16", "/16", "/32"),
    ("source.ip=192.168.10.0/24", "/24", "/32"),
    ("notHosts=*.not-suffix.com", "not:", "request.method: {exists: true}"),
]
"""By the end of a pair's name: what is exchanged in the imported text."""


@pytest.mark.parametrize(("ending", "old", "new"), BREAKS, ids=[ending for ending, _, _ in BREAKS])
def test_a_broken_import_is_seen(comparison: Comparison, ending: str, old: str, new: str) -> None:
    case = next(case for case, pair in comparison.pairs.items() if pair.level == "value" and _fits(pair.name, ending))
    assert comparison.run(case).different == []

    def change(text: str) -> str:
        assert old in text
        return _without_not(text) if old == "not:" else text.replace(old, new)

    assert comparison.run(case, change).different


def _fits(name: str, ending: str) -> bool:
    return name.removesuffix(":ALLOW").endswith((f".{ending}", f"]{ending}"))


def _without_not(text: str) -> str:
    lines = text.splitlines()
    number = next(number for number, line in enumerate(lines) if line.strip().startswith("not:"))
    rest = lines[number].split("not:", 1)[1].strip()
    lines[number] = f"{' ' * (len(lines[number]) - len(lines[number].lstrip()))}{rest[1:-1]}" if rest else ""
    return "\n".join(lines)


def test_a_broken_translator_is_seen(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole policies, with the translator itself broken in three ways."""
    whole, joined = comparison.case("multiple-policies"), [case for case, pair in comparison.pairs.items() if pair.level == "joined"][:40]

    def seen() -> int:
        return sum(bool(comparison.run(case).different) for case in joined)

    assert seen() == 0
    with monkeypatch.context() as broken:
        broken.setattr(rules, "any_of", rules.all_of)
        assert seen() > 0
    with monkeypatch.context() as broken:
        broken.setattr(rules, "negated", lambda part: part)
        assert seen() > 5
    with monkeypatch.context() as broken:
        broken.setattr(rules, "all_of", rules.any_of)
        assert seen() > 5
    assert comparison.run(whole).wider == []
    assert comparison.run(whole, lambda text: text.replace("in: [GET, POST]", "exists: true")).wider
