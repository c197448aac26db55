"""``expand: true`` lists the concrete permissions that the configuration names, wherever it names them."""

from tests.support.world import World, bearer, config


def test_permissions_that_only_users_name_are_listed() -> None:
    data = config(identity_headers={"x-permissions": {"from": "permissions", "expand": True}})
    data["users"] = [{"match": {"issuer": "corp", "subject": "user-1"}, "permissions": ["reports:read"]}]
    decision = World(data).decide(path="/me", headers=bearer(roles=["admin"]))
    assert ("x-permissions", "posts:read,users:read,posts:create,posts:update,reports:read") in decision.mutations.upstream.set_headers
