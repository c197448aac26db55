"""The policy of the source document through the real Envoy, with an owner that comes over HTTP: up, slow, down."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from tests.servers.client import Reply
from tests.servers.httpd import HttpServer, Request, Response

from .stack import TRANSPORTS, Stack, running, shared_parts

ADDED = """
policies:
  same-department:
    effect: allow
    conditions:
      and:
        - user.department: {{equals: resource.owner.department}}
        - user.role: {{in: [viewer, manager]}}
        - environment.time: {{between: ["00:00", "23:59"]}}
  small: {{effect: allow, conditions: {{resource.size: {{less_than: 10}}}}}}
attributes:
  post-owner: {{provides: resource.owner, http: {{url: "{url}/posts/{{post_id}}/owner"}}, timeout: 300ms, cache: {cache}}}
  post-size: {{provides: resource.size, http: {{url: "{url}/sizes/{{post_id}}"}}, timeout: 300ms, when_unavailable: deny}}
"""
ROUTES = """
  owned: {paths: ["/owned/{post_id}"], authenticate: [corp], require: {permission: "posts:read", policies: [same-department]}}
  sized: {paths: ["/sized/{post_id}"], authenticate: [corp], require: {policies: [small]}}
"""


class Owners:
    """Departments by post; ``slow`` seconds before each answer."""

    def __init__(self) -> None:
        self.slow = 0.0
        self.asked: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request.target)
        await asyncio.sleep(self.slow)
        department = {"/posts/mine/owner": "eng", "/posts/theirs/owner": "ops"}.get(request.target)
        if department is None and not request.target.startswith("/posts/mine-"):
            return Response(404)
        return Response(200, json.dumps({"id": "jane", "department": department or "eng"}).encode())


class Scene:
    def __init__(self, stack: Stack, owners: Owners, server: HttpServer) -> None:
        self.stack = stack
        self.owners = owners
        self.server = server

    def get(self, target: str, *, department: str = "eng", roles: tuple[str, ...] = ("viewer",)) -> tuple[int, str, str]:
        """Status, exact reason and rule."""
        token = self.stack.shared.corp.token("sam", roles=list(roles), department=department)
        reply: Reply = self.stack.send(target, [("authorization", f"Bearer {token}")])
        record = self.stack.sidecar.record_of(self.stack.logged(reply)["decision_id"])
        return reply.status, record["reason"], record["rule"]

    def eventually(self, target: str, status: int, within: float = 15.0) -> None:
        until = time.monotonic() + within
        while (found := self.get(target))[0] != status:
            assert time.monotonic() < until, found
            time.sleep(0.1)


@pytest.fixture(scope="module", params=TRANSPORTS)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The sources come with a reload, beside a front that serves."""
    owners = Owners()
    with shared_parts() as parts, HttpServer(owners) as server, running(request.param, parts) as stack:
        text = stack.sidecar.config.read_text()
        assert text.count("      scopes: scope\n") == 1
        text = text.replace("      scopes: scope\n", "      scopes: scope\n      attributes: {department: department}\n")
        text = text.replace("\nidentity_headers:", f"{ROUTES}\nidentity_headers:")
        stack.sidecar.rewrite(text + ADDED.format(url=server.url, cache="1h"))
        made = Scene(stack, owners, server)
        until = time.monotonic() + 20
        while "post-owner" not in stack.sidecar.status()["attributes"]:
            assert time.monotonic() < until, stack.sidecar.status()["last_reload"]
            time.sleep(0.1)
        yield made


def test_five_cases_with_the_source_up_slow_and_down(scene: Scene) -> None:
    scene.eventually("/owned/mine", 200)
    assert scene.get("/owned/mine") == (200, "permitted", "routes.owned.require")
    assert scene.get("/owned/theirs") == (403, "policy_not_satisfied", "policies.same-department")
    assert scene.get("/owned/nobodys") == (403, "policy_not_satisfied", "policies.same-department")
    asked = len(scene.owners.asked)
    assert scene.get("/owned/mine", department="ops")[1] == "policy_not_satisfied"
    assert scene.get("/owned/mine-0", roles=())[1] == "insufficient_permission"
    assert len(scene.owners.asked) == asked, "neither hinges on an owner that is not known yet"

    scene.owners.slow = 2.0
    began = time.monotonic()
    assert scene.get("/owned/mine-1") == (503, "dependency_unavailable", "attributes.post-owner")
    assert time.monotonic() - began < 1.5
    assert scene.get("/owned/mine")[0] == 200, "what is remembered needs nobody"

    scene.owners.slow = 0.0
    scene.server.down()
    assert scene.get("/owned/mine-2") == (503, "dependency_unavailable", "attributes.post-owner")
    assert scene.get("/sized/mine-2") == (403, "policy_not_satisfied", "policies.small")
    assert scene.get("/owned/mine")[0] == 200

    for number in range(6):
        scene.get(f"/owned/mine-x{number}")
    status = scene.stack.sidecar.status()["attributes"]["post-owner"]
    assert status["breaker"] in {"open", "half-open"}
    assert status["results"]["failed"] >= 5
    assert status["cache_entries"] >= 3
    assert 'sidecar_attribute_requests_total{source="post-owner",result="failed"}' in scene.stack.sidecar.metrics()

    scene.server.up()
    scene.eventually("/owned/mine-2", 200)
    assert scene.stack.sidecar.status()["attributes"]["post-owner"]["breaker"] == "closed"
    assert scene.stack.sidecar.status()["ready"]
