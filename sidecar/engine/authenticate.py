"""One presented credential to a principal: from memory where possible, else verified now."""

from collections import Counter
from collections.abc import Generator
from hashlib import sha256

from cachetools import LRUCache

from sidecar.authn.api_key import ApiKeyRecord, check_record
from sidecar.authn.cache import CachedToken, TokenCache
from sidecar.authn.extract import Presented
from sidecar.authn.jose import parse_token
from sidecar.authn.jwt import lasting, verify_token
from sidecar.model.ask import Ask
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.principal import Principal
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput

from .snapshot import Route, Snapshot

MAX_KEY_PRINCIPALS = 4096
MAX_KEY = 1024
"""Characters; each pepper in use costs a digest over all of them."""


class Authenticator:
    """The memory of the deciding thread: verified tokens, rejected tokens, principals of API keys."""

    __slots__ = ("_key_principals", "tokens")

    def __init__(self, counts: Counter[tuple[str, str]]) -> None:
        """Count cache requests into ``counts``."""
        self.tokens = TokenCache(counts)
        self._key_principals: LRUCache[ApiKeyRecord, tuple[object, Principal]] = LRUCache(MAX_KEY_PRINCIPALS)

    def remembered(self, presented: Presented, snapshot: Snapshot, now: Instant) -> Principal | Rejected | bytes:
        """Return the principal of a token verified before, if this route accepts it; else the token's digest."""
        if len(presented.value) > snapshot.longest_token:
            return Rejected(Reason.INVALID_TOKEN, "longer than any issuer's max_token_size")
        key = sha256(presented.value.encode()).digest()
        entry = self.tokens.verified(key, snapshot.issuers, snapshot.rbac, now)
        if entry is not None and entry.issuer.name in presented.group.by_name:
            return entry.principal
        return key

    def token(
        self, presented: Presented, key: bytes, snapshot: Snapshot, now: Instant
    ) -> Generator[Ask, object, Principal | Rejected | Undetermined]:
        """Verify a token; ``key`` is its digest."""
        known = self.tokens.rejected(key, snapshot.issuers, now)
        if known is not None:
            return known
        limit = max(snapshot.issuers[reader.authenticator].max_token_size for reader in presented.group.readers)
        token = parse_token(presented.value, limit)
        if isinstance(token, Rejected):
            return token
        iss = token.claims.get("iss")
        issuer = snapshot.by_iss.get(iss) if isinstance(iss, str) else None
        if issuer is None or issuer.name not in presented.group.by_name:
            return Rejected(
                Reason.INVALID_TOKEN, "issuer not known" if issuer is None else f"issuer {issuer.name} not accepted on this route"
            )
        if len(presented.value) > issuer.max_token_size:
            return Rejected(Reason.INVALID_TOKEN, "token longer than max_token_size")
        verdict = yield from verify_token(token, issuer, now)
        if isinstance(verdict, Rejected):
            if lasting(verdict):
                self.tokens.remember_rejected(key, verdict, issuer, now)
            return verdict
        if isinstance(verdict, Undetermined):
            return verdict
        principal = snapshot.rbac.principal(verdict.identity, now.wall)
        self.tokens.remember(key, CachedToken(principal, issuer, verdict.thumbprint, snapshot.rbac, len(presented.value)))
        return principal

    def api_key(
        self, presented: Presented, route: Route, request: CheckInput, snapshot: Snapshot, now: Instant
    ) -> Principal | Rejected | Undetermined:
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
                return verdict if isinstance(verdict, Rejected) else self._key_principal(record, snapshot, now)
        return Rejected(Reason.INVALID_API_KEY, "key not known")

    def _key_principal(self, record: ApiKeyRecord, snapshot: Snapshot, now: Instant) -> Principal:
        known = self._key_principals.get(record)
        if known is not None and known[0] is snapshot.rbac and now.wall < known[1].until:
            return known[1]
        principal = snapshot.rbac.principal(record.identity, now.wall)
        self._key_principals[record] = (snapshot.rbac, principal)
        return principal
