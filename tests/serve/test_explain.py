"""The latest decisions on the admin listener: listed, and explained by their id."""

import json
from typing import Any

import pytest

from tests.servers.client import send

from .site import Running, Site, eventually


def admin(running: Running, page: str) -> tuple[int, Any]:
    reply = send(running.site.admin, page, host=f"127.0.0.1:{running.site.admin}")
    return reply.status, reply.json


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_a_decision_is_explained_by_its_id(tmp_path: Any, transport: str) -> None:
    site = Site(tmp_path, transport=transport)
    small, secret = site.token(roles=["nobody"]), site.new_key("billing-1")
    with site.start() as running:
        assert running.with_token(small) == 403
        assert running.with_key(secret) == 200
        assert running.http_status("/post") == 403
        assert running.with_key("sk_canary_of_this_test") == 403
        eventually(lambda: len(admin(running, "/decisions")[1]["decisions"]) == 4)
        listed = admin(running, "/decisions")[1]["decisions"]
        assert [record["reason"] for record in listed] == ["invalid_api_key", "no_route", "permitted", "insufficient_permission"]
        assert listed == list(reversed(running.records()))
        assert [one["path"] for one in admin(running, "/decisions?decision=allow")[1]["decisions"]] == ["/posts"]
        assert len(admin(running, "/decisions?route=posts&decision=deny")[1]["decisions"]) == 2

        explained = {record["reason"]: admin(running, f"/explain?id={record['decision_id']}")[1] for record in listed}
        assert all(explained[record["reason"]]["record"] == record for record in listed)
        denied = explained["insufficient_permission"]
        assert denied["nearest"] == ["missing permission posts:read; granted by the role viewer"]
        assert [step["phase"] for step in denied["steps"]] == [
            "host",
            "path",
            "route",
            "route",
            "authentication",
            "requirement",
            "decision",
        ]
        assert explained["no_route"]["nearest"] == ["routes.posts (/posts): part 1 is post, not posts (a slip?)"]
        assert explained["permitted"]["steps"][-1]["text"] == "allow"
        for text in (json.dumps(explained), json.dumps(listed)):
            assert secret not in text
            assert "canary" not in text
            assert small.rpartition(".")[2] not in text

        assert admin(running, "/explain?id=aaaaaaaaaaaaaaaa")[0] == 404
        site.edit('viewer: {permissions: ["posts:read"]}', 'viewer: {permissions: ["posts:read", "x:y"]}')
        eventually(lambda: running.status()["revision"] != listed[0]["revision"])
        old = admin(running, f"/explain?id={listed[0]['decision_id']}")[1]
        assert set(old) == {"record", "note"}
