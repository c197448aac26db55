"""Attribute sources in the engine: asked only where an allow hinges on them, remembered apart, and never an allow by their absence."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from sidecar.authn.memory import Known
from sidecar.engine.attributes import AttributeRef
from sidecar.engine.check import Engine, _locate, _settle, decide_as
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import LiveTables, Snapshot
from sidecar.engine.trace import Trace
from sidecar.model.ask import Attributes, Failed, Got
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.reason import Reason
from sidecar.model.steps import to_end
from tests.support.inputs import make_input
from tests.support.policies import NOON, person, snapshot_of

HEAD = """
version: 1
issuers:
  corp: {issuer: https://idp.example.com, audiences: [https://api.example.com], keys: {url: "https://idp.example.com/k"}, claims: {attributes: {department: department}}}
roles: {manager: {permissions: ["posts:read"]}}
"""
SOURCE = """
policies:
  same-department:
    effect: allow
    conditions:
      and:
        - user.department: {equals: resource.owner.department}
        - user.role: {in: [manager, admin]}
        - environment.time: {between: ["09:00", "17:00"]}
attributes:
  post-owner: {provides: resource.owner, http: {url: "http://127.0.0.1:8081/posts/{post_id}/owner"}, timeout: 30ms, cache: 30s}
routes:
  read-post: {paths: ["/posts/{post_id}"], authenticate: [corp], require: {permission: "posts:read", policies: [same-department]}}
"""
"""The example of docs, with its source."""


class World:
    """One engine that decides again and again; ``answers`` by URL, and what was asked for."""

    def __init__(self, text: str, **tables: Any) -> None:
        self.snapshot = snapshot_of(HEAD + text)
        if tables:
            refs = {name: AttributeRef(table=table) for name, table in tables.items()}
            self.snapshot = recompiled(self.snapshot, refs)
        self.engine = Engine(Meter())
        self.answers: dict[str, Any] = {}
        self.asked: list[list[str]] = []
        self.mono = 0.0

    def begin(self, path: str, subject: str = "ann", roles: Any = ("manager",), attributes: Any = None, **fields: Any) -> Any:
        who = person(subject, roles=roles, attributes=attributes if attributes is not None else {"department": "eng"})
        return self.begin_as(self.snapshot.rbac.principal(who, NOON), path, **fields)

    def begin_as(self, principal: Any, path: str, trace: Trace | None = None, **fields: Any) -> Any:
        request = make_input(path=path, **fields)
        found = _locate(request, self.snapshot, None)
        assert not isinstance(found, Deny)
        known = Known(principal, self.snapshot.rbac)
        return _settle(known, request, found[0], None, self.snapshot, Instant(NOON, self.mono), trace, self.engine.attributes)

    def decide(self, path: str, subject: str = "ann", **options: Any) -> Decision:
        return self.finish(self.begin(path, subject, **options))

    def finish(self, outcome: Any) -> Decision:
        if isinstance(outcome, Generator):
            try:
                ask = outcome.send(None)
                assert isinstance(ask, Attributes)
                self.asked.append([request.url for request in ask.requests])
                outcome.send(tuple(self.answer(request.url) for request in ask.requests))
            except StopIteration as done:
                outcome = done.value
            else:
                raise AssertionError("asked twice")
        assert isinstance(outcome, Allow | Deny)
        return outcome

    def answer(self, url: str) -> Any:
        value = self.answers.get(url.removeprefix("http://127.0.0.1:8081"), Failed("down"))
        return value if isinstance(value, Failed) else Got(value, 50, self.mono)


def recompiled(snapshot: Snapshot, refs: dict[str, AttributeRef]) -> Snapshot:
    tables = LiveTables(keys={name: one.table for name, one in snapshot.issuers.items()}, api_keys={}, attributes=refs)
    return to_end(compile_snapshot(snapshot.settings, "r2", tables, Meter()))


def said(decision: Decision) -> tuple[Reason, str]:
    return decision.reason, decision.rule


ALLOWED = (Reason.PERMITTED, "routes.read-post.require")
UNAVAILABLE = (Reason.DEPENDENCY_UNAVAILABLE, "attributes.post-owner")


def test_the_policy_of_the_source_document() -> None:
    world = World(SOURCE)
    world.answers["/posts/7/owner"] = {"id": "bob", "department": "eng"}
    world.answers["/posts/8/owner"] = {"id": "bob", "department": "ops"}
    assert said(world.decide("/posts/7")) == ALLOWED
    assert said(world.decide("/posts/8")) == (Reason.POLICY_NOT_SATISFIED, "policies.same-department")
    assert world.asked == [["http://127.0.0.1:8081/posts/7/owner"], ["http://127.0.0.1:8081/posts/8/owner"]]


def test_a_warm_check_needs_no_generator_and_no_ask() -> None:
    world = World(SOURCE)
    world.answers["/posts/7/owner"] = {"department": "eng"}
    world.decide("/posts/7")
    assert isinstance(world.begin("/posts/7"), Allow)
    assert isinstance(world.begin("/posts/7", "zoe"), Allow), "the same question, whoever asks"
    count = world.engine.attributes.count
    assert (count.hit, count.miss, count.stale) == (2, 1, 0)


@pytest.mark.parametrize("answer", [Failed("no"), None, {}, {"department": None}, {"department": 7}, "eng", ["eng"], 0])
def test_whatever_is_answered_is_no_allow_unless_it_fits(answer: Any) -> None:
    world = World(SOURCE)
    world.answers["/posts/7/owner"] = answer
    decision = world.decide("/posts/7")
    assert isinstance(decision, Deny)
    assert said(decision) == (UNAVAILABLE if isinstance(answer, Failed) else (Reason.POLICY_NOT_SATISFIED, "policies.same-department"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"roles": ("admin",)}, Reason.INSUFFICIENT_PERMISSION),
        ({"attributes": {}}, Reason.POLICY_NOT_SATISFIED),
    ],
    ids=["RBAC denies", "the policy cannot hold whatever the owner is"],
)
def test_it_is_asked_only_where_the_verdict_hinges_on_it(options: dict[str, Any], reason: Reason) -> None:
    world = World(SOURCE)
    decision = world.begin("/posts/7", **options)
    assert isinstance(decision, Deny)
    assert decision.reason is reason


def test_a_definite_denial_needs_no_source_and_a_failure_that_does_not_matter_changes_nothing() -> None:
    world = World(
        SOURCE.replace("attributes:", "  gone: {effect: deny, conditions: {user.id: {equals: mallory}}}\nattributes:").replace(
            "require:", "deny: [gone], require:"
        )
    )
    assert said(world.begin("/posts/7", "mallory")) == (Reason.POLICY_DENIED, "policies.gone")
    either = World(
        SOURCE.replace("policies: [same-department]", "any_policy: [same-department, mine]").replace(
            "attributes:", "  mine: {effect: allow, conditions: {user.id: {equals: ann}}}\nattributes:"
        )
    )
    assert isinstance(either.begin("/posts/7"), Allow), "one of them holds"


def test_no_answer_ever_serves_another_question() -> None:
    text = SOURCE.replace("{post_id}/owner", "{post_id}/for/{user.id}")
    world = World(text)
    world.answers["/posts/7/for/ann"] = {"department": "eng"}
    world.answers["/posts/8/for/ann"] = {"department": "ops"}
    world.answers["/posts/7/for/zoe"] = {"department": "ops"}
    for _ in range(2):
        assert isinstance(world.decide("/posts/7"), Allow)
        assert isinstance(world.decide("/posts/8"), Deny)
        assert isinstance(world.decide("/posts/7", "zoe"), Deny)
    assert len(world.asked) == 3


def test_another_source_of_the_same_name_has_nothing_of_the_first() -> None:
    world = World(SOURCE, other={})
    world.answers["/posts/7/owner"] = {"department": "eng"}
    assert isinstance(world.decide("/posts/7"), Allow)
    world.snapshot = recompiled(world.snapshot, {"post-owner": AttributeRef()})
    assert isinstance(world.begin("/posts/7"), Generator)


def test_an_answer_counts_for_its_time_and_a_failure_is_not_remembered() -> None:
    world = World(SOURCE)
    world.answers["/posts/7/owner"] = {"department": "eng"}
    world.decide("/posts/7")
    world.mono = 29.9
    assert isinstance(world.begin("/posts/7"), Allow)
    world.mono = 30.0
    world.answers["/posts/7/owner"] = Failed("down")
    assert said(world.decide("/posts/7")) == UNAVAILABLE, "no stale_max: the old answer is no answer"
    world.answers["/posts/7/owner"] = {"department": "eng"}
    assert isinstance(world.decide("/posts/7"), Allow), "asked anew at once"
    assert len(world.asked) == 3


def test_a_stale_answer_stands_in_while_the_source_fails_and_no_longer_than_that() -> None:
    world = World(SOURCE.replace("cache: 30s", "cache: 30s, stale_max: 5m"))
    world.answers["/posts/7/owner"] = {"department": "eng"}
    world.decide("/posts/7")
    world.answers["/posts/7/owner"] = Failed("down")
    world.mono = 299.9
    assert isinstance(world.decide("/posts/7"), Allow)
    assert len(world.asked) == 2, "it was asked first"
    world.mono = 300.0
    assert said(world.decide("/posts/7")) == UNAVAILABLE
    world.mono = 100.0
    world.answers["/posts/7/owner"] = {"department": "ops"}
    assert isinstance(world.decide("/posts/7"), Deny), "while it answers, the old answer counts for nothing"


def test_missing_is_remembered() -> None:
    world = World(SOURCE)
    world.answers["/posts/7/owner"] = None
    world.decide("/posts/7")
    assert said(world.begin("/posts/7")) == (Reason.POLICY_NOT_SATISFIED, "policies.same-department")


def test_without_a_cache_each_check_asks_for_itself() -> None:
    world = World(SOURCE.replace("cache: 30s", "cache: 0s"))
    world.answers["/posts/7/owner"] = {"department": "eng"}
    assert isinstance(world.decide("/posts/7"), Allow)
    assert isinstance(world.decide("/posts/7"), Allow)
    assert len(world.asked) == 2
    assert len(world.engine.attributes) == 0


TWO = """
policies:
  both:
    effect: allow
    conditions: {resource.owner: {equals: user.id}, user.level: {greater_than: 2}, resource.kind: {equals: post}}
attributes:
  owner: {provides: resource.owner, http: {url: "http://127.0.0.1:8081/o/{id}"}}
  level: {provides: user.level, http: {url: "http://127.0.0.1:8081/l/{user.id}"}, when_unavailable: deny}
  kind: {provides: resource.kind, static: {key: "{id}", values: {"7": post}, default: page}}
routes:
  r: {paths: ["/r/{id}"], authenticate: [corp], require: {policies: [both]}}
"""


def test_all_that_is_wanted_is_asked_at_once() -> None:
    world = World(TWO)
    world.answers |= {"/o/7": {"id": "ann", "name": "Ann"}, "/l/ann": 3}
    assert isinstance(world.decide("/r/7"), Allow)
    assert world.asked == [["http://127.0.0.1:8081/o/7", "http://127.0.0.1:8081/l/ann"]]
    assert said(world.begin("/r/8")) == (Reason.POLICY_NOT_SATISFIED, "policies.both"), "the static table says no already"


def test_when_unavailable_deny() -> None:
    world = World(TWO)
    world.answers |= {"/o/7": "ann"}
    decision = world.decide("/r/7")
    assert said(decision) == (Reason.POLICY_NOT_SATISFIED, "policies.both")
    assert decision.status == 403
    assert decision.detail == "level: down"
    both = World(TWO)
    assert said(both.decide("/r/7")) == (Reason.DEPENDENCY_UNAVAILABLE, "attributes.owner"), "the other one has to answer all the same"
    deny = World(
        TWO.replace("both:\n    effect: allow", "both:\n    effect: deny")
        .replace("require: {policies", "require: {authenticated: true}, deny: [both], x: {p")
        .replace(", x: {p: [both]}", "")
    )
    deny.answers |= {"/o/7": "ann"}
    assert said(deny.decide("/r/7")) == (Reason.POLICY_DENIED, "policies.both")


def test_a_policy_in_shadow_asks_nothing() -> None:
    world = World(
        SOURCE.replace("effect: allow", "effect: deny\n    mode: shadow")
        .replace("require:", "deny: [same-department], require:")
        .replace(", policies: [same-department]", "")
    )
    decision = world.begin("/posts/7")
    assert isinstance(decision, Allow)
    assert decision.shadow[0][:2] == ("same-department", "unknown")


@pytest.mark.parametrize(
    "answer", [None, (), "x", (None,), (Got({"department": "eng"}, 1, 0.0),) * 2, [Got({"department": "eng"}, 1, 0.0)], 7]
)
def test_an_answer_that_is_none_is_a_failure(answer: Any) -> None:
    world = World(SOURCE)
    steps = world.begin("/posts/7")
    steps.send(None)
    with pytest.raises(StopIteration) as done:
        steps.send(answer)
    assert said(done.value.value) == UNAVAILABLE
    assert len(world.engine.attributes) == 0


def test_a_check_that_is_given_up_leaves_nothing_behind() -> None:
    world = World(SOURCE)
    steps = world.begin("/posts/7")
    steps.send(None)
    steps.close()
    assert len(world.engine.attributes) == 0


def test_the_answers_are_waited_for_within_the_time_of_the_check() -> None:
    world = World(SOURCE)
    world.mono = 1000.0
    ask = world.begin("/posts/7").send(None)
    assert world.mono < ask.until < world.mono + world.snapshot.check_deadline
    assert ask.requests[0].timeout == 0.03


def test_what_cannot_stand_in_the_url_is_not_asked_for() -> None:
    world = World(
        SOURCE.replace("authenticate: [corp]", "authenticate: [corp], resource: {target: '..'}").replace(
            "/posts/{post_id}/owner", "/posts/{target}/owner"
        )
    )
    decision = world.begin("/posts/7")
    assert said(decision) == UNAVAILABLE
    assert "cannot stand" in decision.detail


def test_nobody_signed_in_has_no_attributes_of_a_user() -> None:
    world = World(TWO.replace("authenticate: [corp]", "authenticate: [corp, anonymous]"))
    nobody = world.snapshot.rbac.principal(person("")._replace(kind="anonymous", authenticator="", issuer=""), 0.0)
    decision = world.begin_as(nobody, "/r/7")
    assert (decision.reason, decision.status) == (Reason.MISSING_CREDENTIAL, 401)


FILE = """
policies:
  open: {effect: allow, conditions: {resource.classification: {not_equals: secret}}}
attributes:
  classes: {provides: resource.classification, file: {path: /c.json, format: json, key: "{id}"}}
routes:
  r: {paths: ["/r/{id}"], authenticate: [corp], require: {policies: [open]}}
"""


def test_a_table_of_a_file() -> None:
    world = World(FILE, classes={"7": "public", "8": "secret", "9": None})
    assert isinstance(world.begin("/r/7"), Allow)
    assert [said(world.begin(f"/r/{post}"))[0] for post in "890"] == [Reason.POLICY_NOT_SATISFIED] * 3
    unread = World(FILE)
    decision = unread.begin("/r/7")
    assert said(decision) == (Reason.DEPENDENCY_UNAVAILABLE, "attributes.classes")
    assert "could not be read" in decision.detail


def test_one_check_sees_one_value_whatever_happens_meanwhile() -> None:
    text = FILE.replace(
        "conditions: {resource.classification: {not_equals: secret}}",
        "conditions: {resource.classification: {not_equals: secret}, resource.owner: {equals: user.id}}",
    ).replace("routes:", '  owner: {provides: resource.owner, http: {url: "http://127.0.0.1:8081/o/{id}"}}\nroutes:')
    ref = AttributeRef(table={"7": "public"})
    world = World(text)
    world.snapshot = recompiled(world.snapshot, {"classes": ref})
    steps = world.begin("/r/7")
    steps.send(None)
    ref.table = {"7": "secret"}
    with pytest.raises(StopIteration) as done:
        steps.send((Got("ann", 5, 0.0),))
    assert isinstance(done.value.value, Allow)
    assert isinstance(world.finish(world.begin("/r/7")), Deny), "the next one sees the new table"


def test_explaining_shows_what_was_answered() -> None:
    world = World(SOURCE)
    world.answers["/posts/7/owner"] = {"department": "ops"}
    trace = Trace()
    who = world.snapshot.rbac.principal(person(roles=("manager",), attributes={"department": "eng"}), NOON)
    world.finish(world.begin_as(who, "/posts/7", trace))
    ((_, tree),) = trace.policies
    assert tree.parts[0].values == {"user.department": "eng", "resource.owner.department": "ops"}


def test_tools_decide_with_a_memory_of_their_own() -> None:
    snapshot = snapshot_of(HEAD + SOURCE)
    who = snapshot.rbac.principal(person(roles=("manager",), attributes={"department": "eng"}), NOON)
    assert isinstance(decide_as(who, make_input(path="/posts/7"), snapshot, Instant(NOON, 0.0)), Generator)


def test_settings_are_all_there_is_to_an_answer() -> None:
    """A source with another URL is another source: the compiler takes a reference of its own unless it is given the old one."""
    snapshot = snapshot_of(HEAD + SOURCE)
    source = snapshot.attributes.by_name["post-owner"]
    assert recompiled(snapshot, {"post-owner": source.ref}).attributes.by_name["post-owner"].ref is source.ref
    assert recompiled(snapshot, {}).attributes.by_name["post-owner"].ref is not source.ref
    assert replace(snapshot).attributes is snapshot.attributes
