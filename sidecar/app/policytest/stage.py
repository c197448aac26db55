"""A configuration put up for tests: compiled as for serving, with credentials of its own for the principals of the tests.

A principal that is described by grants is put into the engine's memory of verified tokens; one that is described by
claims gets a token, signed with a key that exists for this run only; API keys are entries of their store's table.
So every phase of the engine works on them as on any credential. Nothing is fetched.
"""

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.files import read_bounded
from sidecar.adapters.secrets import FileAndEnvSecrets
from sidecar.authn.api_key import ApiKeyRecord, ApiKeyTable
from sidecar.authn.issuer import Issuer
from sidecar.authn.key_file import read_entries
from sidecar.authn.key_source import read_keys
from sidecar.authn.keyset import MAX_DOCUMENT, KeySet, symmetric_keyset
from sidecar.authn.keytable import ALWAYS, KeyTable
from sidecar.authn.memory import Known, Signed
from sidecar.authn.mint import new_private_jwk, public_jwks, sign
from sidecar.engine.check import Engine
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import ApiKeyTableRef, LiveTables, Snapshot
from sidecar.engine.templates import KeyTemplate
from sidecar.model.errors import SourceError
from sidecar.model.key_entry import Digest, KeyEntry
from sidecar.model.meter import Meter
from sidecar.model.outcome import Rejected
from sidecar.model.principal import Identity, JsonValue
from sidecar.model.secret import Secret
from sidecar.model.settings import (
    AttributeSettings,
    CredentialPlace,
    FileAttribute,
    FileKeys,
    HttpAttribute,
    InlineKeys,
    IssuerSettings,
    KeyStoreSettings,
    Settings,
    SharedSecretKeys,
)
from sidecar.model.steps import to_end

from .grants import claim_at, subject_of
from .people import Who

LIFETIME = 300.0
"""Seconds that a token of a test lives, unless its issuer's limit is lower."""
KID = "sidecar-test"
_QUICK = ("ES256", "EdDSA", "ES384", "ES512")
"""Algorithms whose keys are made in no time."""


class Shown(NamedTuple):
    """A credential and where it is shown."""

    place: CredentialPlace
    value: str


class Signer(NamedTuple):
    """What signs the tokens of one issuer in this run."""

    algorithm: str
    material: bytes


class JoinedTable(ApiKeyTable):
    """The keys of the tests before those of the configuration."""

    __slots__ = ("_rest",)

    def __init__(self, ours: ApiKeyTable, rest: ApiKeyTable | None) -> None:
        """Take both; ``rest`` is None where no real key is tried."""
        super().__init__(ours._plain, ())  # noqa: SLF001 - of its own class
        self._rest = rest

    def lookup(self, raw: str) -> ApiKeyRecord | None:
        """Find a key in either."""
        return super().lookup(raw) or (self._rest.lookup(raw) if self._rest is not None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The compiled configuration and what its principals show."""

    snapshot: Snapshot
    signers: Mapping[str, Signer]
    keys: Mapping[Who, str]

    def enter(self, who: Who, wall: float, engine: Engine) -> Shown | None:
        """Give ``who`` a credential that is good at ``wall``, one that ``engine`` knows if need be; None for nobody."""
        settings = self.snapshot.settings
        if who.way == "anonymous":
            return None
        if who.authenticator in settings.api_keys:
            places = settings.api_keys[who.authenticator].credentials
            return Shown(_fitting(places, who.secret), who.secret) if who.secret else Shown(places[0], self.keys[who])
        issuer = self.snapshot.issuers[who.authenticator]
        place = issuer.settings.credentials[0]
        if who.way == "token":
            return Shown(place, who.secret)
        if who.way == "claims":
            return Shown(place, _token(who, issuer.settings, self.signers[issuer.name], wall))
        value = _stand_in(issuer, who)
        engine.authenticator.tokens.memory.put(sha256(value.encode()).digest(), self._known(who, issuer, wall))
        return Shown(place, value)

    def _known(self, who: Who, issuer: Issuer, wall: float) -> Known:
        signed = Signed(issuer, b"")
        signed.good_under, signed.good_with, signed.stale_at = self.snapshot.epoch, issuer.table.held, ALWAYS
        principal = self.snapshot.rbac.principal(_identity(who, issuer.settings), wall)
        return Known(principal, self.snapshot.rbac, signed=signed)


def set_stage(settings: Settings, revision: str, people: Iterable[Who], entries: Mapping[str, tuple[KeyEntry, ...]]) -> Stage:
    """Compile, with the keys of the configuration where a real credential is tried, and only there.

    ``entries``: the content of those key files that were needed. Raises SourceError.
    """
    people = tuple(people)
    settings = replace(settings, attributes={name: _asked(one) for name, one in settings.attributes.items()})
    tokens = any(who.way == "token" for who in people)
    real = {who.authenticator for who in people if who.way == "api_key"}
    signing = {who.authenticator for who in people if who.way == "claims"}
    tables, signers = {}, {}
    for name, issuer in settings.issuers.items():
        signer, keys = _issuer_keys(issuer, signs=name in signing, real=tokens)
        tables[name] = KeyTable()
        if keys is not None:
            tables[name].replace(keys, ALWAYS)
        if signer is not None:
            signers[name] = signer
    stores: dict[str, ApiKeyTableRef] = {}
    shown: dict[Who, str] = {}
    for name, store in settings.api_keys.items():
        ours = {who: _new_key(store) for who in people if who.authenticator == name and who.way in {"granted", "key"}}
        shown |= ours
        stores[name] = ApiKeyTableRef(_key_table(store, ours, entries.get(name), real=name in real))
    live = LiveTables(keys=tables, api_keys=stores)
    return Stage(snapshot=to_end(compile_snapshot(settings, revision, live, Meter())), signers=signers, keys=shown)


def _asked(source: AttributeSettings) -> AttributeSettings:
    """A table in a file becomes something that is asked for the same variables, so that the tests can answer for it."""
    if not isinstance(source.source, FileAttribute):
        return source
    path = "/".join(f"{{{name}}}" for name in KeyTemplate(source.source.key).names)
    asked = HttpAttribute(
        url=f"http://127.0.0.1/{path}", headers={}, ca_file=None, unsafe_http=False, timeout=1.0, cache=0.0, stale_max=0.0
    )
    return replace(source, source=asked)


def _issuer_keys(issuer: IssuerSettings, *, signs: bool, real: bool) -> tuple[Signer | None, KeySet | None]:
    if isinstance(issuer.keys, SharedSecretKeys):
        reference = issuer.keys.secret
        secret = FileAndEnvSecrets().read(reference.kind, reference.value) if real else Secret(secrets.token_bytes(64))
        algorithm = next(name for name in issuer.algorithms if name.startswith("HS"))
        return Signer(algorithm, secret.reveal()) if signs else None, symmetric_keyset(secret, issuer.algorithms)
    keys = _configured(issuer) if real else []
    signer = None
    if signs:
        algorithm = next((name for name in _QUICK if name in issuer.algorithms), issuer.algorithms[0])
        private = new_private_jwk(algorithm, KID)
        signer = Signer(algorithm, json.dumps(private).encode())
        keys += public_jwks(private)["keys"]
    return signer, to_end(read_keys(issuer, json.dumps({"keys": keys}).encode())) if keys else None


def _configured(issuer: IssuerSettings) -> list[JsonValue]:
    """The keys that the configuration itself holds or names; of fetched ones, none."""
    match issuer.keys:
        case InlineKeys(document=document):
            content = document.encode()
        case FileKeys(path=path):
            content = read_bounded(path, MAX_DOCUMENT)
        case _:
            return []
    to_end(read_keys(issuer, content))  # refuses what the sidecar would refuse
    keys: list[JsonValue] = json.loads(content)["keys"]
    return keys


def _key_table(store: KeyStoreSettings, ours: Mapping[Who, str], entries: tuple[KeyEntry, ...] | None, *, real: bool) -> ApiKeyTable:
    by_id = {entry.id: entry for entry in entries or ()}
    plain: dict[bytes, ApiKeyRecord] = {}
    for number, (who, key) in enumerate(ours.items(), 1):
        entry = _granted_entry(who, number) if who.way == "granted" else by_id[who.spec.key or ""]
        digest = Digest(None, sha256(key.encode()).digest())
        table = to_end(read_entries((replace(entry, digest=digest),), store=store.name, peppers={}, wall=0.0))
        record = table.lookup(key)
        assert record is not None
        plain[digest.value] = record
    rest = None
    if real:
        peppers = {name: FileAndEnvSecrets().read(reference.kind, reference.value) for name, reference in store.peppers.items()}
        wall = SystemClock().now().wall
        try:
            rest = to_end(read_entries(entries or (), store=store.name, peppers=peppers, wall=wall))
        except SourceError as error:
            raise SourceError(f"{store.path}: {error}") from None
    return JoinedTable(ApiKeyTable(plain, ()), rest)


def _granted_entry(who: Who, number: int) -> KeyEntry:
    spec = who.spec
    return KeyEntry(
        id=f"{KID}-{number}",
        digest=Digest(None, b""),
        owner=spec.subject,
        roles=tuple(spec.roles or ()),
        permissions=tuple(spec.permissions or ()),
        scopes=tuple(spec.scopes or ()),
        metadata=spec.metadata or {},
    )


def _new_key(store: KeyStoreSettings) -> str:
    return f"{store.credentials[0].prefix or ''}{secrets.token_hex(20)}"


def _fitting(places: Iterable[CredentialPlace], key: str) -> CredentialPlace:
    """The first place where such a key can stand, else the first."""
    places = tuple(places)
    return next((place for place in places if key.startswith(place.prefix or "")), places[0])


def _identity(who: Who, issuer: IssuerSettings) -> Identity:
    spec = who.spec
    subject = subject_of(spec.subject or "", issuer)
    assert not isinstance(subject, Rejected)
    return Identity(
        kind="jwt",
        authenticator=issuer.name,
        issuer=issuer.issuer,
        subject=subject,
        email=spec.email,
        email_trusted=spec.email is not None,
        roles=tuple(spec.roles or ()),
        permissions=tuple(spec.permissions or ()),
        scopes=tuple(spec.scopes or ()),
        scopes_are_ceiling=issuer.claims.scopes is not None and issuer.claims.scopes.ceiling,
        audiences=tuple(spec.audiences or sorted(issuer.audiences)[:1]),
        attributes={name: value for name, value in (spec.attributes or {}).items() if value is not None},
    )


def _stand_in(issuer: Issuer, who: Who) -> str:
    """A text that is read as a token of the issuer, and verifies nowhere: routes that do not accept the issuer say so."""
    parts = [{"alg": "none", "typ": "JWT"}, {"iss": issuer.iss, "sub": who.spec.subject}]
    return ".".join([*(_part(json.dumps(part).encode()) for part in parts), _part(b"sidecar test")])


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _token(who: Who, issuer: IssuerSettings, signer: Signer, wall: float) -> str:
    lifetime = min(LIFETIME, issuer.max_lifetime or LIFETIME)
    claims: dict[str, JsonValue] = {"iss": issuer.issuer, "iat": int(wall), "exp": int(wall + lifetime)}
    claims |= {"aud": min(issuer.audiences)} if issuer.audiences else {}
    claims |= {"client_id": min(issuer.client_ids)} if issuer.client_ids else {}
    claims |= {"sub": who.name} | claim_at(issuer.claims.subject, who.spec.subject or who.name)
    typ = next((name for name in ("at+jwt", "jwt") if name in issuer.token_types), "")
    return sign(signer.material, signer.algorithm, {"kid": KID, "typ": typ}, {**claims, **(who.spec.claims or {})})
