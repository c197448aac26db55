"""Fail closed: a sidecar that is gone, frozen, or on its way out lets nothing through, and loses nothing that it should answer."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.servers.client import Connection

from .stack import Shared, Stack, running, shared_parts

POSTS = "/api/v1/posts"


@pytest.fixture
def fresh(transport: str, shared: Shared) -> Iterator[Stack]:
    """A stack of its own."""
    with running(transport, shared) as started:
        yield started


def token(stack: Stack) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {stack.shared.corp.token('sam', roles=['viewer'])}")]


def test_a_frozen_sidecar_is_a_503_and_not_an_allow(fresh):
    headers = token(fresh)
    assert fresh.send(POSTS, headers).status == 200
    before = fresh.shared.upstream.served.total()
    fresh.sidecar.pause()
    started = time.monotonic()
    reply = fresh.send(POSTS, headers)
    took = time.monotonic() - started
    assert reply.status == 503
    assert took < 5
    assert fresh.logged(reply)["details"] == "ext_authz_error"
    assert fresh.send("/public/page").status == 503
    assert fresh.shared.upstream.served.total() == before
    fresh.sidecar.resume()
    until = time.monotonic() + 15
    while fresh.send(POSTS, headers).status != 200:
        assert time.monotonic() < until, "it did not recover"
        time.sleep(0.05)


def test_a_killed_sidecar_is_a_503_and_not_an_allow(fresh):
    headers = token(fresh)
    assert fresh.send(POSTS, headers).status == 200
    before = fresh.shared.upstream.served.total()
    fresh.sidecar.proc.kill()
    for target in (POSTS, "/public/page", "/optional"):
        assert fresh.send(target, headers if target == POSTS else []).status == 503
    assert fresh.shared.upstream.served.total() == before


def test_one_sidecar_that_shuts_down_answers_until_its_delay_is_over(fresh):
    """With nobody else to ask, Envoy's panic threshold keeps asking the one that drains; then 503. Exit code 0."""
    headers = token(fresh)
    fresh.sidecar.terminate()
    for pause in (0.05, 0.1, 1, 1, 0.1):  # also after more than the 200 ms of quiet that end a drain once the delay is over
        time.sleep(pause)
        assert fresh.send(POSTS, headers).status == 200
    assert fresh.sidecar.proc.wait(20) == 0
    assert fresh.send(POSTS, headers).status == 503


def test_a_denial_stays_one_whatever_the_failure_mode(transport):
    """Our faults leave as denials: an Envoy that lets errors through lets none of them through."""
    with shared_parts() as parts:
        parts.partner.status = 500
        with running(transport, parts, failure_mode_allow=True) as stack:
            before = parts.upstream.served.total()
            for headers, status, reason in (
                ([], 401, "missing_credential"),
                ([("x-api-key", "sk_unknown")], 403, "invalid_api_key"),
                ([("authorization", f"Bearer {parts.partner.token('sam')}")], 503, "keys_unavailable"),
            ):
                reply = stack.send("/whoami", headers)
                assert (reply.status, stack.reason(reply)) == (status, reason)
            assert parts.upstream.served.total() == before


class Load(threading.Thread):
    """One kept-alive caller that counts the statuses it gets; a broken connection counts as ``error``."""

    def __init__(self, port: int, headers: list[tuple[str, str]]) -> None:
        """Ask ``port`` until ``stop``."""
        super().__init__(daemon=True)
        self.counts: Counter[int | str] = Counter()
        self._port = port
        self._headers = [("host", "api.example.com"), *headers]
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        """Ask, at most 200 times a second."""
        connection = Connection(self._port)
        try:
            while not self._stopped.wait(0.005):
                self.counts[connection.send("GET", POSTS, self._headers).status] += 1
        except (OSError, ValueError) as error:
            self.counts[f"error {error!r}"] += 1
        finally:
            connection.close()

    def stop(self) -> Counter[int | str]:
        """End it and return what it counted."""
        self._stopped.set()
        self.join(15)
        return self.counts


def test_of_two_sidecars_one_can_go_without_a_single_error(transport, shared):
    """SIGTERM under load: NOT_SERVING first, answers all the same until Envoy's health checks have moved everything over."""
    with running(transport, shared, sidecars=2) as stack:
        assert stack.envoy.healthy_sidecars() == 2
        callers = [Load(stack.envoy.port, token(stack)) for _ in range(4)]
        time.sleep(1)
        leaving = stack.sidecars[0][0]
        leaving.terminate()
        assert leaving.proc.wait(20) == 0
        time.sleep(1)
        counts = sum((caller.stop() for caller in callers), Counter())
        assert set(counts) == {200}
        assert counts[200] > 500
        assert stack.envoy.healthy_sidecars() == 1
        both = [len([record for record in server.records() if record["decision"] == "allow"]) for server, _ in stack.sidecars]
        assert min(both) > 0


@pytest.mark.parametrize("transport", ["native-uds", "grpcio-tcp"])
def test_of_two_sidecars_one_can_hang(transport, shared):
    """Refused with 503 at first, never let through; once the health checks have noticed, the other answers everything."""
    with running(transport, shared, sidecars=2) as stack:
        headers = token(stack)
        stack.sidecars[0][0].pause()
        until = time.monotonic() + 20
        while stack.envoy.healthy_sidecars() > 1:
            assert stack.send(POSTS, headers).status in {200, 503}
            assert time.monotonic() < until, "Envoy did not notice"
        assert {stack.send(POSTS, headers).status for _ in range(20)} == {200}
