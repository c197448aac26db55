"""A whole core in memory: configuration text, real keys, the engine and the boundary, without sockets."""

import json
from collections.abc import Mapping
from types import GeneratorType
from typing import Any

from sidecar.authn.api_key import digest_of
from sidecar.authn.key_source import read_keys
from sidecar.authn.keytable import ALWAYS, KeyTable
from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.engine.check import Engine
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.ids import DecisionIds
from sidecar.engine.snapshot import ApiKeyTableRef, Current, LiveTables
from sidecar.model.ask import TURN, Ask, RefreshResult, Verify
from sidecar.model.decision import Decision
from sidecar.model.key_entry import KeyEntry
from sidecar.model.meter import Meter
from sidecar.model.request import CheckInput, Facts
from sidecar.model.secret import Secret
from sidecar.model.steps import to_end
from sidecar.ports import DecisionSink
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from sidecar.wire.seam import Pending
from sidecar.wire.service import CheckService

from .fake_clock import FakeClock
from .inputs import make_input
from .tables import build_table
from .tokens import AUDIENCE, ISSUER, WALL, SigningKey, claims, jwks, mint, shared_key

KEY = "sk_test_0000000000000000000000000000000000000"
OTHER = "https://other.example.com"
PEPPER = Secret(b"pepper")


def routes() -> dict[str, Any]:
    return {
        "list": {
            "methods": ["GET"],
            "paths": ["/posts"],
            "authenticate": ["corp", "partners"],
            "require": {"permission": "posts:read"},
        },
        "create": {"methods": ["POST"], "paths": ["/posts"], "authenticate": ["corp"], "require": {"permission": "posts:create"}},
        "post": {
            "methods": ["GET"],
            "paths": ["/posts/{id}"],
            "authenticate": ["corp", "anonymous"],
            "cors_preflight": "allow",
        },
        "admin": {"paths": ["/admin/{rest=**}"], "authenticate": ["corp"], "require": {"role": "admin"}},
        "scoped": {"paths": ["/scoped"], "authenticate": ["corp"], "require": {"scope": "read"}},
        "me": {"paths": ["/me"], "authenticate": ["corp", "partners"], "require": {"authenticated": True}},
        "health": {"methods": ["GET"], "paths": ["/healthz"], "authenticate": ["anonymous"]},
    }


def config(**changes: Any) -> dict[str, Any]:
    """A configuration like the documented one, as data (YAML reads JSON); a change replaces a whole section."""
    base: dict[str, Any] = {
        "version": 1,
        "issuers": {
            "corp": {
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "algorithms": ["RS256", "ES256"],
                "keys": {"inline": json.loads(jwks(shared_key("RS256"), shared_key("ES256", "k2")))},
                "claims": {
                    "email": "email",
                    "roles": "roles",
                    "permissions": {"from": "permissions", "allow": ["posts:*"]},
                    "scopes": {"from": "scope"},
                },
            },
            "other": {"issuer": OTHER, "audiences": [AUDIENCE], "keys": {"inline": json.loads(jwks(shared_key("RS256", number=1)))}},
        },
        "api_keys": {
            "partners": {
                "credentials": [
                    {"header": "x-api-key", "forward": False},
                    {"header": "authorization", "scheme": "Bearer", "prefix": "sk_", "forward": False},
                ],
                "store": {"file": "/nowhere/keys.yaml"},
                "peppers": {"p": {"env": "PEPPER"}},
            }
        },
        "roles": {
            "viewer": {"permissions": ["posts:read", "users:read"]},
            "editor": {"inherits": ["viewer"], "permissions": ["posts:create", "posts:update"]},
            "admin": {"permissions": ["users:*", "posts:*"]},
        },
        "users": [{"match": {"issuer": "corp", "email": "jane@example.com"}, "roles": ["editor"]}],
        "routes": routes(),
    }
    return {**base, **changes}


def key_entry(key: str = KEY, **changes: Any) -> KeyEntry:
    return KeyEntry(**{"id": "k-1", "digest": digest_of(key, "p", PEPPER), "owner": "billing", "roles": ("viewer",), **changes})


class KeptRecords:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.facts: list[Facts] = []
        self.full = False

    def emit(self, decision: Decision, facts: Facts, decision_id: str, at: float, duration: float, revision: str) -> bool:
        self.decisions.append(decision)
        self.facts.append(facts)
        return not self.full


class World:
    """One configuration, live."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        keys: tuple[KeyEntry, ...] = (),
        clock: FakeClock | None = None,
        sink: DecisionSink | None = None,
    ) -> None:
        self.clock = clock or FakeClock(wall=WALL)
        self.meter = Meter()
        self.engine = Engine(self.meter)
        self.current = Current()
        self.sink = KeptRecords()
        self.service = CheckService(self.engine, self.current, self.clock, sink or self.sink, self.meter, DecisionIds(b"\0" * 6))
        self.tables = LiveTables(keys={}, api_keys={})
        self.asks: list[Ask] = []
        self.refresh = RefreshResult.UNAVAILABLE
        self.load(data if data is not None else config(), keys or (key_entry(),))

    def load(self, data: Mapping[str, Any], keys: tuple[KeyEntry, ...] | None = None) -> None:
        """Load or reload a configuration; tables of issuers and stores that stay are carried over."""
        text = json.dumps(data).encode()
        files = ConfigFiles(path="sidecar.yaml", base="/", is_directory=False, files=(("sidecar.yaml", text),))
        settings = load(files, {}, with_files=False).settings
        tables: dict[str, KeyTable] = {}
        for name, issuer in settings.issuers.items():
            tables[name] = self.tables.keys.get(name) or KeyTable()
            tables[name].replace(to_end(read_keys(issuer, issuer.keys.document.encode())), ALWAYS)
        stores = {name: self.tables.api_keys.get(name) or ApiKeyTableRef() for name in settings.api_keys}
        self.tables = LiveTables(keys=tables, api_keys=stores)
        if keys is not None:
            self.set_keys(*keys)
        self.current.snapshot = to_end(compile_snapshot(settings, files.revision, self.tables, self.meter, self.current.snapshot))

    def set_keys(self, *entries: KeyEntry) -> None:
        for name, store in self.tables.api_keys.items():
            store.current = build_table(entries, store=name, peppers={"p": PEPPER}, wall=self.clock.wall)

    def decide(self, request: CheckInput | None = None, **fields: Any) -> Decision:
        """Drive the engine to its end: signatures are checked, refreshes answered with ``self.refresh``."""
        snapshot = self.current.snapshot
        assert snapshot is not None
        steps = self.engine.check(request or make_input(**fields), snapshot, self.clock.now())
        if not isinstance(steps, GeneratorType):
            return steps
        answer: object = None
        while True:
            try:
                ask = steps.send(answer)
            except StopIteration as done:
                return done.value
            if ask is not TURN:
                self.asks.append(ask)
            answer = ask.run() if isinstance(ask, Verify) else self.refresh

    def answer(self, payload: bytes, time_left: float | None = None) -> CheckResponse:
        """Drive the boundary to its end."""
        out = self.service.open(payload, time_left)
        while isinstance(out, Pending):
            out = self.service.resume(out, out.ask.run() if isinstance(out.ask, Verify) else self.refresh)
        return CheckResponse.FromString(out)


def token(key: SigningKey | None = None, /, **changes: Any) -> str:
    """A token of ``corp`` with these claims."""
    return mint(key or shared_key("RS256"), claims(**changes))


def bearer(value: str | None = None, **changes: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {value if value is not None else token(**changes)}"}


def payload(
    *, raw: bool = False, method: str = "GET", path: str = "/posts", host: str = "api.example.com", headers: Mapping[str, str] | None = None
) -> bytes:
    """A serialised CheckRequest."""
    message = CheckRequest()
    message.attributes.source.address.socket_address.address = "10.0.0.9"
    http = message.attributes.request.http
    http.method, http.path, http.host, http.id = method, path, host, "id-1"
    for name, value in (headers or {}).items():
        if raw:
            header = http.header_map.headers.add()
            header.key, header.raw_value = name, value.encode()
        else:
            http.headers[name] = value
    return message.SerializeToString()


def allowed(response: CheckResponse) -> bool:
    """What Envoy would do, by its own rules."""
    return response.status.code == 0
