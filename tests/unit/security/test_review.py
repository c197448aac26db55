"""Ways around a rule that a review found; each test says what should hold."""

import json
import os
import pickle
import zlib
from datetime import UTC, datetime

import pytest

from sidecar.app.frames import BadFrame, loads
from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.model.reason import Reason
from tests.support.fake_clock import FakeClock
from tests.support.tokens import mint, shared_key
from tests.support.world import KEY, World, bearer, claims, config, key_entry, payload


def test_a_trusted_peer_in_ipv6_clothes_is_trusted() -> None:
    """Security rule 14. Else a key confined to the proxies' network counts for everyone behind them."""
    data = config(server={"client_address": {"trusted_hops": 1, "from": ["10.0.0.0/8"]}})
    world = World(data, (key_entry(cidrs=("10.0.0.0/8",)),))
    headers = {"x-api-key": KEY, "x-forwarded-for": "203.0.113.9"}
    for peer in ("10.0.0.1", "::ffff:10.0.0.1"):
        assert world.decide(path="/me", source_ip=peer, headers=headers).reason is Reason.CREDENTIAL_NOT_ALLOWED_HERE


def test_a_frame_of_the_validator_child_cannot_name_functions() -> None:
    """Security rule 25. The child has read what operators wrote; the parent takes values from it, not code."""

    def text(value: str) -> bytes:
        return b"\x8c" + bytes((len(value),)) + value.encode()

    names = (
        b"\x80\x04" + text("sidecar.model.key_entry") + text("re.enum.bltns.eval") + b"\x93" + text("__import__('os').getpid()") + b"\x85R."
    )
    assert pickle.loads(names) == os.getpid()
    with pytest.raises(BadFrame):
        loads(names, zlib.crc32(names))


def test_a_key_behind_a_tab_does_not_go_upstream() -> None:
    """Security rule 15. Where a route reads the header it is a bad credential; where none does it must still be taken off."""
    for separator in (" ", "  ", "\t"):
        decision = World().decide(path="/healthz", headers={"authorization": f"Bearer{separator}sk_secret"})
        assert "authorization" in decision.mutations.removed


def test_a_caller_cannot_bring_about_an_error_response() -> None:
    """With ``unsafe_error`` Envoy lets errors through: a token with a made-up kid would open every route."""
    world = World(config(server={"fault_response": "unsafe_error"}))
    assert world.current.snapshot is not None
    world.current.snapshot.issuers["corp"].refreshable = True  # the budget for refreshes is spent: UNAVAILABLE
    response = world.answer(payload(path="/admin/x", headers=bearer(mint(shared_key("RS256", "made-up", 7), claims()))))
    assert response.WhichOneof("http_response") == "denied_response"


def test_a_grant_is_not_in_effect_before_its_start_when_the_clock_goes_back() -> None:
    """Cached verdicts are compared with the time; a grant has a start as well as an end."""
    start = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    grant = {"match": {"issuer": "corp", "email": "jane@example.com"}, "roles": ["editor"], "not_before": "2030-01-01T00:00:00Z"}
    token = mint(shared_key("RS256"), claims(email="jane@example.com", email_verified=True, iat=int(start - 3000), exp=int(start + 3000)))
    reasons = []
    for first in (start - 600, start + 5):
        world = World(config(users=[grant]), clock=FakeClock(wall=first))
        world.decide(method="POST", path="/posts", headers=bearer(token))
        world.clock.wall = start - 600
        reasons.append(world.decide(method="POST", path="/posts", headers=bearer(token)).reason)
    assert reasons == [Reason.INSUFFICIENT_PERMISSION] * 2


@pytest.mark.parametrize("templates", [{"corp": "{issuer}:{subject}"}, {"corp": "u-{subject}", "other": "u-{subject}"}])
def test_subjects_that_can_be_the_same_are_warned_of(templates: dict[str, str]) -> None:
    """``other`` may call someone ``corp:alice``; two templates without ``{issuer}`` tell nobody apart."""
    data = config(api_keys={})
    for name, template in templates.items():
        data["issuers"][name].setdefault("claims", {})["subject_template"] = template
    data["routes"] = {"me": {"paths": ["/me"], "authenticate": ["corp", "other"], "require": {"authenticated": True}}}
    files = ConfigFiles(path="s.yaml", base="/", is_directory=False, files=(("s.yaml", json.dumps(data).encode()),))
    warnings = load(files, {}, with_files=False).warnings
    assert any("the same subject" in warning.message for warning in warnings)
