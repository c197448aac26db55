"""Roles, users and time-limited grants to principals."""

import pytest

from sidecar.authz.grants import Rbac
from sidecar.authz.require import Requirement
from sidecar.model.principal import Identity, Principal
from sidecar.model.reason import Reason
from sidecar.model.settings import RequireSettings, RoleSettings, UserGrant

ROLES = {
    "viewer": RoleSettings(name="viewer", inherits=(), permissions=("posts:read",)),
    "editor": RoleSettings(name="editor", inherits=("viewer",), permissions=("posts:update",)),
    "admin": RoleSettings(name="admin", inherits=("editor",), permissions=("users:*",)),
}


def identity(**changes: object) -> Identity:
    return Identity(**{"kind": "jwt", "authenticator": "corp", "issuer": "https://idp", "subject": "u1", **changes})


def grant(**changes: object) -> UserGrant:
    fields = {"issuer": "corp", "subject": None, "email": None, "roles": (), "permissions": (), "not_before": None, "expires_at": None}
    return UserGrant(**{**fields, **changes})


def principal(who: Identity, *grants: UserGrant, wall: float = 1000.0) -> Principal:
    return Rbac(ROLES, grants).principal(who, wall)


def test_roles_inherit_and_unknown_roles_stay_without_permissions() -> None:
    who = principal(identity(roles=("editor", "guest"), permissions=("x:y",)))
    assert who.roles == ("editor", "guest")
    assert who.closure == {"editor", "viewer", "guest"}
    assert who.permissions.names == ("posts:update", "posts:read", "x:y")


def test_a_cycle_that_slipped_through_ends() -> None:
    roles = {name: RoleSettings(name=name, inherits=(other,), permissions=()) for name, other in (("a", "b"), ("b", "a"))}
    assert Rbac(roles, ()).principal(identity(roles=("a",)), 0).closure == {"a", "b"}


@pytest.mark.parametrize(
    ("who", "roles"),
    [
        (identity(subject="u1"), ("viewer",)),
        (identity(subject="u2", email="j@example.com", email_trusted=True), ("admin",)),
        (identity(subject="u2", email="j@example.com", email_trusted=False), ()),
        (identity(subject="u2", email="J@example.com", email_trusted=True), ()),
        (identity(subject="u1", authenticator="other"), ()),
        (identity(subject="u1", kind="api_key"), ()),
    ],
)
def test_users_match_by_issuer_and_subject_or_trusted_email(who: Identity, roles: tuple[str, ...]) -> None:
    grants = (grant(subject="u1", roles=("viewer",)), grant(email="j@example.com", roles=("admin",)))
    assert principal(who, *grants).roles == roles


def test_time_limited_grants_say_when_the_principal_has_to_be_worked_out_again() -> None:
    limited = grant(subject="u1", roles=("admin",), not_before=2000.0, expires_at=3000.0)
    before, during, after = (principal(identity(expires_at=9000.0), limited, wall=wall) for wall in (1999.9, 2000.0, 3000.0))
    assert (before.roles, before.until) == ((), 2000.0)
    assert (during.roles, during.until) == (("admin",), 3000.0)
    assert (after.roles, after.until) == ((), 9000.0)


def test_scopes_cut_permissions_where_they_are_a_ceiling() -> None:
    who = principal(identity(roles=("admin",), scopes=("posts:read", "users:read", "posts:create"), scopes_are_ceiling=True))
    assert set(who.permissions.names) == {"posts:read", "users:read"}
    assert not who.permissions.grants("posts:update")


def check(who: Principal, *parts: tuple[str, tuple[str, ...]]) -> tuple[Reason, str] | None:
    unmet = Requirement(RequireSettings(parts=parts)).check(who)
    return None if unmet is None else (unmet.reason, unmet.keyword)


@pytest.mark.parametrize(
    ("keyword", "values", "reason"),
    [
        ("permission", ("posts:read",), None),
        ("permission", ("posts:delete",), Reason.INSUFFICIENT_PERMISSION),
        ("all_permissions", ("posts:read", "posts:update"), None),
        ("all_permissions", ("posts:read", "posts:delete"), Reason.INSUFFICIENT_PERMISSION),
        ("any_permission", ("posts:delete", "posts:read"), None),
        ("any_permission", ("posts:delete",), Reason.INSUFFICIENT_PERMISSION),
        ("role", ("viewer",), None),
        ("role", ("admin",), Reason.INSUFFICIENT_PERMISSION),
        ("all_roles", ("viewer", "editor"), None),
        ("all_roles", ("viewer", "admin"), Reason.INSUFFICIENT_PERMISSION),
        ("any_role", ("admin", "editor"), None),
        ("any_role", ("admin",), Reason.INSUFFICIENT_PERMISSION),
        ("scope", ("read",), None),
        ("scope", ("write",), Reason.INSUFFICIENT_SCOPE),
        ("all_scopes", ("read", "write"), Reason.INSUFFICIENT_SCOPE),
        ("any_scope", ("write", "read"), None),
        ("audiences", ("api", "other"), None),
        ("audiences", ("other",), Reason.INSUFFICIENT_PERMISSION),
        ("authenticated", (), None),
    ],
)
def test_require(keyword: str, values: tuple[str, ...], reason: Reason | None) -> None:
    who = principal(identity(roles=("editor",), scopes=("read",), audiences=("api",)))
    assert check(who, (keyword, values)) == (None if reason is None else (reason, keyword))


def test_all_parts_must_hold_and_the_first_unmet_one_is_named() -> None:
    who = principal(identity(roles=("editor",)))
    assert check(who, ("permission", ("posts:read",)), ("scope", ("s",)), ("role", ("admin",))) == (Reason.INSUFFICIENT_SCOPE, "scope")


def test_anonymous_callers_miss_a_credential() -> None:
    who = principal(identity(kind="anonymous", authenticator="", subject=""))
    assert check(who, ("authenticated", ())) == (Reason.MISSING_CREDENTIAL, "authenticated")
    assert check(who, ("permission", ("a",))) == (Reason.MISSING_CREDENTIAL, "permission")


@pytest.mark.parametrize("parts", [(), (("permission", ()),), (("any_role", ()),), (("nonsense", ("a",)),)])
def test_an_empty_or_unknown_demand_is_never_met(parts: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    """Security rule 18."""
    with pytest.raises(ValueError, match="require"):
        Requirement(RequireSettings(parts=parts))
