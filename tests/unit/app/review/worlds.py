"""Small generated configurations, callers and requests; and the engine deciding about each of them."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from sidecar.app.review.reviewed import Reviewed
from sidecar.app.validation import Validated
from sidecar.authn.api_key import ApiKeyRecord, check_record
from sidecar.authn.claims import ClaimMapping
from sidecar.authn.keytable import KeyTable
from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.engine.check import decide_as
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import ApiKeyTableRef, LiveTables, Snapshot
from sidecar.model.decision import Allow, Decision, Deny
from sidecar.model.errors import ConfigError
from sidecar.model.instant import Instant
from sidecar.model.key_entry import Digest, KeyEntry
from sidecar.model.meter import Meter
from sidecar.model.outcome import Rejected
from sidecar.model.principal import Identity
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput
from sidecar.model.steps import to_end
from tests.support.inputs import make_input

WALL = 1_795_521_600.0
"""2026-11-24T12:00:00Z."""
HOUR = 3600.0
ROLES = ["r0", "r1", "r2", "r3"]
PERMISSIONS = ["a:x", "a:y", "b:x"]
GRANTED = [*PERMISSIONS, "a:*", "*"]
PATTERNS = ["/a", "/a/b", "/a/{v}", "/{v}", "/a/{v}/c", "/a/{r=**}"]
PATHS = ["/a", "/a/b", "/a/z", "/z", "/a/z/c", "/a/b/c", "/a/z/y", "/", "/a;p", "/a/b;p"]
CONDITIONS: list[dict[str, Any]] = [
    {"user.role": {"in": ["r0", "r1"]}},
    {"not": {"user.role": {"in": ["r2"]}}},
    {"user.id": {"equals": "ann"}},
    {"user.department": {"equals": "sales"}},
    {"user.department": {"in": ["sales", "it"]}},
    {"environment.time": {"between": ["08:00", "13:00"]}},
    {"environment.time": {"between": ["09:00", "11:00"]}},
    {"request.headers.x-t": {"equals": "1"}},
    {"user.permissions": {"contains": "a:x"}},
    {"or": [{"user.role": {"in": ["r3"]}}, {"environment.time": {"between": ["09:00", "11:00"]}}]},
    {"and": [{"user.role": {"in": ["r1"]}}, {"request.headers.x-t": {"exists": True}}]},
    {"resource.kind": {"equals": "post"}},
    {"user.metadata.plan": {"equals": "gold"}},
]


@dataclass(frozen=True)
class Caller:
    """Somebody, by what a token claims, or by the id of an API key; neither: nobody."""

    claims: dict[str, Any] | None = None
    key: str = ""


class World:
    """One configuration, to be reviewed and to decide."""

    def __init__(self, document: dict[str, Any], keys: tuple[KeyEntry, ...] = ()) -> None:
        """Raise ConfigError if it is not valid."""
        text = json.dumps(document)
        files = ConfigFiles(path="c.yaml", base="/", is_directory=False, files=(("c.yaml", text.encode()),))
        settings = load(files, frozenset(), with_files=False).settings
        self.validated = Validated(settings, files.revision, (), dict.fromkeys(settings.api_keys, keys))
        tables = {name: KeyTable() for name in settings.issuers}
        stores = {name: ApiKeyTableRef() for name in settings.api_keys}
        self.snapshot: Snapshot = to_end(compile_snapshot(settings, "r", LiveTables(keys=tables, api_keys=stores), Meter()))
        self.keys = {entry.id: ApiKeyRecord(entry, "partners", ()) for entry in keys}

    def reviewed(self, wall: float = WALL) -> Reviewed:
        return Reviewed(self.validated, "c.yaml", wall)

    def believes(self, caller: Caller) -> bool:
        """Whether the credential can be a good one at all."""
        if caller.claims is not None:
            return not self.snapshot.settings.issuers["corp"].audiences.isdisjoint(caller.claims["aud"])
        return not caller.key or caller.key in self.keys

    def decide(self, caller: Caller, request: CheckInput, wall: float = WALL) -> Decision:
        """Decide as the engine does once the caller's credential was found to be good."""
        identity = Identity(kind="anonymous", authenticator="", issuer="", subject="")
        if not self.believes(caller):
            decision = self.decide(Caller(), request, wall)
            return decision if decision.reason is Reason.PREFLIGHT else Deny(Reason.INVALID_TOKEN)
        if caller.claims is not None:
            settings = self.snapshot.settings.issuers["corp"]
            mapping = ClaimMapping(settings.claims, authenticator="corp", issuer=settings.issuer)
            claims = {"exp": 4e9, **caller.claims}
            subject = mapping.subject(claims)
            assert not isinstance(subject, Rejected)
            identity = mapping.identity(claims, subject, tuple(caller.claims["aud"]))
        elif caller.key:
            identity = self.keys[caller.key].identity
        decision = decide_as(self.snapshot.rbac.principal(identity, wall), request, self.snapshot, Instant(wall, 0.0))
        assert isinstance(decision, Allow | Deny)
        if caller.key and decision.route and decision.reason is not Reason.PREFLIGHT:
            rejected = check_record(self.keys[caller.key], route=decision.route, source_ip=request.source_ip, now_wall=wall)
            if isinstance(rejected, Rejected):
                return Deny(rejected.reason, route=decision.route)
        return decision


def world_of(document: dict[str, Any], keys: tuple[KeyEntry, ...] = ()) -> World | None:
    """A world, or None where the configuration is not valid."""
    try:
        return World(document, keys)
    except ConfigError:
        return None


def some(values: list[Any], *, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True)


@st.composite
def requirements(draw: st.DrawFn, allows: list[str]) -> dict[str, Any]:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "authenticated": st.just(True),
        "permission": st.sampled_from(PERMISSIONS),
        "all_permissions": some(PERMISSIONS, least=1),
        "any_permission": some(PERMISSIONS, least=1),
        "role": st.sampled_from(ROLES),
        "any_role": some(ROLES, least=1),
        "all_roles": some(ROLES, least=1),
        "scope": st.sampled_from(["s1", "s2"]),
        "audiences": some(["aud1", "aud2"], least=1),
    }
    if allows:
        kinds |= {"policies": some(allows, least=1), "any_policy": some(allows, least=1)}
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=2, unique=True))
    return {name: draw(kinds[name]) for name in chosen}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    roles = {
        name: {
            "permissions": draw(some(GRANTED, least=1)),
            **({"inherits": [draw(st.sampled_from(ROLES[:number]))]} if number and draw(st.booleans()) else {}),
        }
        for number, name in enumerate(ROLES)
    }
    claims: dict[str, Any] = {"email": "email", "attributes": {"department": "department"}}
    claims["roles"] = {"from": "roles", **({"allow": draw(some(ROLES, least=1))} if draw(st.booleans()) else {})}
    if draw(st.booleans()):
        claims["permissions"] = {"from": "permissions", **({"allow": draw(some(GRANTED, least=1))} if draw(st.booleans()) else {})}
    if draw(st.booleans()):
        claims["scopes"] = {"from": [["scope"]], "as": draw(st.sampled_from(["labels", "labels", "ceiling"]))}
    policies = {
        f"p{number}": {"effect": draw(st.sampled_from(["allow", "allow", "deny"])), "conditions": draw(st.sampled_from(CONDITIONS))}
        for number in range(draw(st.integers(1, 3)))
    }
    for policy in policies.values():
        if draw(st.integers(0, 9)) == 0:
            policy["mode"] = "shadow"
    allows = [name for name, policy in policies.items() if policy["effect"] == "allow" and "mode" not in policy]
    denies = [name for name, policy in policies.items() if policy["effect"] == "deny"]
    users = [
        {
            "match": {"issuer": "corp", **who},
            "roles": draw(some(ROLES, least=1)),
            **draw(st.sampled_from([{}, {}, {"expires_at": "2026-11-24T11:30:00Z"}, {"not_before": "2026-11-24T12:30:00Z"}])),
        }
        for who in draw(st.lists(st.sampled_from([{"subject": "ann"}, {"email": "bob@example.com"}, {"subject": "bob"}]), max_size=2))
    ]
    places = draw(st.lists(st.tuples(st.sampled_from(PATTERNS), st.sampled_from(["GET", "POST", ""])), min_size=1, max_size=4, unique=True))
    routes = {f"route{number}": draw(route(path, method, allows, denies)) for number, (path, method) in enumerate(places)}
    return {
        "version": 1,
        "issuers": {
            "corp": {"issuer": "https://idp.example.com", "audiences": draw(some(["aud1", "aud2"], least=1)), "keys": {"url": "https://idp.example.com/k"}, "claims": claims}
        },
        "api_keys": {"partners": {"store": {"file": "/k.yaml"}}},
        "roles": roles,
        **({"users": users} if users else {}),
        "policies": policies,
        **({"defaults": {"deny": denies}} if denies else {}),
        "routes": routes,
    }  # fmt: skip


@st.composite
def route(draw: st.DrawFn, path: str, method: str, allows: list[str], denies: list[str]) -> dict[str, Any]:
    authenticate = draw(st.sampled_from([["corp"], ["corp", "partners"], ["corp", "partners", "anonymous"], ["anonymous"], ["partners"]]))
    made: dict[str, Any] = {"paths": [path], "authenticate": authenticate, "resource": {"kind": draw(st.sampled_from(["post", "user"]))}}
    if method:
        made["methods"] = [method]
    if "anonymous" not in authenticate or draw(st.booleans()):
        made["require"] = draw(requirements(allows))
    if draw(st.integers(0, 5)) == 0:
        made["allow"] = ["semicolon"]
    if draw(st.integers(0, 5)) == 0:
        made["cors_preflight"] = "allow"
    if draw(st.integers(0, 5)) == 0:
        made["hosts"] = draw(st.sampled_from([["api.example.com"], ["*.example.com"]]))
    return made


@st.composite
def key_entries(draw: st.DrawFn) -> tuple[KeyEntry, ...]:
    return tuple(
        KeyEntry(
            id=f"k{number}",
            digest=Digest(None, bytes([number]) * 32),
            roles=tuple(draw(some(ROLES))),
            permissions=tuple(draw(some(GRANTED))),
            scopes=tuple(draw(some(["s1", "s2"]))),
            routes=tuple(draw(st.sampled_from([[], [], ["route0"], ["route1"]]))),
            expires_at=draw(st.sampled_from([None, None, WALL - HOUR, WALL + HOUR / 2])),
            not_before=draw(st.sampled_from([None, None, WALL + HOUR / 4])),
            revoked=draw(st.integers(0, 9)) == 0,
            metadata=draw(st.sampled_from([{}, {"plan": "gold"}])),
        )
        for number in range(draw(st.integers(0, 3)))
    )


def token(sub: str = "cid", roles: tuple[str, ...] = (), **claims: Any) -> Caller:
    """Somebody with a token for both audiences."""
    return Caller(claims={"sub": sub, "aud": ["aud1", "aud2"], "roles": list(roles), **claims})


CALLERS = [
    Caller(),
    *(Caller(key=f"k{number}") for number in range(3)),
    *(token(roles=(role,)) for role in ROLES),
    token(),
    token("ann"),
    token("bob"),
    token(email="bob@example.com", email_verified=True),
    token(email="bob@example.com", email_verified=False),
    Caller(claims={"sub": "cid", "aud": ["aud2"], "roles": ["r0"]}),
]
"""Those that any difference between configurations shows at, alone."""
MORE_CALLERS = st.builds(
    lambda claims: Caller(claims={name: value for name, value in claims.items() if value is not None}),
    st.fixed_dictionaries(
        {
            "sub": st.sampled_from(["ann", "bob", "cid"]),
            "aud": some(["aud1", "aud2"], least=1),
            "roles": some(ROLES),
            "permissions": some(GRANTED),
            "scope": st.sampled_from([None, "s1", "s1 s2", "a:x", "*", "a:* s1"]),
            "email": st.sampled_from([None, "bob@example.com"]),
            "email_verified": st.booleans(),
            "department": st.sampled_from([None, "sales", "it"]),
        }
    ),
)


def make_request(method: str, path: str, host: str, tenant: str, preflight: bool) -> CheckInput:
    headers = {"x-t": tenant} if tenant else {}
    if preflight:
        headers |= {"origin": "https://o.example", "access-control-request-method": "GET"}
    return make_input(method, path, host, headers)


REQUESTS = [
    make_request(method, path, host, tenant, method == "OPTIONS")
    for path in PATHS
    for method, tenant in (("GET", ""), ("GET", "1"), ("POST", "1"), ("HEAD", ""), ("OPTIONS", ""))
    for host in ("api.example.com", "other.test")
]
"""Whatever tells generated routes and conditions apart; not every header on every path."""
