"""The stage of every row: a faulty issuer (corp), a healthy one (partner), API keys, and the sidecar's files on one front."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.serve.site import AUDIENCE, Running, Site, replace

from .faulty_issuer import FaultyIssuer

CANARY = "canary-3f1c9a7e"
"""In the query of the key set's URL, in a cookie of every probe: must show up in no sink."""

SEEN = 0.1
"""Seconds after which a change outside has certainly been seen."""

CONFIG = """\
version: 1
server:
  listen: {listen}
  transport: {transport}
  check_deadline: {check_deadline}
  shutdown_delay: {shutdown_delay}
  shutdown_timeout: {shutdown_timeout}
  {server}
telemetry: {{listen: "127.0.0.1:{telemetry}"}}
admin: {{listen: "127.0.0.1:{admin}"}}
issuers:
  corp:
    issuer: {corp}
    audiences: [https://api.example.com]
    max_lifetime: 2h
    keys: {corp_keys}
    refresh: {corp_refresh}
    claims: {{roles: {{from: roles}}}}
  partner:
    issuer: {partner}
    audiences: [https://api.example.com]
    max_lifetime: 2h
    keys: {{url: "{partner}/jwks.json"}}
    claims: {{roles: {{from: roles}}}}
api_keys:
  partners:
    store: {{file: ../keys/keys.yaml}}
    peppers: {{"1": {{file: ../keys/pepper}}}}
roles:
  viewer: {{permissions: ["posts:read"]}}
routes:
  posts: {{methods: [GET], paths: [/posts], authenticate: [corp, partner, partners], require: {{permission: "posts:read"}}}}
  admin: {{paths: ["/admin", "/admin/{{rest=**}}"], authenticate: [corp, partner, partners], require: {{role: admin}}}}
  health: {{methods: [GET], paths: [/healthz], authenticate: [anonymous]}}
identity_headers: {{x-user-id: subject, x-user-issuer: issuer}}
"""


class Scene(Site):
    """Files, both issuers and an API key. ``start()`` (of ``Site``) starts the sidecar.

    Options, all text: ``corp_keys`` and ``corp_refresh`` are that issuer's ``keys`` and ``refresh`` as YAML flow maps, ``corp`` its
    exact ``iss``; ``server`` a further line of that section; ``check_deadline``, ``shutdown_delay``, ``shutdown_timeout``.
    By default the keys come from corp's URL (with the canary in its query) every second.
    """

    def __init__(self, folder: Path, front: str, corp: FaultyIssuer, partner: FaultyIssuer, **options: str) -> None:
        self.front, self.corp, self.partner = front, corp, partner
        defaults = {
            "corp": corp.url,
            "partner": partner.url,
            "corp_keys": json.dumps({"url": f"{corp.jwks_url}?code={CANARY}"}),
            "corp_refresh": "{every: 1s}",
            "check_deadline": "500ms",
            "server": "",
        }
        super().__init__(folder, transport=front, **{**defaults, **options})
        self.api_key = self.new_key("probe")
        self.outside = Outside(folder / "outside.json")

    def command(self) -> list[str]:
        if not self.outside.file.exists():
            return super().command()
        return [sys.executable, "-m", "tests.fault.altered", str(self.outside.file), "serve", "--config", str(self.conf)]

    def config(self) -> str:
        return CONFIG.format(listen=json.dumps(self.address), telemetry=self.telemetry, admin=self.admin, **self.options)

    def good(self, subject: str = "alice", **changes: Any) -> str:
        """A token of corp that /posts lets in."""
        return self.corp.token(subject, **{"roles": ["viewer"], "aud": AUDIENCE, **changes})

    def other(self, subject: str = "bob", **changes: Any) -> str:
        """The same of the healthy issuer."""
        return self.partner.token(subject, **{"roles": ["viewer"], "aud": AUDIENCE, **changes})


class Outside:
    """The wall clock and the names as the sidecar sees them, through ``tests/fault/altered.py``. Set once before ``start``."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._state: dict[str, Any] = {"wall": 0.0, "names": {}}

    def set(self, *, wall: float | None = None, names: dict[str, str] | None = None) -> None:
        """``wall``: seconds by which its clock is ahead. ``names``: host name → address, or "" where it does not exist."""
        if wall is not None:
            self._state["wall"] = wall
        if names is not None:
            self._state["names"] = names
        replace(self.file, json.dumps(self._state))
        time.sleep(SEEN)


def fetches(running: Running, result: str, issuer: str = "corp") -> float:
    """``sidecar_jwks_refreshes_total`` of an issuer; 0 while there is no such sample."""
    wanted = f'sidecar_jwks_refreshes_total{{issuer="{issuer}",result="{result}"}} '
    lines = (line for line in running.page("metrics")[1].splitlines() if line.startswith(wanted))
    return float(next(lines, "x 0").rpartition(" ")[2])
