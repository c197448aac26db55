"""Security rule 7: claims are typed when they are read, and nothing is granted that is not mapped."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authn.claims import ClaimMapping
from sidecar.model.outcome import Rejected
from sidecar.model.principal import Identity
from sidecar.model.reason import Reason
from sidecar.model.settings import ClaimPath, PermissionClaim, RoleClaim, ScopeClaim
from tests.support.issuers import make_claim_settings
from tests.support.tokens import ISSUER, claims


def identity(body: dict[str, Any], **settings: Any) -> Identity:
    mapping = ClaimMapping(make_claim_settings(**settings), authenticator="corp", issuer=ISSUER)
    return mapping.identity(claims(**body), "user-1", ("aud",))


def roles(*paths: ClaimPath, rename: dict[str, str] | None = None, allow: frozenset[str] | None = None) -> RoleClaim:
    return RoleClaim(paths=paths or (("roles",),), rename=rename or {}, allow=allow)


def test_nothing_is_granted_that_is_not_mapped() -> None:
    body = {"roles": ["admin"], "permissions": ["*"], "scope": "all", "email": "a@example.com", "email_verified": True, "department": "x"}
    got = identity(body)
    assert (got.roles, got.permissions, got.scopes, got.email, got.email_trusted, got.attributes) == ((), (), (), None, False, {})


def test_what_every_identity_carries() -> None:
    got = identity({"jti": "t-1", "nbf": 1_799_999_000})
    assert (got.kind, got.authenticator, got.issuer, got.subject, got.audiences) == ("jwt", "corp", ISSUER, "user-1", ("aud",))
    assert (got.credential_id, got.issued_at, got.not_before, got.expires_at) == ("t-1", 1_800_000_000, 1_799_999_000, 1_800_000_600)
    assert identity({"iat": None}).issued_at is None
    assert identity({}).not_before == 0.0


class TestRoles:
    @pytest.mark.parametrize(
        ("value", "granted"),
        [
            (["viewer", "editor"], ("viewer", "editor")),
            ("viewer", ("viewer",)),
            ("viewer editor", ("viewer editor",)),
            ("viewer,admin", ("viewer,admin",)),
            (["viewer", "viewer"], ("viewer", "viewer")),
            ([], ()),
            ("", ()),
            (["", "viewer"], ("viewer",)),
            (["admin", 1], ()),
            (["admin", None], ()),
            ([["admin"]], ()),
            ({"admin": True}, ()),
            (1, ()),
            (True, ()),
            (None, ()),
        ],
    )
    def test_types(self, value: object, granted: tuple[str, ...]) -> None:
        assert identity({"roles": value}, roles=roles()).roles == granted

    def test_a_text_is_not_searched(self) -> None:
        """CVE-style: ``"admin" in "notadmin"``."""
        assert identity({"roles": "notadmin"}, roles=roles(allow=frozenset({"admin"}))).roles == ()

    def test_the_union_of_paths_in_order(self) -> None:
        body = {"roles": ["a", "b"], "realm_access": {"roles": ["b", "c"]}}
        assert identity(body, roles=roles(("roles",), ("realm_access", "roles"))).roles == ("a", "b", "c")

    @pytest.mark.parametrize("value", [None, "roles", ["roles"], 1, {"other": ["a"]}, {"roles": {"roles": ["a"]}}])
    def test_a_path_that_leads_nowhere(self, value: object) -> None:
        assert identity({"realm_access": value}, roles=roles(("realm_access", "roles"))).roles == ()

    def test_a_dot_in_a_name_is_no_path(self) -> None:
        body = {"https://example.com/roles": ["a"], "a.b": ["b"], "a": {"b": ["c"]}}
        assert identity(body, roles=roles(("https://example.com/roles",), ("a.b",))).roles == ("a", "b")

    def test_renamed_then_cut(self) -> None:
        """A token cannot name a role past the list, nor one that only a new name leads to."""
        settings = roles(rename={"ops": "admin"}, allow=frozenset({"admin", "viewer"}))
        assert identity({"roles": ["ops", "viewer", "root"]}, roles=settings).roles == ("admin", "viewer")
        assert identity({"roles": ["ops", "admin"]}, roles=settings).roles == ("admin",)
        assert identity({"roles": ["ops"]}, roles=roles(rename={"ops": "admin"}, allow=frozenset({"ops"}))).roles == ()

    def test_an_empty_list_of_allowed_roles_grants_nothing(self) -> None:
        assert identity({"roles": ["admin"]}, roles=roles(allow=frozenset())).roles == ()


class TestPermissions:
    @pytest.mark.parametrize(
        ("value", "allow", "granted"),
        [
            (["posts:read", "users:read"], None, ("posts:read", "users:read")),
            ("posts:read", None, ("posts:read",)),
            (["posts:*"], None, ()),
            (["*"], None, ()),
            (["posts:*:own"], None, ()),
            (["posts:read", "users:read"], ("posts:*",), ("posts:read",)),
            (["posts:*"], ("posts:*",), ("posts:*",)),
            (["*"], ("posts:*",), ()),
            (["*"], ("*",), ("*",)),
            (["posts:*"], ("posts:read",), ()),
            (["posts:*:own", "posts:1:own"], ("posts:*:own",), ("posts:*:own", "posts:1:own")),
            (["posts:*"], ("posts:*:own",), ()),
            (["posts:*"], ("*",), ("posts:*",)),
            (["posts"], ("posts:*",), ()),
            (["po*", "posts:re*", "posts::read", "posts:", ":", ""], ("*",), ()),
            (["posts:re ad", "a,b", "a\nb"], ("*",), ()),
            (["posts:read", 1], None, ()),
            ({"posts:read": True}, None, ()),
        ],
    )
    def test_wildcards_count_only_where_they_are_covered(
        self, value: object, allow: tuple[str, ...] | None, granted: tuple[str, ...]
    ) -> None:
        settings = PermissionClaim(paths=(("permissions",),), allow=allow)
        assert identity({"permissions": value}, permissions=settings).permissions == granted


class TestScopes:
    @pytest.mark.parametrize(
        ("value", "granted"),
        [
            ("openid posts:read", ("openid", "posts:read")),
            ("  a   b ", ("a", "b")),
            ("a\tb", ("a\tb",)),
            ("", ()),
            (["a", "b"], ("a", "b")),
            (["a b"], ("a b",)),
            (["a", 1], ()),
            ({"a": 1}, ()),
            (1, ()),
        ],
    )
    def test_types(self, value: object, granted: tuple[str, ...]) -> None:
        assert identity({"scope": value}, scopes=ScopeClaim(paths=(("scope",),), ceiling=False)).scopes == granted

    @pytest.mark.parametrize("ceiling", [True, False])
    def test_union_and_ceiling(self, ceiling: bool) -> None:
        got = identity({"scope": "a b", "scp": ["b", "c"]}, scopes=ScopeClaim(paths=(("scope",), ("scp",)), ceiling=ceiling))
        assert got.scopes == ("a", "b", "c")
        assert got.scopes_are_ceiling is ceiling


class TestEmail:
    @pytest.mark.parametrize(
        ("verified", "always", "trusted"),
        [
            (True, False, True),
            (False, False, False),
            ("true", False, False),
            (1, False, False),
            (None, False, False),
            (False, True, True),
            (None, True, True),
        ],
    )
    def test_trust(self, verified: object, always: bool, trusted: bool) -> None:
        got = identity({"email": "a@example.com", "email_verified": verified}, email=("email",), email_trusted_always=always)
        assert (got.email, got.email_trusted) == ("a@example.com", trusted)

    @pytest.mark.parametrize("value", ["", " a@example.com", "a@example.com\n", "a\0@example.com", 1, ["a@example.com"], None, "a" * 256])
    def test_what_is_no_address(self, value: object) -> None:
        got = identity({"email": value, "email_verified": True}, email=("email",), email_trusted_always=True)
        assert (got.email, got.email_trusted) == (None, False)


class TestAttributes:
    def test_by_path_of_any_type(self) -> None:
        paths = {
            "department": ("department",),
            "level": ("clearance", "level"),
            "gone": ("gone",),
            "nothing": ("nothing",),
            "groups": ("groups",),
        }
        got = identity({"department": "eng", "clearance": {"level": 3}, "nothing": None, "groups": ["a"], "other": 1}, attributes=paths)
        assert got.attributes == {"department": "eng", "level": 3, "groups": ["a"]}


class TestSubject:
    """Security rule 6."""

    @staticmethod
    def subject(value: object, template: str | None = None, path: ClaimPath = ("sub",)) -> str | Rejected:
        mapping = ClaimMapping(make_claim_settings(subject=path, subject_template=template), authenticator="corp", issuer=ISSUER)
        return mapping.subject({"sub": value})

    @pytest.mark.parametrize("value", ["user-1", "a", "a" * 255, "with space", "ü", "auth0|1", "{issuer}"])
    def test_good(self, value: str) -> None:
        assert self.subject(value) == value

    @pytest.mark.parametrize(
        "value",
        ["", " ", " a", "a ", "a\u00a0", "\u2003a", "a\n", "a\nb", "a\0b", "a\x7fb", "a\x85b", "a" * 256, 1, True, None, ["a"], {"a": 1}],
    )
    def test_bad(self, value: object) -> None:
        got = self.subject(value)
        assert isinstance(got, Rejected)
        assert got.reason is Reason.INVALID_TOKEN

    def test_absent(self) -> None:
        assert isinstance(self.subject("user-1", path=("uid",)), Rejected)

    @pytest.mark.parametrize(
        ("value", "template", "expected"),
        [
            ("u1", "{issuer}:{subject}", "corp:u1"),
            ("{issuer}", "{subject}@{issuer}", "{issuer}@corp"),
            ("{subject}", "{subject}/{subject}", "{subject}/{subject}"),
            ("u1", "{other}{subject}{}", "{other}u1{}"),
        ],
    )
    def test_template(self, value: str, template: str, expected: str) -> None:
        assert self.subject(value, template) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner),
)


@given(JSON, JSON)
def test_no_claims_raise_or_grant_past_the_lists(one: object, other: object) -> None:
    """Security rules 6 and 7."""
    settings = make_claim_settings(
        subject=("a", "b"),
        email=("a",),
        roles=RoleClaim(paths=(("a",), ("a", "b")), rename={}, allow=frozenset({"viewer"})),
        permissions=PermissionClaim(paths=(("b",),), allow=("posts:*",)),
        scopes=ScopeClaim(paths=(("a",), ("b", "a")), ceiling=True),
        attributes={"x": ("a", "b")},
    )
    mapping = ClaimMapping(settings, authenticator="corp", issuer=ISSUER)
    body = claims(a=one, b=other)
    assert isinstance(mapping.subject(body), str | Rejected)
    got = mapping.identity(body, "s", ())
    assert set(got.roles) <= {"viewer"}
    assert all(name.startswith("posts:") for name in got.permissions)
    assert all(isinstance(scope, str) and scope for scope in got.scopes)
