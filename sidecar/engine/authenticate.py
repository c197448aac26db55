"""One presented credential to a principal: from memory where possible, else verified now."""

from collections.abc import Generator, Mapping
from hashlib import sha256
from weakref import WeakValueDictionary

from sidecar.authn.api_key import ApiKeyRecord, check_record
from sidecar.authn.cache import TokenCache
from sidecar.authn.extract import Presented
from sidecar.authn.jose import jwt_shaped, parse_token
from sidecar.authn.jwt import lasting, verify_token
from sidecar.authn.memory import Known, Memory, Signed
from sidecar.model.ask import TURN, Ask
from sidecar.model.instant import Instant
from sidecar.model.meter import CacheCount
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput

from .snapshot import Route, Snapshot

MAX_KEY = 1024
"""Characters; each pepper in use costs a digest over all of them."""


class Authenticator:
    """The memory of the deciding thread: verified tokens, rejected tokens, API keys."""

    __slots__ = ("_count", "_epoch", "_known", "_people", "keys", "tokens")

    def __init__(self, counts: Mapping[str, CacheCount]) -> None:
        """Count cache lookups into ``counts``."""
        self.tokens = TokenCache(counts)
        self._known = self.tokens.memory.get
        self._count = counts["tokens"]
        self.keys = Memory()
        self._people: WeakValueDictionary[tuple[str, str], Known] = WeakValueDictionary()
        """The latest token of each person, while it is remembered, under the snapshot of ``_epoch``."""
        self._epoch: object = None

    def remembered(self, presented: Presented, snapshot: Snapshot, now: Instant) -> Known | bytes:
        """Return what is known of a token verified before, if this route accepts it; else the token's digest."""
        value, group = presented
        key = sha256(value.encode()).digest()
        known = self._known(key)
        if known is not None:
            signed = known.signed
            if (
                signed is not None
                # As it was when it was looked at whole: the same snapshot, the same keys …
                and signed.good_under is snapshot.epoch
                and signed.good_with is signed.table.held
                # … and within its times.
                and now.mono <= signed.stale_at
                and known.starts <= now.wall < known.until
                and known.authenticator in group.by_name
            ):
                self._count.hit += 1
                known.used = True
                return known
            known = self.tokens.look_again(key, snapshot.epoch, snapshot.issuers, snapshot.rbac, now)
            if known is not None and known.authenticator in group.by_name:
                return known
        else:
            self._count.miss += 1
        return key

    def token(
        self, presented: Presented, key: bytes, snapshot: Snapshot, now: Instant
    ) -> Generator[Ask, object, Known | Rejected | Undetermined]:
        """Verify a token; ``key`` is its digest."""
        known = self.tokens.rejected(key, snapshot.issuers, presented.group.by_name, now)
        if known is not None:
            return known
        if not jwt_shaped(presented.value):
            return Rejected(Reason.INVALID_TOKEN, "neither a known key prefix nor a JWT")
        yield TURN
        token = parse_token(presented.value, snapshot.longest_token)
        if isinstance(token, Rejected):
            return token
        iss = token.claims.get("iss")
        issuer = snapshot.by_iss.get(iss) if isinstance(iss, str) else None
        if issuer is None or issuer.name not in presented.group.by_name:
            return Rejected(
                Reason.INVALID_TOKEN, "issuer not known" if issuer is None else f"issuer {issuer.name} not accepted on this route"
            )
        if len(presented.value) > issuer.max_token_size:
            return Rejected(Reason.INVALID_TOKEN, "longer than max_token_size")
        verdict = yield from verify_token(token, issuer, now)
        if isinstance(verdict, Rejected):
            if lasting(verdict):
                self.tokens.remember_rejected(key, verdict, issuer, now)
            return verdict
        if isinstance(verdict, Undetermined):
            return verdict
        principal = snapshot.rbac.principal(verdict.identity, now.wall)
        entry = Known(principal, snapshot.rbac, size=len(presented.value), signed=Signed(issuer, verdict.thumbprint))
        self._inherit(entry, snapshot.epoch)
        self.tokens.memory.put(key, entry)
        return entry

    def _inherit(self, entry: Known, epoch: object) -> None:
        """Give a person's next token the verdicts on the one before, if it says the same of them under the same snapshot."""
        if epoch is not self._epoch:
            self._people.clear()
            self._epoch = epoch
        identity = entry.principal.identity
        person = identity.authenticator, identity.subject
        before = self._people.get(person)
        if before is not None and entry.principal.is_as(before.principal):
            entry.inherit(before)
        self._people[person] = entry

    def api_key(
        self, presented: Presented, route: Route, request: CheckInput, snapshot: Snapshot, now: Instant
    ) -> Known | Rejected | Undetermined:
        """Look an API key up in every store that reads this place; the first that knows it judges it."""
        if "!" in presented.value or len(presented.value) > MAX_KEY:
            # Header bytes that are not UTF-8 read as "!", so a key with one cannot be told from a mangled key.
            return Rejected(Reason.INVALID_API_KEY, "longer than any key, or with a character that no key has")
        for reader in presented.group.readers:
            table = snapshot.api_keys[reader.authenticator].current
            if table is None:
                return Undetermined(Reason.DEPENDENCY_UNAVAILABLE, f"API keys of {reader.authenticator} could not be read yet")
            record = table.lookup(presented.value)
            if record is not None:
                source = snapshot.client_address.of(request)
                verdict = check_record(record, route=route.name, source_ip=source, now_wall=now.wall)
                return verdict if isinstance(verdict, Rejected) else self._key(record, snapshot, now)
        return Rejected(Reason.INVALID_API_KEY, "key not known")

    def _key(self, record: ApiKeyRecord, snapshot: Snapshot, now: Instant) -> Known:
        entry = self.keys.get(record)
        if entry is None or entry.rbac is not snapshot.rbac or now.wall >= entry.until:
            entry = Known(snapshot.rbac.principal(record.identity, now.wall), snapshot.rbac)
            self.keys.put(record, entry)
        entry.used = True
        return entry
