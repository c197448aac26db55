"""Configuration texts of the benchmarks, read by the real configuration layer."""

import json
from dataclasses import dataclass
from pathlib import Path

from .corpus import ACTIONS, AUDIENCE, HOST, ISSUER

HEAD = """\
version: 1
server:
  listen: "{listen}"
  transport: {transport}
  shutdown_delay: 0s
  check_deadline: 2s  # a busy machine must not turn a measurement into a denial
telemetry: {{listen: "127.0.0.1:{telemetry}"}}
admin: {{listen: "127.0.0.1:{admin}"}}
issuers:
  corp:
    issuer: {issuer}
    audiences: [{audience}]
    algorithms: [RS256, ES256]
    keys: {{file: "{jwks}"}}
    claims:
      email: email
      roles: {{from: roles, allow: [admin, user]}}
identity_headers:
  x-user-id: subject
  x-user-email: email
  x-user-roles: roles
  x-user-permissions: permissions
strip_headers: [x-auth-*]
"""


EMAIL = "      email: email\n"
ATTRIBUTES = "      attributes: {{department: department, level: level}}\n"
POLICIES = {
    "conditions": "conditions: {and: [{user.department: {equals: resource.owner.department}}, {user.role: {in: [manager, admin]}}, "
    "{environment.time: {between: ['00:00', '23:59']}}, {user.level: {greater_than_or_equal: -LEVEL}}]}",
    "local": "conditions: {and: [{user.department: {equals: eng}}, {user.role: {in: [manager, admin]}}, "
    "{user.level: {greater_than_or_equal: -LEVEL}}]}",
    "document": "conditions: {and: [{user.department: {equals: resource.owner.department}}, {user.role: {in: [manager, admin]}}, "
    "{environment.time: {between: ['00:00', '23:59']}}]}",
    "cel": """when: 'user.department == resource.owner.department && ("manager" in user.role || "admin" in user.role) """
    """&& environment.time >= "00:00" && environment.time <= "23:59"'""",
}
"""The source document's policy (all day long), the same in CEL, and one of which many differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a configuration is, and where its server listens."""

    routes: int = 100
    roles: int = 5
    api_keys: int = 0
    rule: str = ""
    """A rule of POLICIES that every route requires, in conditions or in CEL; none: RBAC alone."""
    policies: int = 0
    """So many policies like it, three of them on each route; 0: the one of ``rule``."""
    listen: str = "127.0.0.1:1"
    transport: str = "native"
    telemetry: int = 2
    admin: int = 3


def write_config(folder: Path, jwks: str, shape: Shape) -> Path:
    """Write the configuration with its key files into a new folder and return its path."""
    folder.mkdir(parents=True)
    (folder / "jwks.json").write_text(jwks)
    lines = [
        HEAD.replace(EMAIL, EMAIL + ATTRIBUTES if shape.rule else EMAIL).format(
            listen=shape.listen, transport=shape.transport, telemetry=shape.telemetry, admin=shape.admin,
            issuer=ISSUER, audience=AUDIENCE, jwks=folder / "jwks.json",
        ),
        *_api_keys(folder, shape.api_keys),
        *_policies(shape),
        "roles:",
        '  user: {permissions: ["posts:read"]}',
        '  admin: {inherits: [user], permissions: ["posts:*"]}',
        *(f'  role-{n}: {{inherits: [user], permissions: ["things-{n}:*", "things:read-{n}"]}}' for n in range(shape.roles - 2)),
        "routes:",
        *(_route(number, _attached(number, shape)) for number in range(shape.routes)),
    ]  # fmt: skip
    path = folder / "config.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _policies(shape: Shape) -> list[str]:
    """The policy of the source document, whose owner's department comes from a source; or one that says the same in CEL."""
    if not shape.rule:
        return []
    names = [f"rule-{n}" for n in range(shape.policies)] or ["rule"]
    return [
        "attributes:",
        '  post-owner: {provides: resource.owner, http: {url: "http://127.0.0.1:1/posts/{post_id}/owner"}, cache: 1h}',
        "policies:",
        *(f"  {name}: {{effect: allow, {POLICIES[shape.rule].replace('LEVEL', str(number))}}}" for number, name in enumerate(names)),
    ]


def _attached(number: int, shape: Shape) -> str:
    if not shape.rule:
        return ""
    names = [f"rule-{(number * 3 + n) % shape.policies}" for n in range(3)] if shape.policies else ["rule"]
    return f", policies: [{', '.join(names)}]"


def _route(number: int, policies: str = "") -> str:
    action = ACTIONS[number % len(ACTIONS)]
    return (
        f"  posts-{number}: {{hosts: [{HOST}], methods: [GET], paths: ['/api/v1/posts-{number}/{{post_id}}'], "
        f"authenticate: [corp], require: {{permission: 'posts:{action}'{policies}}}}}"
    )


def _api_keys(folder: Path, count: int) -> list[str]:
    if not count:
        return []
    keys = [{"id": f"k{n}", "owner": f"o{n}", "digest": f"sha256:{n:064x}", "roles": ["user"]} for n in range(count)]
    (folder / "keys.yaml").write_text(json.dumps({"keys": keys}))
    return [
        "api_keys:",
        f'  partners: {{credentials: [{{header: x-api-key, forward: false}}], store: {{file: "{folder / "keys.yaml"}"}}}}',
    ]
