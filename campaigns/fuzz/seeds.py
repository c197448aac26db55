# ruff: noqa: E501 - rows of odd values read best as rows
"""Write the seeds that are made rather than collected: ``python -m campaigns.fuzz.seeds``.

What they hold is signed with keys that are thrown away.
"""

import json
from typing import Any

from tests.support.tokens import SigningKey, claims, jwks, mint, new_key
from tests.support.world import config, payload

from .pool import digest_of
from .targets import CORPUS

CLAIMS = {"roles": ["viewer"], "scope": "read", "jti": "j", "email": "jane@example.com", "email_verified": True}
PATHS = (
    "/a/b?x=/../y", "/%61%40/%C3%A9", "/a%2Fb;c", "/a./b%2e", "/%E2%84%AA%C3%9F", "/A/", "/a%20b", "/%EF%BC%8F", "/a/../b", "//", "/%25", "/%u2215", "/%F0%9D%90%9A", "/%E2%80%8B",
)  # fmt: skip
HOSTS = (
    "api.example.com:443",
    "API.example.com.",
    "[::1]:80",
    "127.0.0.1",
    "a_b.example.com",
    "[::ffff:1.2.3.4]",
    "xn--a.example",
    "[fe80::1%25eth0]",
)
KEY = "sk_fuzz_0000000000000000000000000000000000000"


def check_config() -> dict[str, Any]:
    """Return the configuration under which the checks of the corpus are decided."""
    found: dict[str, Any] = json.loads((CORPUS / "check-config.json").read_text(encoding="utf-8"))
    return found


def check_keys() -> dict[str, list[dict[str, Any]]]:
    return {"partners": [{"id": "k", "digest": digest_of(KEY, "p"), "owner": "billing", "roles": ["viewer"]}]}


def write(name: str, data: bytes) -> None:
    path = CORPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_checks(key: SigningKey) -> None:
    """Write checks that are allowed and some that are not, in both header forms."""
    text = mint(key, claims(**CLAIMS))
    bearer = {":method": "GET", ":path": "/posts", "authorization": f"Bearer {text}", "x-request-id": "r", "x-user-id": "admin"}
    kinds: dict[str, dict[str, Any]] = {
        "token": {"headers": bearer},
        "token-raw": {"headers": bearer, "raw": True},
        "key-raw": {"headers": {"x-api-key": KEY, "cookie": "a=1"}, "raw": True},
        "anonymous": {"path": "/healthz?x=1"},
        "preflight": {
            "method": "OPTIONS",
            "path": "/posts/1",
            "headers": {"origin": "https://a.example", "access-control-request-method": "GET"},
        },
        "denied": {"path": "/admin/x", "headers": {"authorization": f"Bearer {text}"}},
        "path": {"path": "/posts/%61%40%C3%A9/?q=1", "headers": {"authorization": f"Bearer {text}"}, "raw": True},
    }
    for name, fields in kinds.items():
        write(f"check/{name}.bin", payload(**fields))


def main() -> None:
    """Write every folder of the corpus but ``config`` and ``decisions``, which are collected."""
    key, other = new_key("ES256"), new_key("EdDSA", "k2")
    document = jwks(key, other, new_key("RS256", "k3"))
    data = config()
    data["issuers"] = {"corp": data["issuers"]["corp"] | {"keys": {"inline": json.loads(document)}}}
    write("check-config.json", json.dumps(data, indent=1).encode())
    write_checks(key)
    for number, path in enumerate(PATHS):
        write(f"path/{number}.txt", path.encode())
    for number, host in enumerate(HOSTS):
        write(f"host/{number}.txt", host.encode())
    for name, signer in (("es256", key), ("eddsa", other)):
        write(f"token/{name}.txt", mint(signer, claims(**CLAIMS)).encode())
    write("token/nested.txt", mint(key, claims(realm={"roles": ["a", {"b": [1, 2.5, None, True]}]}), kid=None, typ="JWT").encode())
    write("jwks/three.json", document)
    write("jwks/words.json", jwks(key.jwk(use="enc"), other.jwk(key_ops=["verify"], x5c=["AA=="]), {"kty": "oct", "k": "AA"}))
    write("discovery/plain.json", json.dumps({"issuer": "https://idp.example.com", "jwks_uri": "https://idp.example.com/jwks"}).encode())


if __name__ == "__main__":
    main()
