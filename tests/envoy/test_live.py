"""What changes while requests are served: signing keys, API keys, the configuration."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.servers.client import Reply

from .stack import TRANSPORTS, Stack, running, shared_parts

POSTS = "/api/v1/posts"
SOON = 8.0
"""Seconds within which a changed file has to be seen."""


@pytest.fixture(scope="module", params=TRANSPORTS)
def live(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack with issuers of its own: these tests change keys and files."""
    with shared_parts() as parts, running(request.param, parts) as started:
        yield started


def get(stack: Stack, token: str, target: str = POSTS, method: str = "GET") -> Reply:
    return stack.send(target, [("authorization", f"Bearer {token}")], method=method)


def eventually(ask: Callable[[], Reply], status: int, timeout: float = SOON) -> Reply:
    """Ask until the answer has this status.

    Raises:
        AssertionError: it never had within ``timeout`` seconds.
    """
    until = time.monotonic() + timeout
    while (reply := ask()).status != status:
        assert time.monotonic() < until, f"still {reply.status} after {timeout} s: {reply.body!r}"
        time.sleep(0.05)
    return reply


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_rotated_key_is_fetched_when_its_first_token_comes(live, alg):
    """Security rule 9: one refresh, no refusal, and the tokens of the old key stay good."""
    corp = live.shared.corp
    old = corp.token("sam", roles=["viewer"])
    assert get(live, old).status == 200
    fetches = len(corp.fetches)
    corp.rotate(f"rotated-{alg}", alg)
    reply = get(live, corp.token("sam", roles=["viewer"]))
    if reply.status == 503:  # the fetch took longer than the check's deadline: the next request finds the key
        reply = eventually(lambda: get(live, corp.token("sam", roles=["viewer"])), 200, 2)
    assert reply.status == 200
    assert len(corp.fetches) == fetches + 1
    assert get(live, old).status == 200


def test_a_role_changed_in_the_file_counts_at_once(live):
    token = live.shared.corp.token("jane")
    assert get(live, token, method="POST").status == 200
    revision = live.sidecar.status()["revision"]
    live.sidecar.edit("subject: jane}, roles: [editor]", "subject: jane}, roles: [viewer]")
    reply = eventually(lambda: get(live, token, method="POST"), 403)
    assert live.reason(reply) == "insufficient_permission"
    assert get(live, token).status == 200
    assert live.sidecar.status()["revision"] != revision
    live.sidecar.edit("subject: jane}, roles: [viewer]", "subject: jane}, roles: [editor]")
    eventually(lambda: get(live, token, method="POST"), 200)
    assert live.sidecar.status()["revision"] == revision


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("roles:\n  viewer:", "roels:\n  viewer:"),
        ("authenticate: [corp, anonymous]", "authenticate: [nobody]"),
        ("inherits: [viewer]", "inherits: [editor]"),
        ('paths: ["/whoami"]', 'paths: ["/reports"]'),
    ],
)
def test_a_broken_file_changes_nothing_and_is_loud(live, old, new):
    """The last good configuration stays, the metric falls, /status says where the error is."""
    good = live.sidecar.config.read_text()
    revision = live.sidecar.status()["revision"]
    live.sidecar.edit(old, new)
    until = time.monotonic() + SOON
    while "sidecar_config_last_reload_success 0" not in live.sidecar.metrics():
        assert time.monotonic() < until, "the metric did not fall"
        time.sleep(0.05)
    assert live.sidecar.status()["revision"] == revision
    assert "config.yaml" in json.dumps(live.sidecar.status())
    assert get(live, live.shared.corp.token("sam", roles=["viewer"])).status == 200
    live.sidecar.rewrite(good)
    until = time.monotonic() + SOON
    while "sidecar_config_last_reload_success 1" not in live.sidecar.metrics():
        assert time.monotonic() < until, "the metric did not rise again"
        time.sleep(0.05)


def test_a_revoked_api_key_stops_working(live):
    """Security rule 14: on results that were good a moment ago, too."""
    key = live.shared.api_keys["good"]
    ask = lambda: live.send(POSTS, [("x-api-key", key)])  # noqa: E731
    assert ask().status == 200
    keys = live.sidecar.config.with_name("keys.yaml")
    text = keys.read_text()
    document = json.loads(text)
    document["keys"][0]["revoked"] = True
    keys.write_text(json.dumps(document))
    assert live.reason(eventually(ask, 403)) == "invalid_api_key"
    keys.write_text(text)
    eventually(ask, 200)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["native-uds"])
def test_tokens_of_an_unpublished_key_wait_for_its_publication(transport):
    """401 or 503 meanwhile, never an allow; good once the key is published and its absence is forgotten (30 s)."""
    with shared_parts() as parts, running(transport, parts) as stack:
        parts.partner.rotate("late", "EdDSA", publish=False)
        reply = get(stack, parts.partner.token("sam"), "/whoami")
        assert reply.status in {401, 503}
        parts.partner.publish()
        eventually(lambda: get(stack, parts.partner.token("sam"), "/whoami"), 200, 40)
