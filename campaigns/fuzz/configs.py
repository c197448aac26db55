"""Configurations as data: few names, so that hosts, paths, roles and credentials collide."""

import copy
import random
from datetime import UTC, datetime
from typing import Any

from tests.support.tokens import WALL

from .pool import API_KEYS, AUDIENCES, EMAILS, ISSUERS, PERMISSIONS, ROLES, SCOPES, SUBJECTS, Pool, digest_of

Data = dict[str, Any]
HOSTS = ("api.example.com", "*.example.com", "*.api.example.com", "example.com", "127.0.0.1", "*.com", "a_b.example.com")
SEGMENTS = ("a", "b", "A", "posts", "admin", "{x}", "{x}", "{y}", "v1.0", "%C3%A9", "a.", "a;b", "a%2Fb")
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "DELETE", "CONNECT")
CIDRS = ("10.0.0.0/24", "10.0.0.9/32", "192.168.0.0/16", "::1/128", "2001:db8::/32")
STORES = ("partners", "machines")
CONCRETE = [text for text in PERMISSIONS if "*" not in text]


def some(rng: random.Random, items: Any, low: int = 1, high: int = 3) -> list[Any]:
    return rng.sample(list(items), min(len(items), rng.randint(low, high)))


def make_config(rng: random.Random, pool: Pool) -> Data:
    """Make a configuration; not every one is valid."""
    issuers = {
        name: make_issuer(rng, pool, iss) for name, iss in zip(("corp", "slash", "other"), ISSUERS, strict=True) if rng.random() < 0.8
    }
    issuers = issuers or {"corp": make_issuer(rng, pool, ISSUERS[0])}
    stores = {name: make_store(rng) for name in STORES if rng.random() < 0.6}
    names = [*issuers, *stores]
    config: Data = {
        "version": 1,
        "issuers": issuers,
        "roles": make_roles(rng),
        "users": [make_user(rng, list(issuers)) for _ in range(rng.randint(0, 3))],
        "routes": {f"r{number}": make_route(rng, names) for number in range(rng.randint(2, 9))},
    }
    if stores:
        config["api_keys"] = stores
    if not config["users"]:
        del config["users"]
    if rng.random() < 0.4:
        config["identity_headers"] = make_headers(rng)
    if rng.random() < 0.4:
        config["strip_headers"] = some(rng, ("x-auth-*", "x-original-url", "x-user-*", "x-noise", "x-*"))
    server = make_server(rng)
    return config | ({"server": server} if server else {})


def make_server(rng: random.Random) -> Data:
    server: Data = {}
    paths = {"trailing_slash": "strict"} if rng.random() < 0.2 else {}
    paths |= {"case": "insensitive"} if rng.random() < 0.2 else {}
    if paths:
        server["paths"] = paths
    if rng.random() < 0.3:
        server["client_address"] = {"trusted_hops": rng.randint(1, 2), "from": some(rng, CIDRS)}
    return server


def make_issuer(rng: random.Random, pool: Pool, iss: str) -> Data:
    issuer: Data = {"issuer": iss, "audiences": some(rng, AUDIENCES, 1, 2), "keys": {"inline": pool.jwks(rng)}}
    if AUDIENCES[0] not in issuer["audiences"] and rng.random() < 0.7:
        issuer["audiences"].append(AUDIENCES[0])
    options: Data = {
        "algorithms": some(rng, ("RS256", "ES256", "PS256", "EdDSA", "Ed25519", "ES384"), 1, 4),
        "token_types": some(rng, ("at+jwt", "JWT", "none"), 1, 3),
        "clock_skew": rng.choice(("0s", "1s", "30s", "60s")),
        "max_lifetime": rng.choice(("50m", "1h", "10m")),
        "max_token_size": rng.choice(("512B", "8KiB")),
        "credentials": make_places(rng, issuer=True),
    }
    issuer |= {name: value for name, value in options.items() if rng.random() < 0.15}
    if rng.random() < 0.1:
        del issuer["audiences"]
        issuer |= {"unsafe_no_audience": True, "client_ids": ["web"]}
    if rng.random() < 0.9:
        issuer["claims"] = make_claims(rng)
    return issuer


def make_places(rng: random.Random, *, issuer: bool) -> list[Data]:
    pool: list[Data] = [
        {"header": "authorization", "scheme": "Bearer"},
        {"cookie": "session"},
        {"query": "access_token"},
        {"header": "x-token"} if issuer else {"header": "x-api-key"},
        {"header": "authorization", "scheme": "Token"},
    ]
    if not issuer:
        pool[0]["prefix"] = rng.choice(("sk_", "sk_live_"))
        pool[3] |= {"prefix": "sk_"} if rng.random() < 0.3 else {}
    places = some(rng, pool, 1, 2)
    for place in places:
        if rng.random() < 0.5:
            place["forward"] = rng.random() < 0.5
    return places


def make_claims(rng: random.Random) -> Data:
    options: Data = {
        "subject": rng.choice(("sub", "sub", "email", ["realm", "id"], "department")),
        "subject_template": "{issuer}:{subject}",
        "email": "email",
        "roles": rng.choice(
            (
                "roles",
                {"from": [["roles"], ["realm", "roles"]]},
                {"from": "roles", "map": {"ops": "admin", "Admin": "viewer"}},
                {"from": "roles", "allow": some(rng, ROLES)},
            )
        ),
        "permissions": rng.choice(("permissions", {"from": "permissions", "allow": some(rng, PERMISSIONS)})),
        "scopes": rng.choice(("scope", {"from": [["scope"], ["scp"]], "as": "ceiling"}, {"from": "scope", "as": "labels"})),
        "attributes": {"department": "department"},
    }
    likely = {"subject": 0.2, "subject_template": 0.1}
    claims = {name: value for name, value in options.items() if rng.random() < likely.get(name, 0.7)}
    if "email" in claims and rng.random() < 0.3:
        claims["email_trust"] = rng.choice(("always", "verified"))
    return claims


def make_store(rng: random.Random) -> Data:
    store: Data = {"store": {"file": "/nowhere/keys.yaml"}, "peppers": {"p": {"env": "PEPPER"}}}
    if rng.random() < 0.5:
        store["credentials"] = make_places(rng, issuer=False)
    if rng.random() < 0.3:
        store["invalid_status"] = 401
    return store


def stamp(rng: random.Random) -> str:
    return datetime.fromtimestamp(WALL + rng.choice((-3600, 0, 1, 30, 600, 3600)), UTC).isoformat()


def times(rng: random.Random) -> Data:
    out: Data = {}
    if rng.random() < 0.3:
        out["not_before"] = stamp(rng)
    if rng.random() < 0.3:
        out["expires_at"] = stamp(rng)
    return out if out.get("not_before", "") < out.get("expires_at", "9") else {}


def make_keys(rng: random.Random, config: Data) -> dict[str, list[Data]]:
    """Make the entries of each key store."""
    out = {}
    for store in config.get("api_keys", {}):
        entries = []
        for number, key in enumerate(some(rng, API_KEYS, 1, 4)):
            entry: Data = {"id": f"k{number}", "digest": digest_of(key, rng.choice((None, "p"))), **times(rng)}
            options = {
                "owner": rng.choice(("billing", "a,b", "user-1")),
                "roles": some(rng, ROLES),
                "permissions": some(rng, PERMISSIONS),
                "scopes": some(rng, SCOPES),
            }
            entry |= {name: value for name, value in options.items() if rng.random() < 0.6}
            confined = {
                "routes": some(rng, config["routes"]),
                "cidrs": some(rng, CIDRS),
                "revoked": True,
                "metadata": {"plan": rng.choice(("gold", "a b", "é", 3))},
            }
            entries.append(entry | {name: value for name, value in confined.items() if rng.random() < 0.2})
        out[store] = entries
    return out


def make_roles(rng: random.Random) -> Data:
    roles: Data = {}
    for role in some(rng, ROLES, 1, 5):
        roles[role] = {"permissions": some(rng, PERMISSIONS, 1, 4)}
        if len(roles) > 1 and rng.random() < 0.4:
            roles[role]["inherits"] = some(rng, [name for name in roles if name != role], 1, 2)
    return roles


def make_user(rng: random.Random, issuers: list[str]) -> Data:
    match: Data = {"issuer": rng.choice(issuers)}
    match |= {"subject": rng.choice(SUBJECTS)} if rng.random() < 0.5 else {"email": rng.choice(EMAILS)}
    user: Data = {"match": match, "roles": some(rng, ROLES), **times(rng)}
    return user | ({"permissions": some(rng, PERMISSIONS)} if rng.random() < 0.3 else {})


def make_route(rng: random.Random, names: list[str]) -> Data:
    route: Data = {"paths": [make_path(rng) for _ in range(rng.choice((1, 1, 2)))]}
    if rng.random() < 0.2:
        route["hosts"] = some(rng, HOSTS)
    if rng.random() < 0.4:
        route["methods"] = some(rng, METHODS)
    route["authenticate"] = some(rng, names, 1, 3) if rng.random() < 0.93 else ["anonymous"]
    if "anonymous" not in route["authenticate"] and rng.random() < 0.25:
        route["authenticate"].append("anonymous")
    if "anonymous" not in route["authenticate"] or rng.random() < 0.3:
        route["require"] = make_require(rng)
    if rng.random() < 0.2:
        route["allow"] = some(rng, ("dots", "encoded_slash", "semicolon"))
    if rng.random() < 0.2:
        route["credential_conflict"] = "first"
    if rng.random() < 0.2:
        route["cors_preflight"] = "allow"
    if rng.random() < 0.08:
        route["match"] = {"context": {"tier": rng.choice(("gold", "free"))}}
    return route


def make_path(rng: random.Random) -> str:
    parts = [rng.choice(SEGMENTS if rng.random() < 0.2 else SEGMENTS[:8]) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.15:
        parts.append("{rest=**}")
    if rng.random() < 0.05:
        parts.append("")
    seen: set[str] = set()
    parts = ["{z}" if part in seen and part.startswith("{") else seen.add(part) or part for part in parts]  # type: ignore[func-returns-value]
    return "/" + "/".join(parts)


def make_require(rng: random.Random) -> Data:
    options: Data = {
        "authenticated": True,
        "permission": rng.choice(CONCRETE),
        "all_permissions": some(rng, CONCRETE),
        "any_permission": some(rng, CONCRETE),
        "role": rng.choice(ROLES),
        "all_roles": some(rng, ROLES, 1, 2),
        "any_role": some(rng, ROLES),
        "scope": rng.choice(SCOPES),
        "all_scopes": some(rng, SCOPES, 1, 2),
        "any_scope": some(rng, SCOPES),
        "audiences": some(rng, AUDIENCES, 1, 2),
    }
    chosen = some(rng, options, 1, rng.choice((1, 1, 1, 2, 3)))
    return {name: options[name] for name in chosen} if rng.random() < 0.8 else {"authenticated": True}


def make_headers(rng: random.Random) -> Data:
    options: Data = {
        "x-user-id": "subject",
        "x-user-email": "email",
        "x-user-roles": rng.choice(("roles", {"from": "roles", "join": " "}, {"from": "roles", "encode": "percent"})),
        "x-user-permissions": rng.choice(("permissions", {"from": "permissions", "expand": True}, {"from": "permissions", "join": "|"})),
        "x-scopes": "scopes",
        "x-issuer": "issuer",
        "x-authenticator": "authenticator",
        "x-key": "key_id",
        "x-dept": rng.choice(("attributes.department", {"from": "attributes.department", "encode": "percent"})),
        "x-plan": "metadata.plan",
    }
    return {name: options[name] for name in some(rng, options, 0, 6)}


def vary(rng: random.Random, config: Data, keys: dict[str, list[Data]]) -> tuple[Data, dict[str, list[Data]]]:
    """Change one or two things, as an edit while serving does."""
    config, keys = copy.deepcopy(config), copy.deepcopy(keys)
    for _ in range(rng.randint(1, 2)):
        issuer = config["issuers"][rng.choice(list(config["issuers"]))]
        route = config["routes"][rng.choice(list(config["routes"]))]
        change = rng.randrange(8)
        if change == 0:
            config["roles"] = make_roles(rng)
        elif change == 1:
            jwks = issuer["keys"]["inline"]["keys"]
            jwks.pop(rng.randrange(len(jwks)))
        elif change == 2:
            issuer["claims"] = make_claims(rng)
        elif change == 3:
            route["require"] = make_require(rng)
        elif change == 4:
            keys = make_keys(rng, config)
        elif change == 5:
            config["users"] = [make_user(rng, list(config["issuers"]))]
        elif change == 6:
            issuer["clock_skew"] = rng.choice(("0s", "30s"))
        else:
            route.pop("match", None)
            route["allow"] = ["dots"]
    return config, keys
