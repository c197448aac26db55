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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a configuration is, and where its server listens."""

    routes: int = 100
    roles: int = 5
    api_keys: int = 0
    listen: str = "127.0.0.1:1"
    transport: str = "native"
    telemetry: int = 2
    admin: int = 3


def write_config(folder: Path, jwks: str, shape: Shape) -> Path:
    """Write the configuration with its key files into a new folder and return its path."""
    folder.mkdir(parents=True)
    (folder / "jwks.json").write_text(jwks)
    lines = [
        HEAD.format(
            listen=shape.listen, transport=shape.transport, telemetry=shape.telemetry, admin=shape.admin,
            issuer=ISSUER, audience=AUDIENCE, jwks=folder / "jwks.json",
        ),
        *_api_keys(folder, shape.api_keys),
        "roles:",
        '  user: {permissions: ["posts:read"]}',
        '  admin: {inherits: [user], permissions: ["posts:*"]}',
        *(f'  role-{n}: {{inherits: [user], permissions: ["things-{n}:*", "things:read-{n}"]}}' for n in range(shape.roles - 2)),
        "routes:",
        *(_route(number) for number in range(shape.routes)),
    ]  # fmt: skip
    path = folder / "config.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _route(number: int) -> str:
    action = ACTIONS[number % len(ACTIONS)]
    return (
        f"  posts-{number}: {{hosts: [{HOST}], methods: [GET], paths: ['/api/v1/posts-{number}/{{post_id}}'], "
        f"authenticate: [corp], require: {{permission: 'posts:{action}'}}}}"
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
