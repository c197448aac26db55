"""The requests of the demo: what is sent, and what has to come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.servers.client import Header
from tests.servers.issuer import SigningKey, compact, tampered

from .parts import Parts

POSTS = "/api/v1/posts"
READ = "routes.list-posts.require.permission"
CREATE = "routes.create-post.require.permission"
IDENTITY = ("x-user-id", "x-user-email", "x-user-roles", "x-user-permissions")

Headers: TypeAlias = Callable[[Parts], list[Header]]


@dataclass(frozen=True, slots=True)
class Row:
    """One request and its expected outcome. ``plain``: through the Envoy listener that hardens nothing.

    ``saw``: identity headers that the upstream has to see; None where the request must not reach it. ``hidden``: names that it must
    not see. ``before`` is done first. ``rule`` empty: any.
    """

    title: str
    headers: Headers
    status: int
    reason: str
    rule: str = ""
    by: str = "sidecar"
    method: str = "GET"
    target: str = POSTS
    plain: bool = False
    saw: Mapping[str, str] | None = None
    hidden: tuple[str, ...] = ()
    before: Callable[[Parts], None] | None = None
    heading: str = field(default="", kw_only=True)


def bearer(token: str) -> list[Header]:
    """An Authorization header."""
    return [("Authorization", f"Bearer {token}")]


def jane(parts: Parts, **changes: Any) -> str:
    """A good token: Jane is an editor by ``users``."""
    return parts.issuer.token("user_456", **{"email": "jane@example.com", "email_verified": True, **changes})


def john(parts: Parts) -> str:
    """A good token: John is an admin by ``users``."""
    return parts.issuer.token("user_123", email="john@example.com", email_verified=True)


def _alg_none(parts: Parts) -> list[Header]:
    return bearer(compact({"alg": "none", "typ": "JWT"}, parts.issuer.claims("user_123"), None))


def _unknown_kid(parts: Parts) -> list[Header]:
    return bearer(parts.issuer.token("user_123", key=SigningKey.new("key-of-nobody")))


def _rotate(parts: Parts) -> None:
    parts.issuer.rotate("key-2")


def _revoke(parts: Parts) -> None:
    parts.command("keys", "revoke", "partner", "--config", str(parts.config))


def _demote_jane(parts: Parts) -> None:
    parts.sidecar.edit("jane@example.com: {roles: [editor]}", "jane@example.com: {roles: [viewer]}")


FORGED: list[Header] = [("X-User-ID", "root"), ("X-User-Roles", "admin")]
JANE = {"x-user-id": "user_456", "x-user-email": "jane@example.com", "x-user-roles": "editor"}
NOBODY: Mapping[str, str] = {}

ROWS: tuple[Row, ...] = (
    Row("valid token (john, admin)", lambda p: bearer(john(p)), 200, "permitted", READ,
        saw={"x-user-id": "user_123", "x-user-roles": "admin"}, heading="Tokens"),
    Row("valid token (jane, editor)", lambda p: bearer(jane(p)), 200, "permitted", READ, saw=JANE),
    Row("no credential", lambda _: [], 401, "missing_credential"),
    Row("expired", lambda p: bearer(jane(p, iat=1_700_000_000, exp=1_700_000_600)), 401, "expired_token"),
    Row("wrong audience", lambda p: bearer(jane(p, aud="https://other.example.com")), 401, "invalid_token"),
    Row("wrong issuer", lambda p: bearer(jane(p, iss="https://evil.example.com")), 401, "invalid_token"),
    Row("alg: none", _alg_none, 401, "invalid_token"),
    Row("tampered (claims changed, old signature)", lambda p: bearer(tampered(jane(p), sub="user_123")), 401, "invalid_token"),
    Row("unknown key id", _unknown_kid, 401, "invalid_token"),

    Row("API key by X-API-Key", lambda p: [("X-API-Key", p.api_keys["billing"])], 200, "permitted", READ, saw={"x-user-id": "billing"},
        hidden=("x-api-key",), heading="API keys"),
    Row("API key by Authorization: Bearer sk_...", lambda p: bearer(p.api_keys["billing"]), 200, "permitted", READ,
        saw={"x-user-id": "billing"}, hidden=("authorization",)),
    Row("unknown key", lambda _: [("X-API-Key", "sk_this_key_was_never_made")], 403, "invalid_api_key"),
    Row("expired key", lambda p: [("X-API-Key", p.api_keys["old"])], 403, "invalid_api_key"),
    Row("revoked key", lambda p: [("X-API-Key", p.api_keys["leaked"])], 403, "invalid_api_key"),
    Row("token and key together", lambda p: [*bearer(jane(p)), ("X-API-Key", p.api_keys["billing"])], 400, "multiple_credentials"),

    Row("an editor creates", lambda p: bearer(jane(p)), 200, "permitted", CREATE, method="POST", saw=JANE, heading="Roles"),
    Row("an editor deletes: role too small", lambda p: bearer(jane(p)), 403, "insufficient_permission",
        "routes.delete-post.require.permission", method="DELETE", target=f"{POSTS}/42"),
    Row("an admin deletes", lambda p: bearer(john(p)), 200, "permitted", "routes.delete-post.require.permission", method="DELETE",
        target=f"{POSTS}/42", saw={"x-user-id": "user_123"}),
    Row("an editor at /admin", lambda p: bearer(jane(p)), 403, "insufficient_permission", "routes.admin.require.role", target="/admin"),
    Row("a path that no route has", lambda p: bearer(john(p)), 403, "no_route", target="/internal"),

    Row("forged X-User-ID, overwritten", lambda p: [*FORGED, *bearer(jane(p))], 200, "permitted", READ, saw=JANE, heading="Forged headers"),
    Row("forged X-User-ID, anonymous: removed", lambda _: FORGED, 200, "anonymous", target="/public/page", saw=NOBODY, hidden=IDENTITY),
    Row("forged x_user_id, hardened Envoy", lambda p: [("x_user_id", "root"), *bearer(jane(p))], 400, "-", by="Envoy"),
    Row("forged x_user_id, Envoy's defaults: removed", lambda p: [("x_user_id", "root"), *bearer(jane(p))], 200, "permitted", READ,
        plain=True, saw=JANE, hidden=("x_user_id",)),

    Row("dots, hardened Envoy (asks about /admin)", lambda _: [], 401, "missing_credential", target="/public/../admin",
        heading="Hostile paths"),
    Row("dots, Envoy's defaults", lambda _: [], 400, "ambiguous_path", target="/public/../admin", plain=True),
    Row("encoded twice, hardened Envoy", lambda _: [], 400, "ambiguous_path", target="/%2561dmin"),
    Row("encoded twice, Envoy's defaults", lambda _: [], 400, "ambiguous_path", target="/%2561dmin", plain=True),
    Row("encoded slash, hardened Envoy", lambda _: [], 400, "-", by="Envoy", target="/public%2f..%2fadmin"),
    Row("encoded slash, Envoy's defaults", lambda _: [], 400, "ambiguous_path", target="/public%2f..%2fadmin", plain=True),

    Row("the issuer signs with a new key: first token", lambda p: bearer(jane(p)), 200, "permitted", READ, saw=JANE, before=_rotate,
        heading="Live"),
    Row("... a token of the old key", lambda p: bearer(jane(p, key=p.issuer.published[0])), 200, "permitted", READ, saw=JANE),
    Row("jane is made a viewer in the file: creates", lambda p: bearer(jane(p)), 403, "insufficient_permission", CREATE, method="POST",
        before=_demote_jane),
    Row("... and still reads", lambda p: bearer(jane(p)), 200, "permitted", READ, saw={**JANE, "x-user-roles": "viewer"}),
    Row("a key in use", lambda p: [("X-API-Key", p.api_keys["partner"])], 200, "permitted", READ, saw={"x-user-id": "partner"}),
    Row("... after sidecar keys revoke partner", lambda p: [("X-API-Key", p.api_keys["partner"])], 403, "invalid_api_key",
        before=_revoke),
)  # fmt: skip
