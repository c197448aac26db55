"""What a reload watches and forbids, and work in slices."""

import asyncio
import os
import time
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.app import attribute_sources
from sidecar.app.process import Core, changed_since, forbidden_changes, watched_groups
from sidecar.app.slices import SLICE, in_slices
from sidecar.app.unsafe import unsafe_settings
from tests.support.settings import BASE, make_settings

CORP = BASE["issuers"]["corp"]


def test_files_are_watched_by_source() -> None:
    settings = make_settings(
        issuers={"corp": CORP | {"keys": {"file": "/k/jwks.json"}}, "url": CORP | {"issuer": "https://u.example.com"}},
        api_keys={"partners": {"store": {"file": "/k/keys.yaml"}, "peppers": {"1": {"file": "/k/pepper"}, "2": {"env": "P"}}}},
    )
    assert watched_groups(settings) == {"issuer:corp": ("/k/jwks.json",), "store:partners": ("/k/keys.yaml", "/k/pepper")}


def test_sources_that_could_not_be_read_are_named_as_they_are_watched() -> None:
    async def without_last(names: list[str]) -> list[str]:
        return names[:-1]

    core: Any = SimpleNamespace(
        issuers=SimpleNamespace(reread=lambda names: names),
        stores=SimpleNamespace(reread=without_last),
        attributes=SimpleNamespace(reread=without_last),
    )
    unread = asyncio.run(Core.reread(core, frozenset({"issuer:a", "store:b"})))
    assert unread == {"issuer:a"}
    core.stores.reread = core.attributes.reread = AsyncMock(side_effect=list)
    groups = frozenset({"issuer:a", "store:b", f"{attribute_sources.PREFIX}c"})
    assert asyncio.run(Core.reread(core, groups)) == groups


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"server": {"listen": "127.0.0.1:1"}}, "server.listen"),
        ({"server": {"transport": "grpcio"}}, "server.transport"),
        ({"server": {"tls": {"cert_file": "/c", "key_file": "/k"}}}, "server.tls"),
        ({"telemetry": {"listen": "127.0.0.1:1"}}, "telemetry.listen"),
        ({"admin": {"listen": "127.0.0.1:1"}}, "admin.listen"),
    ],
)
def test_what_needs_a_restart(section: dict[str, object], key: str) -> None:
    (problem,) = forbidden_changes(make_settings(), make_settings(**section))
    assert problem.where.key == key
    assert "needs a restart" in problem.message


def test_everything_else_may_change() -> None:
    changed = make_settings(server={"max_in_flight": 2, "shutdown_delay": "1s", "check_deadline": "50ms"}, strip_headers=["x-a"])
    assert forbidden_changes(make_settings(), changed) == ()


def test_a_guarded_change_is_forbidden_until_it_is_acknowledged() -> None:
    new = {"issuers": {"other": CORP | {"issuer": "https://other.example.com"}}, "routes": {"r": BASE["routes"]["health"]}}
    (problem,) = forbidden_changes(make_settings(), make_settings(**new))
    assert "acknowledge: [issuer_dropped:corp]" in problem.hint
    assert forbidden_changes(make_settings(), make_settings(**new, acknowledge=["issuer_dropped:corp"])) == ()


def test_a_file_written_since_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.touch()
    written = path.stat().st_ctime
    assert changed_since([str(path)], written - 1)
    assert not changed_since([str(path)], written + 1)
    assert not changed_since([str(tmp_path / "gone")], 0.0)
    os.utime(path, (0, 0))
    assert changed_since([str(path)], written - 1), "a file with an old date that was put there just now"


def test_what_weakens_security_has_a_key_path() -> None:
    settings = make_settings(
        issuers={
            "corp": {name: value for name, value in CORP.items() if name != "audiences"} | {"unsafe_no_audience": True, "client_ids": ["c"]}
        },
        routes={"open": {"paths": ["/{rest=**}"], "authenticate": ["anonymous"]}},
        server={"fault_response": "unsafe_error", "unsafe_plaintext_check_listener": True, "listen": "0.0.0.0:9191"},
        admin={"listen": "0.0.0.0:9192", "unsafe_public_admin": True},
        api_keys=None,
    )
    assert unsafe_settings(settings) == (
        "server.unsafe_plaintext_check_listener",
        "server.fault_response",
        "admin.unsafe_public_admin",
        "issuers.corp.unsafe_no_audience",
        "routes.open.authenticate",
    )
    assert unsafe_settings(make_settings()) == ()


def steps(count: int, seconds: float) -> Generator[None, None, str]:
    for _ in range(count):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
        yield
    return "done"


def test_paced_work_lets_others_run() -> None:
    async def scenario() -> tuple[str, int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.0005)
                turns += 1

        task = asyncio.create_task(other())
        result = await in_slices(steps(20, SLICE), SystemClock(), paced=True)
        task.cancel()
        return result, turns

    result, turns = asyncio.run(scenario())
    assert result == "done"
    assert turns >= 10


def test_work_at_start_is_not_paced() -> None:
    began = time.monotonic()
    assert asyncio.run(in_slices(steps(200, 0.0), SystemClock(), paced=False)) == "done"
    assert time.monotonic() - began < 0.15


def test_the_result_s_errors_come_through() -> None:
    def broken() -> Generator[None, None, str]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(in_slices(broken(), SystemClock(), paced=True))
