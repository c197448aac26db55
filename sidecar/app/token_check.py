"""One token against one configuration, outside a serving process (``sidecar token verify``)."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from sidecar.adapters.clock import SystemClock
from sidecar.authn.issuer import compile_issuer
from sidecar.authn.jose import parse_token
from sidecar.authn.jwt import VerifiedToken, verify_token
from sidecar.model.outcome import Rejected
from sidecar.model.principal import Identity
from sidecar.model.settings import Settings

from .offline import driven, filled_table
from .spans import in_words
from .validation import validate_sync

VERIFIED = "verified"
REJECTED = "rejected"
UNDETERMINED = "undetermined"


class Verdict(NamedTuple):
    """``word`` is one of the three above; ``facts`` say why, or who it is. No part of the token is among them."""

    word: str
    facts: Mapping[str, str]


def verify_token_with(config: str, raw: str) -> Verdict:
    """Verify a token as the sidecar would under ``config``.

    Raises ConfigError for an invalid configuration, SourceError for keys that cannot be read.
    """
    settings = validate_sync(config).settings
    return asyncio.run(_verify(settings, raw))


async def _verify(settings: Settings, raw: str) -> Verdict:
    largest = max((issuer.max_token_size for issuer in settings.issuers.values()), default=0)
    token = parse_token(raw, largest)
    if isinstance(token, Rejected):
        return _rejected(token)
    chosen = next((issuer for issuer in settings.issuers.values() if issuer.issuer == token.claims.get("iss")), None)
    if chosen is None:
        known = ", ".join(issuer.issuer for issuer in settings.issuers.values())
        return Verdict(REJECTED, {"reason": "invalid_token", "failed": "iss is not the issuer of this configuration", "known": known})
    if len(raw) > chosen.max_token_size:
        return Verdict(REJECTED, {"issuer": chosen.name, "reason": "invalid_token", "failed": f"longer than {chosen.max_token_size} bytes"})
    table = await filled_table(chosen)
    outcome = driven(verify_token(token, compile_issuer(chosen, table), SystemClock().now()))
    if isinstance(outcome, VerifiedToken):
        return Verdict(VERIFIED, _who(outcome.identity))
    if isinstance(outcome, Rejected):
        return _rejected(outcome, issuer=chosen.name)
    facts = {"issuer": chosen.name, "reason": str(outcome.reason), "failed": outcome.detail}
    return Verdict(UNDETERMINED, facts | ({"keys": table.last_error} if table.last_error else {}))


def _rejected(outcome: Rejected, **facts: str) -> Verdict:
    return Verdict(REJECTED, {**facts, "reason": str(outcome.reason), "failed": outcome.detail})


def _who(identity: Identity) -> dict[str, str]:
    now = SystemClock().now().wall
    lists = {"roles": identity.roles, "permissions": identity.permissions, "scopes": identity.scopes}
    facts = {"issuer": identity.authenticator, "subject": identity.subject}
    facts |= {"email": f"{identity.email} ({'trusted' if identity.email_trusted else 'not trusted'})"} if identity.email else {}
    facts |= {name: ", ".join(values) for name, values in lists.items() if values}
    return facts | {"expires": in_words(identity.expires_at, now)}
