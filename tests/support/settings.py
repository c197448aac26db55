"""Small valid configurations for tests, made by the real configuration layer."""

import json
from typing import Any

from sidecar.config.files import ConfigFiles
from sidecar.config.load import Loaded, load
from sidecar.model.settings import Settings

BASE: dict[str, Any] = {
    "version": 1,
    "issuers": {
        "corp": {
            "issuer": "https://idp.example.com",
            "audiences": ["https://api.example.com"],
            "max_lifetime": "1h",
            "keys": {"url": "https://idp.example.com/jwks.json"},
            "claims": {"email": "email", "roles": {"from": "roles", "allow": ["viewer", "editor"]}, "scopes": "scope"},
        }
    },
    "api_keys": {"partners": {"store": {"file": "/etc/sidecar-keys/keys.yaml"}}},
    "roles": {"viewer": {"permissions": ["posts:read"]}, "editor": {"inherits": ["viewer"], "permissions": ["posts:create"]}},
    "routes": {
        "list-posts": {
            "methods": ["GET"],
            "paths": ["/posts"],
            "authenticate": ["corp", "partners"],
            "require": {"permission": "posts:read"},
        },
        "read-post": {
            "methods": ["GET"],
            "paths": ["/posts/{post_id}"],
            "authenticate": ["corp"],
            "require": {"permission": "posts:read"},
        },
        "create-post": {
            "methods": ["POST"],
            "paths": ["/posts"],
            "authenticate": ["corp"],
            "require": {"permission": "posts:create"},
            "cors_preflight": "allow",
        },
        "health": {"methods": ["GET"], "paths": ["/healthz"], "authenticate": ["anonymous"]},
    },
    "identity_headers": {"x-user-id": "subject", "x-user-issuer": "issuer", "x-user-roles": "roles"},
}
"""One issuer ``corp``, one key store ``partners``, four routes. Sections can be replaced one by one."""


def make_settings(*, text: str | None = None, **overrides: Any) -> Settings:
    """Return settings from BASE with whole sections replaced (None removes one), or from a YAML ``text``.

    No file that the configuration names is looked at. Raises ConfigError.
    """
    return make_loaded(text=text, **overrides).settings


def make_loaded(*, text: str | None = None, **overrides: Any) -> Loaded:
    """Do the same, with the warnings."""
    document = {name: section for name, section in {**BASE, **overrides}.items() if section is not None}
    content = json.dumps(document, ensure_ascii=False) if text is None else text  # JSON is YAML
    return load_files({"sidecar.yaml": content})


def load_files(texts: dict[str, str], base: str = "/etc/sidecar", **options: Any) -> Loaded:
    """Load a configuration of several named texts. Options are those of ``load``; files are not looked at by default."""
    files = tuple(sorted((name, text.encode()) for name, text in texts.items()))
    path = next(iter(texts)) if len(texts) == 1 else base
    found = ConfigFiles(path=path, base=base, is_directory=len(texts) > 1, files=files)
    return load(found, options.pop("environment", ()), **{"with_files": False, **options})
