"""The fuzzing campaign: what it has found stays mended, a share of it runs here, and it would notice a hole."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from campaigns.fuzz import cases, crashes, decisions, mutate, targets
from campaigns.fuzz.cases import CORPUS, Case, judge, read_case, shrink
from campaigns.fuzz.core import Core
from sidecar.authn import registered
from sidecar.authz.require import Requirement
from sidecar.engine import removals
from tests.reference.request import Request, Verdict
from tests.support.tokens import WALL

SAVED = sorted(CORPUS.glob("*.json"))
OPEN: dict[str, Any] = {"routes": {"r": {"paths": ["/a"], "authenticate": ["anonymous"]}}, "version": 1}


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_saved_case_is_decided_as_documented(path: Path) -> None:
    assert judge(read_case(path)) == []


def test_there_are_saved_cases() -> None:
    assert SAVED


def test_a_share_of_the_comparison_finds_nothing() -> None:
    tally = decisions.compare(random.Random(1), 2, tokens=200)
    assert {words: case.text() for words, (_, case) in tally.found.items()} == {}
    assert tally.wrongly_allowed == 0
    assert tally.cases > 100
    assert tally.allowed


@pytest.mark.parametrize("hole", ["require", "audience", "look-alikes"])
def test_a_hole_is_noticed(hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MAX_FOUND", 1)
    monkeypatch.setattr(decisions, "shrink", lambda case: case)
    if hole == "require":
        monkeypatch.setattr(Requirement, "check", lambda *_: None)
    elif hole == "audience":
        monkeypatch.setattr(registered, "_check_audience", lambda *_: None)
    else:
        monkeypatch.setattr(removals.LookAlikes, "_must_go", lambda *_: False)
    tally = decisions.compare(random.Random(2), 60, tokens=300)
    assert tally.found
    assert bool(tally.wrongly_allowed) == (hole != "look-alikes")


def test_words_for_differences() -> None:
    said = Verdict("permitted", 200, "r", (("a", "1"),), frozenset(), "me")
    assert cases.differences(said, said) == []
    denied = Verdict("no_route", 403, told=frozenset({"no-store"}))
    assert cases.differences(denied, replace(denied, status=404)) == ["status 403, not 404"]
    assert cases.differences(denied, replace(denied, told=frozenset({"challenge"}))) == ["headers say ['no-store'], not ['challenge']"]
    assert cases.differences(said, Verdict("no_route", 403)) == ["reason permitted, not no_route"]
    assert cases.differences(said, replace(said, route="s")) == ["route 'r', not 's'"]
    assert cases.differences(said, replace(said, upstream=())) == ["upstream sees [('a', '1')], not []"]
    assert cases.differences(said, replace(said, subject="you", query_removed=frozenset("q"))) == [
        "query without [], not ['q']",
        "subject 'me', not 'you'",
    ]
    assert (
        cases.differences(replace(said, upstream=(("p", "a,b"),)), replace(said, upstream=(("p", "b,a"),), unordered=(("p", ","),))) == []
    )


def test_a_case_is_made_small_and_survives_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals.LookAlikes, "_must_go", lambda *_: False)
    request = Request(path="/a?x=1", headers=(("accept", "x"), ("x_user_id", "admin"), ("x-y", "z")), context={"a": "b"})
    config = OPEN | {"roles": {"viewer": {"permissions": ["a:b"]}}, "strip_headers": ["x-z"]}
    small = shrink(Case(config, {}, request, WALL))
    assert small.request == Request(path="/a", headers=(("x_user_id", "admin"),))
    assert small.config == OPEN
    (tmp_path / "case.json").write_text(small.text(), encoding="utf-8")
    assert read_case(tmp_path / "case.json") == small


def test_a_core_reloads_key_files_and_keeps_them_when_a_reload_fails() -> None:
    config = OPEN | {"api_keys": {"s": {"store": {"file": "/nowhere"}}}}
    core = Core(config, {"s": []})
    with pytest.raises(Exception, match="routes"):
        core.reload(config | {"routes": 1}, {"s": [{"id": "x", "digest": "sha256:" + "0" * 64}]})
    assert core.files == {"s": []}


@pytest.mark.parametrize("target", crashes.all_targets(), ids=lambda target: target.name)
def test_a_share_of_the_mutations_finds_nothing(target: targets.Target) -> None:
    result = crashes.feed(random.Random(3), target, 0.5)
    assert result.found == {}
    assert result.cases > len(target.seeds())


def test_a_crash_is_noticed_and_made_small() -> None:
    def brittle(data: bytes) -> None:
        if b"!" in data:
            raise KeyError("!")

    target = targets.Target("brittle", "path", brittle, (b"!",))
    result = crashes.feed(random.Random(4), target, 0.3)
    assert [(words.partition(" ")[0], data) for words, data in result.found.items()] == [("KeyError", b"!")]


def test_what_is_slow_or_fooled_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crashes, "SLOW", -1.0)
    target = targets.Target("path", "path", lambda _: None, (b"!",))
    assert crashes.tried(target, b"")[0].startswith("took more than")

    def fooled(_: bytes) -> None:
        raise targets.Wrong("wrongly allowed")

    assert crashes.tried(targets.Target("path", "path", fooled, ()), b"")[0] == "wrong: wrongly allowed"


def test_mutations_stay_within_bounds() -> None:
    rng = random.Random(5)
    made = {mutate.mutated(rng, [b"a" * 60_000, b"bc"], [b"word"]) for _ in range(200)}
    assert len(made) > 100
    assert max(map(len, made)) <= mutate.MAX_SIZE
    assert all(len(less) < 9 for less in mutate.smaller(b"123456789"))
