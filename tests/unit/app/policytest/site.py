"""A configuration with a little of everything, and test files run against it in this process."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecar.app.policytest.files import read_suites
from sidecar.app.policytest.run import Report, Result, run_on
from sidecar.app.validation import Validated
from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.model.errors import ConfigError

CONFIG = """
version: 1
server: {listen: "unix:///run/sidecar/check.sock"}
issuers:
  corp:
    issuer: https://auth.example.com
    audiences: [https://api.example.com]
    max_lifetime: 1h
    keys: {discovery: true}
    claims:
      email: email
      roles: {from: roles, allow: [viewer, manager]}
      attributes: {department: department, clearance_level: clearance_level}
  other:
    issuer: https://other.example.com
    audiences: [https://api.example.com]
    keys: {file: jwks.json}
    credentials: [{cookie: session, forward: false}]
    claims: {subject_template: "other|{subject}", permissions: {from: permissions, allow: ["posts:*"]}, scopes: {from: scope, as: ceiling}}
api_keys:
  partners:
    credentials: [{header: x-api-key, forward: false}, {header: authorization, scheme: Bearer, prefix: sk_, forward: false}]
    store: {file: keys.yaml}
    peppers: {p1: {file: pepper}}
roles:
  viewer: {permissions: ["posts:read"]}
  manager: {inherits: [viewer], permissions: ["posts:*"]}
users:
  - {match: {issuer: corp, email: jane@example.com}, roles: [manager], expires_at: "2026-06-01T00:00:00Z"}
policies:
  same-department:
    effect: allow
    conditions:
      and:
        - user.department: {equals: {ref: resource.department}}
        - environment.time: {between: ["09:00", "17:00"]}
  secret-body:
    effect: deny
    conditions: {request.body.secret: {equals: true}}
  unused-by-tests: {effect: deny, conditions: {user.clearance_level: {less_than: 3}}}
routes:
  list: {methods: [GET], paths: [/posts], authenticate: [corp, partners], require: {permission: "posts:read"}}
  create: {methods: [POST], paths: [/posts], authenticate: [corp, other, partners], require: {permission: "posts:create"}}
  upload: {methods: [PUT], paths: [/upload], authenticate: [corp], require: {authenticated: true}, deny: [secret-body]}
  department: {methods: [GET], paths: ["/d/{department}"], authenticate: [corp], require: {policies: [same-department]}}
  guarded: {methods: [GET], paths: [/guarded], authenticate: [corp, anonymous], require: {role: manager}, deny: [unused-by-tests]}
  public: {methods: [GET], paths: [/public], hosts: [www.example.com], authenticate: [anonymous]}
identity_headers: {x-user-id: subject, x-user-roles: roles, x-plan: metadata.plan, x-key: key_id}
strip_headers: [x-internal-*]
"""
NOON = "2026-03-02T12:00:00Z"


def configured(text: str = CONFIG, base: str = "/nowhere") -> Validated:
    """Validate a configuration without its files."""
    files = ConfigFiles(path="config.yaml", base=base, is_directory=False, files=(("config.yaml", text.encode()),))
    return Validated(load(files, frozenset(), with_files=False).settings, "r1", (), {})


def run_text(folder: Path, text: str, config: str = CONFIG, **fixtures: str) -> Report:
    """Run the tests of one file; ``fixtures``: other files by name."""
    for name, content in fixtures.items():
        (folder / f"{name}.yaml").write_text(content)
    (folder / "t.yaml").write_text(text)
    return run_on(read_suites([str(folder / "t.yaml")]), configured(config, str(folder)), "config.yaml")


def run_cases(folder: Path, cases: Mapping[str, Any], config: str = CONFIG, **more: Any) -> Report:
    """Run cases that are given as data."""
    return run_text(folder, json.dumps({"version": 1, "now": NOON, **more, "cases": cases}), config)


def run_one(folder: Path, principal: Any, request: Any, config: str = CONFIG, **more: Any) -> Result:
    """Run one case that expects nothing that matters."""
    (result,) = run_cases(folder, {"one": {"principal": principal, "request": request, "expect": "allow"}}, config, **more).results
    return result


def problems(folder: Path, text: str, config: str = CONFIG, **fixtures: str) -> list[str]:
    """What is wrong with a test file: ``LINE: KEY: MESSAGE (HINT)``."""
    try:
        run_text(folder, text, config, **fixtures)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{folder}/") for problem in error.problems]
    return []
