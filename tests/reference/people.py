"""Who asks: from a token's claims or a key's entry to a subject, roles, permissions and scopes."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .request import Refusal, Request
from .tokens import audience_of

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """A verified caller."""

    subject: str = ""
    issuer: str = ""
    authenticator: str = ""
    email: str = ""
    key_id: str = ""
    roles: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    ceiling: bool = False
    audiences: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    anonymous: bool = False
    shown_at: tuple[str, str] = ("", "")
    """Kind and name of the place where the credential stood."""


def at(claims: JSON, path: Any) -> Any:
    """Return the claim at a path (a name, or a list of names), or None."""
    value: Any = claims
    for name in [path] if isinstance(path, str) else path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def paths_in(source: Any) -> list[list[str]]:
    if isinstance(source, str):
        return [[source]]
    return [source] if all(isinstance(name, str) for name in source) else list(source)


def texts(value: Any, *, split: bool = False) -> list[str]:
    """Return text or a list of text as a list; anything else grants nothing."""
    if isinstance(value, str):
        return value.split(" ") if split else [value]
    return list(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else []


def mapped(claims: JSON, setting: Any, *, split: bool = False) -> list[str]:
    """Return the union of all paths of a mapping, in order."""
    if setting is None:
        return []
    source = setting["from"] if isinstance(setting, Mapping) else setting
    found = [text for path in paths_in(source) for text in texts(at(claims, path), split=split)]
    return [text for text in dict.fromkeys(found) if text]


def covers(granted: str, wanted: str) -> bool:
    """Tell whether a permission grants another: ``*`` is a whole segment, or the rest at the end."""
    have, want = granted.split(":"), wanted.split(":")
    for index, segment in enumerate(have):
        if segment == "*" and index == len(have) - 1:
            return len(want) > index
        if index >= len(want) or (segment not in ("*", want[index])):
            return False
    return len(have) == len(want)


def of_token(config: JSON, name: str, claims: JSON, now: float) -> Person:
    """Map the claims of a verified token. Raises Refusal when they have no usable subject."""
    issuer = config["issuers"][name]
    words = issuer.get("claims", {})
    subject = at(claims, words.get("subject", "sub"))
    if not isinstance(subject, str) or not subject or len(subject) > 255 or subject != subject.strip() or has_control(subject):
        raise Refusal("invalid_token")
    email = at(claims, words["email"]) if "email" in words else None
    trusted = words.get("email_trust", "verified") == "always" or claims.get("email_verified") is True
    email = email if isinstance(email, str) and trusted else ""
    roles_words = words.get("roles")
    roles = mapped(claims, roles_words)
    if isinstance(roles_words, Mapping):
        roles = [roles_words.get("map", {}).get(role, role) for role in roles]
        roles = [role for role in roles if "allow" not in roles_words or role in roles_words["allow"]]
    template = words.get("subject_template")
    subject = template.replace("{issuer}", name).replace("{subject}", subject) if template else subject
    more_roles, more_direct = from_users(config, name, subject, email, now)
    scopes_words = words.get("scopes")
    return Person(
        subject=subject,
        issuer=issuer["issuer"],
        authenticator=name,
        email=email,
        roles=tuple(dict.fromkeys([*roles, *more_roles])),
        direct=tuple(dict.fromkeys([*token_permissions(claims, words.get("permissions")), *more_direct])),
        scopes=tuple(mapped(claims, scopes_words, split=True)),
        ceiling=isinstance(scopes_words, Mapping) and scopes_words.get("as") == "ceiling",
        audiences=tuple(audience_of(claims)),
        attributes={attribute: at(claims, path) for attribute, path in words.get("attributes", {}).items()},
    )


def token_permissions(claims: JSON, words: Any) -> list[str]:
    """Wildcards in tokens count only where ``allow`` covers them."""
    found = mapped(claims, words)
    if isinstance(words, Mapping) and "allow" in words:
        return [text for text in found if any(covers(pattern, text) for pattern in words["allow"])]
    return [text for text in found if "*" not in text]


def has_control(text: str) -> bool:
    return any(ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F for char in text)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def in_time(entry: JSON, now: float) -> bool:
    """Tell whether now lies in [not_before, expires_at)."""
    begun = "not_before" not in entry or now >= moment(entry["not_before"])
    return begun and ("expires_at" not in entry or now < moment(entry["expires_at"]))


def from_users(config: JSON, issuer: str, subject: str, email: str, now: float) -> tuple[list[str], list[str]]:
    """Return roles and permissions of the entries under ``users`` that match."""
    roles: list[str] = []
    permissions: list[str] = []
    for entry in config.get("users", ()):
        match = entry["match"]
        said = [match[key] == value for key, value in (("subject", subject), ("email", email)) if key in match]
        if match["issuer"] == issuer and all(said) and in_time(entry, now):
            roles += entry.get("roles", ())
            permissions += entry.get("permissions", ())
    return roles, permissions


def of_key(
    config: JSON, keys: Mapping[str, Sequence[JSON]], stores: Sequence[str], text: str, where: tuple[str, str], now: float
) -> Person:
    """Look a key up: the first store that knows it judges it. ``where``: route and client address. Raises Refusal."""
    route, address = where
    for store in stores:
        for entry in keys[store]:
            if not matches(entry["digest"], text, config["api_keys"][store].get("peppers", {})):
                continue
            if entry.get("revoked") or not in_time(entry, now):
                raise Refusal("invalid_api_key", config["api_keys"][stores[0]].get("invalid_status", 403))
            if not allowed_here(entry, route, address):
                raise Refusal("credential_not_allowed_here")
            return Person(
                subject=entry.get("owner") or entry["id"],
                issuer=store,
                authenticator=store,
                key_id=entry["id"],
                roles=tuple(dict.fromkeys(entry.get("roles", ()))),
                direct=tuple(dict.fromkeys(entry.get("permissions", ()))),
                scopes=tuple(dict.fromkeys(entry.get("scopes", ()))),
                metadata=entry.get("metadata") or {},
            )
    raise Refusal("invalid_api_key", config["api_keys"][stores[0]].get("invalid_status", 403))


def matches(digest: str, text: str, peppers: Mapping[str, bytes]) -> bool:
    kind, _, rest = digest.partition(":")
    if kind == "sha256":
        return hashlib.sha256(text.encode()).hexdigest() == rest
    pepper, _, wanted = rest.partition(":")
    return pepper in peppers and hmac.new(b"pepper", text.encode(), "sha256").hexdigest() == wanted


def allowed_here(entry: JSON, route: str, address: str) -> bool:
    """Tell whether a key counts on this route and from this client address."""
    if entry.get("routes") and route not in entry["routes"]:
        return False
    if not entry.get("cidrs"):
        return True
    return within(address, entry["cidrs"])


def within(address: str, networks: Sequence[str]) -> bool:
    """Tell whether an address lies in one of the networks; an IPv4 address in IPv6 clothes is an IPv4 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in ipaddress.ip_network(network) for network in networks)


def client_address(config: JSON, request: Request) -> str:
    """Return the source address, or the N-th from the right of X-Forwarded-For where the peer may assert it."""
    words = config.get("server", {}).get("client_address", {})
    hops = words.get("trusted_hops", 0)
    if not hops:
        return request.source_ip
    if not within(request.source_ip, words["from"]):
        return request.source_ip
    entries = [entry.strip() for entry in (request.get("x-forwarded-for") or "").split(",")]  # an empty entry is one, too
    return entries[-hops] if len(entries) >= hops else ""


def closure(config: JSON, roles: Iterable[str]) -> list[str]:
    """Return roles with all that they inherit, in order."""
    out: list[str] = []
    waiting = list(roles)
    while waiting:
        role = waiting.pop(0)
        if role not in out:
            out.append(role)
            waiting += config.get("roles", {}).get(role, {}).get("inherits", ())
    return out
