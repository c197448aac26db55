"""The sidecar under load: one route tree, one issuer whose keys lie in a file, API keys, records and metrics on."""

import hashlib
import json
import re
import secrets
from collections import Counter
from pathlib import Path

from tests.servers.issuer import AUDIENCE, SigningKey, compact
from tests.servers.ports import free_port
from tests.servers.sidecar import SidecarServer

CONFIG = """\
version: 1
server: {{listen: "{listen}", transport: {transport}, shutdown_delay: 0s}}
telemetry: {{listen: "127.0.0.1:{telemetry}"}}
admin: {{listen: "127.0.0.1:{admin}"}}
issuers:
  corp:
    issuer: https://idp.example.com
    audiences: [{audience}]
    max_lifetime: 1h
    keys: {{file: jwks.json}}
    claims: {{email: email, roles: {{from: roles, allow: [viewer]}}}}
api_keys:
  partner-keys:
    credentials: [{{header: x-api-key}}]
    store: {{file: keys.yaml}}
roles:
  viewer: {{permissions: ["posts:read"]}}
routes:
  read-post:
    methods: [GET]
    paths: ["/api/v1/posts/{{post_id}}"]
    authenticate: [corp, partner-keys]
    require: {{permission: "posts:read"}}
identity_headers: {{x-user-id: subject, x-user-email: email, x-user-roles: roles, x-user-permissions: permissions}}
"""
SUBJECT = "user_123"
DECISIONS = re.compile(r"^sidecar_decisions_total\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)


class Target:
    """A running sidecar with a token and an API key that it accepts."""

    def __init__(self, folder: Path, transport: str, now: int) -> None:
        """Start it; ``now`` is in seconds since the epoch."""
        key = SigningKey.new("k1")
        claims = {"iss": "https://idp.example.com", "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 3000, "roles": ["viewer"]}
        self.token = compact({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}, claims, key)
        self.api_key = f"sk_{secrets.token_hex(20)}"
        self.address = f"127.0.0.1:{free_port()}"
        telemetry, admin = free_port(), free_port()
        (folder / "jwks.json").write_text(json.dumps({"keys": [key.jwk()]}))
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        (folder / "keys.yaml").write_text(
            json.dumps({"keys": [{"id": "billing", "owner": "billing", "digest": f"sha256:{digest}", "roles": ["viewer"]}]})
        )
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(listen=self.address, transport=transport, telemetry=telemetry, admin=admin, audience=AUDIENCE))
        self.sidecar = SidecarServer(folder, config, telemetry=telemetry, admin=admin)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.sidecar.proc.pid

    def decisions(self) -> Counter[str]:
        """How many decisions there were, by ``allow`` and ``deny``, as its metrics say."""
        counts: Counter[str] = Counter()
        for labels, value in DECISIONS.findall(self.sidecar.metrics()):
            found = re.search(r'decision="(\w+)"', labels)
            counts[found[1] if found else "?"] += int(float(value))
        return counts

    def stop(self) -> None:
        """Stop it."""
        self.sidecar.stop()
