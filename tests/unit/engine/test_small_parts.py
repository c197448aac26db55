"""Decision ids, the client's address, and what a denied client sees."""

import json

import pytest

from sidecar.engine.client_address import ClientAddress
from sidecar.engine.denials import answer
from sidecar.engine.ids import DecisionIds
from sidecar.model.decision import Allow, Deny
from sidecar.model.mutation import NOTHING
from sidecar.model.reason import ALLOWING, Reason
from sidecar.model.settings import ClientAddressSettings
from tests.support.inputs import make_input


def test_ids_are_unique_and_of_one_length() -> None:
    ids = DecisionIds(b"\xff" * 6)
    made = [ids.next() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert {len(one) for one in made} == {16}
    assert set("".join(made)) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert DecisionIds(b"\x00" * 6).next() != DecisionIds(b"\x01" * 6).next()


def test_an_id_that_could_not_be_made_is_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory ran out once while the head of the next 1,024 ids was made: later ids come, and none comes twice."""
    ids = DecisionIds(b"\xff" * 6)
    made = [ids.next() for _ in range(1024)]
    with monkeypatch.context() as short:

        def fail(*_: object) -> str:
            raise MemoryError

        short.setattr(DecisionIds, "_head_of", fail)
        for _ in range(3):
            with pytest.raises(MemoryError):
                ids.next()
    made += [ids.next() for _ in range(3000)]
    assert len(set(made)) == 4024


@pytest.mark.parametrize(
    ("hops", "peer", "forwarded", "expected"),
    [
        (0, "10.0.0.1", "1.2.3.4", "10.0.0.1"),
        (1, "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (2, "10.0.0.1", "1.2.3.4", ""),
        (1, "10.0.0.1", None, ""),
        (1, "10.0.0.1", "nonsense", ""),
        (1, "192.0.2.1", "1.2.3.4", "192.0.2.1"),
        (1, "", "1.2.3.4", ""),
    ],
)
def test_client_address(hops: int, peer: str, forwarded: str | None, expected: str) -> None:
    address = ClientAddress(ClientAddressSettings(trusted_hops=hops, trusted_peers=("10.0.0.0/8",)))
    headers = {"x-forwarded-for": forwarded} if forwarded is not None else {}
    assert address.of(make_input(source_ip=peer, headers=headers)) == expected


CHALLENGES = ('Bearer realm="api"', 'ApiKey realm="api"')


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.MISSING_CREDENTIAL, list(CHALLENGES)),
        (Reason.EXPIRED_TOKEN, ['Bearer realm="api", error="invalid_token"', 'ApiKey realm="api"']),
        (Reason.INSUFFICIENT_SCOPE, ['Bearer realm="api", error="insufficient_scope"']),
        (Reason.INSUFFICIENT_PERMISSION, []),
        (Reason.INTERNAL_ERROR, []),
    ],
)
def test_challenges(reason: Reason, expected: list[str]) -> None:
    """Security rule 17."""
    made = answer(Deny(reason, challenges=CHALLENGES), make_input(), "id")
    assert [value for name, value in made.headers if name == "www-authenticate"] == expected
    assert ("cache-control", "no-store") in made.headers


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in ALLOWING])
def test_the_body_says_the_coarse_word_and_nothing_else(reason: Reason) -> None:
    """Security rule 8."""
    made = answer(Deny(reason, "rule.secret", detail="secret detail", route="secret-route"), make_input(), "abcd")
    problem = json.loads(made.body)
    assert problem == {
        "type": "about:blank",
        "title": problem["title"],
        "status": reason.status,
        "reason": reason.client,
        "decision_id": "abcd",
    }
    assert "secret" not in made.body + repr(made.headers)


def test_browsers_get_a_page_and_grpc_callers_one_line() -> None:
    page = answer(Deny(Reason.NO_ROUTE), make_input(headers={"accept": "text/html,*/*", "sec-fetch-mode": "navigate"}), "abcd")
    assert page.body.startswith("<!doctype html>")
    assert "forbidden" in page.body
    script = answer(Deny(Reason.NO_ROUTE), make_input(headers={"accept": "text/html", "sec-fetch-mode": "cors"}), "abcd")
    assert script.body.startswith("{")
    line = answer(Deny(Reason.NO_ROUTE), make_input(headers={"content-type": "application/grpc+proto"}), "abcd")
    assert line.body == "forbidden (decision abcd)"


def test_an_allow_has_to_be_constructed_with_an_allowing_reason_and_a_rule() -> None:
    for reason, rule in [(Reason.NO_ROUTE, "r"), (Reason.PERMITTED, "")]:
        with pytest.raises(ValueError, match="Allow"):
            Allow(reason, rule, "route", None, NOTHING)
    for reason in ALLOWING:
        with pytest.raises(ValueError, match="Deny"):
            Deny(reason)
