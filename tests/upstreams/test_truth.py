"""``campaigns.paths``: what it would notice, and what it found."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from campaigns.paths.client import Answer
from campaigns.paths.drive import Sender, Wrong, drive, smallest
from campaigns.paths.grammar import Case, cases, make
from campaigns.paths.judge import Outcome, judge
from campaigns.paths.lane import CONFIG, LISTENERS, Lane, running
from tests.servers.issuer import IssuerSimulator
from tools import setup_upstreams

from .programs import PROGRAMS, Program

pytestmark = pytest.mark.envoy
NAMED = {program.name: program for program in PROGRAMS}


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerSimulator]:
    """An issuer, and the programs that are not Python installed."""
    setup_upstreams.main()
    with IssuerSimulator("ES256") as one:
        yield one


def case(*parts: bytes, http2: bool = True, signed: bool = False) -> Case:
    return Case(1, parts, http2, signed)  # the first lane sends it to the plain Envoy


def outcome(lane: Lane, one: Case, listener: str = "plain", token: str = "") -> tuple[Outcome, Answer]:
    async def ask() -> Answer:
        sender = Sender(lane, token)
        with contextlib.closing(sender):
            return await sender.send(listener, one)

    answer = asyncio.run(ask())
    return judge(answer), answer


@pytest.mark.parametrize(
    ("program", "rules", "path"),
    [
        (replace(NAMED["express"], case="sensitive"), "", b"/ADMIN/x"),
        (replace(NAMED["node"], trailing_slash="same"), "", b"/api/v1/users/help/"),
        (NAMED["flask"], CONFIG.read_text().replace("any:\n", "any:\n    allow: [encoded_slash]\n"), b"/admin%2Fx"),
    ],
    ids=["case", "trailing slash", "encoded slash"],
)
def test_a_sidecar_that_reads_paths_as_its_upstream_does_not_is_found_out(
    issuer: IssuerSimulator, program: Program, rules: str, path: bytes
) -> None:
    """What ``server.paths`` and ``allow`` are for: set as the upstream does not read paths, they open a protected handler."""

    async def campaign(lane: Lane) -> tuple[list[Wrong], Wrong]:
        tallies = await drive([lane], [case(b"/", b"x"), case(path, b"?x=1"), case(path, b"?", http2=False)], "")
        wrong = tallies[program.name].wrong
        return wrong, await smallest(wrong[0], "")

    with running(program, issuer, rules) as lane:
        wrong, least = asyncio.run(campaign(lane))
    assert len(wrong) == 2
    assert judge(least.answer) is Outcome.WRONG
    assert 1 < len(least.case.path) < len(wrong[0].case.path)


def test_what_is_right_is_told_from_what_is_wrong(issuer: IssuerSimulator) -> None:
    token = issuer.token("casual", roles=["clerk"], lifetime=600)
    with running(NAMED["go"], issuer) as lane:
        for listener in LISTENERS:
            for http2 in (False, True):
                assert outcome(lane, case(b"/x", http2=http2), listener)[0] is Outcome.SERVED
                assert outcome(lane, case(b"/admin", http2=http2), listener)[0] is Outcome.DENIED
                assert outcome(lane, case(b"/x%2f..", http2=http2), listener)[0] is Outcome.REFUSED
                assert outcome(lane, case(b"/api/v1/users/7", http2=http2, signed=True), listener, token)[0] is Outcome.SERVED
                assert outcome(lane, case(b"/admin/7", http2=http2, signed=True), listener, token)[0] is Outcome.DENIED
        _, answer = outcome(lane, case(b"/static/private/secret.txt"))
        assert answer.status == 401
        _, answer = outcome(lane, case(b"/static/pub/page.txt"))
        assert answer.body == b"public:static"
        bytes_that_are_no_utf8(lane)


def bytes_that_are_no_utf8(lane: Lane) -> None:
    """Envoy says ``!`` of such a byte and sends it on: the upstream must not get another path than the sidecar decided about."""
    for path in (b"/files/a\x80", b"/admin\x80", b"/x/\xff\xfe"):
        for listener in LISTENERS:
            found, answer = outcome(lane, case(path), listener)
            assert (found, answer.status) == (Outcome.REFUSED, 400)
    assert outcome(lane, case(b"/x/a!b"), "shipped")[0] is Outcome.SERVED
    assert outcome(lane, case(b"/x/a!b"), "plain")[0] is Outcome.REFUSED


def test_a_protected_handler_is_wrong_unless_its_own_rule_let_it_through() -> None:
    through = {b"x-envoy-upstream-service-time": b"1"}

    def of(handler: bytes, route: bytes) -> Outcome:
        return judge(Answer(200, {**through, b"x-handler": handler, b"x-route": route}, b""))

    assert of(b"protected:users", b"users") is Outcome.SERVED
    assert of(b"protected:admin", b"users") is Outcome.WRONG
    assert of(b"protected:users", b"any") is Outcome.WRONG
    assert judge(Answer(200, {**through, b"x-route": b"any"}, b"protected:static")) is Outcome.WRONG
    assert judge(Answer(404, through, b"")) is Outcome.NOWHERE
    assert judge(Answer(503, {}, b"")) is Outcome.FAULT


def test_paths_can_be_had_again() -> None:
    some = list(cases(7, 300))
    assert some == list(cases(7, 300))
    assert len({one.path for one in some}) == 300
    assert all(make(7, one.number) == one for one in some)
    assert some[0] != next(cases(8, 1))
