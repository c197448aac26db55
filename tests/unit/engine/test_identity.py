"""Identity headers: always set or removed, never cleaned or cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authz.grants import Rbac
from sidecar.engine.identity import IdentityPlan, UnsafeIdentity
from sidecar.model.mutation import Mutations
from sidecar.model.principal import Identity
from sidecar.model.settings import IdentityHeader, RoleSettings


def header(name: str, source: str, *, join: str = ",", expand: bool = False, percent: bool = False) -> IdentityHeader:
    return IdentityHeader(name=name, source=source, join=join, expand=expand, percent_encode=percent)


FOUR = (
    header("x-user-id", "subject"),
    header("x-user-email", "email"),
    header("x-user-roles", "roles"),
    header("x-user-permissions", "permissions"),
)
ROLES = {"admin": RoleSettings(name="admin", inherits=(), permissions=("posts:*", "users:read"))}


def mutations(
    headers: tuple[IdentityHeader, ...] = FOUR, concrete: tuple[str, ...] = (), removed: tuple[str, ...] = (), **fields: object
) -> object:
    who = Identity(**{"kind": "jwt", "authenticator": "corp", "issuer": "https://idp", "subject": "u1", **fields})
    return IdentityPlan(headers, removed, concrete).mutations(Rbac(ROLES, ()).principal(who, 0.0))


def values(result: object) -> dict[str, str]:
    assert isinstance(result, Mutations)
    return dict(result.upstream.set_headers)


def test_what_has_no_value_is_removed() -> None:
    result = mutations(roles=("admin", "x"), email="a@b", email_trusted=False, removed=("x-api-key",))
    assert values(result) == {"x-user-id": "u1", "x-user-roles": "admin,x", "x-user-permissions": "posts:*,users:read"}
    assert result.upstream.removed == ("x-user-email", "x-api-key")


def test_anonymous_callers_have_every_identity_header_removed() -> None:
    result = mutations(kind="anonymous", subject="", issuer="", authenticator="")
    assert values(result) == {}
    assert set(result.upstream.removed) == {one.name for one in FOUR}


def test_an_email_counts_only_when_it_is_trusted() -> None:
    assert values(mutations(email="a@b", email_trusted=True))["x-user-email"] == "a@b"


def test_expand_lists_the_concrete_permissions() -> None:
    expanded = (header("x-p", "permissions", expand=True),)
    assert values(mutations(expanded, ("posts:read", "posts:create", "users:write", "users:read"), roles=("admin",))) == {
        "x-p": "posts:read,posts:create,users:read"
    }


def test_other_sources() -> None:
    plan = (
        header("a", "attributes.dept"),
        header("m", "metadata.plan"),
        header("s", "scopes", join=" "),
        header("i", "issuer"),
        header("k", "key_id"),
    )
    result = mutations(
        plan, attributes={"dept": ["x", 1, True]}, metadata={"plan": "gold"}, scopes=("r", "w"), kind="api_key", credential_id="k-1"
    )
    assert values(result) == {"a": "x,1,true", "m": "gold", "s": "r w", "i": "https://idp", "k": "k-1"}


@pytest.mark.parametrize("bad", ["a,b", "a\r\nb", "a\x00", "ä", " a", "a ", "a" * 4097])
def test_a_value_that_could_be_read_otherwise_is_refused_or_encoded(bad: str) -> None:
    refused = mutations(subject=bad)
    assert isinstance(refused, UnsafeIdentity)
    assert bad not in refused.detail.split()
    if len(bad) < 4096:
        encoded = values(mutations((header("x-user-id", "subject", percent=True),), subject=bad))["x-user-id"]
        assert encoded.isascii()
        assert encoded.isprintable()
        assert encoded == encoded.strip()
        assert "," not in encoded


@given(st.text(min_size=1, max_size=40), st.booleans())
def test_no_header_value_ever_splits(text: str, percent: bool) -> None:
    result = mutations(
        (header("x-user-id", "subject", percent=percent), header("x-r", "roles", percent=percent)), subject=text, roles=(text, "b")
    )
    if isinstance(result, Mutations):
        for value in values(result).values():
            assert all(" " <= char <= "~" for char in value)
            assert value == value.strip()
        assert len(values(result)["x-r"].split(",")) == len({text, "b"})
