"""What changes about whom a configuration believes: issuers, places of credentials, claims."""

from collections.abc import Iterable, Iterator, Mapping

from sidecar.authn.issuer import usable_algorithms
from sidecar.model.settings import ClaimSettings, CredentialPlace, InlineKeys, IssuerSettings, PermissionClaim, RoleClaim, ScopeClaim

from .changes import Effect, Setting
from .reviewed import covers
from .sides import Sides
from .words import plain, text_of

FOREVER = float("inf")


def trust_changes(sides: Sides) -> Iterator[Setting]:
    """Give what changes about issuers and key stores."""
    for caller in sides.callers():
        names = sides.old.names.get(caller), sides.new.names.get(caller)
        section = "issuers" if caller[0] == "issuer" else "api_keys"
        if caller[0] not in {"issuer", "store"}:
            continue
        if names[0] is None or names[1] is None:
            # Whether anything opens by a new one is told by the routes that accept it.
            yield Setting(
                "none", section, names[0] or names[1] or "", "" if names[0] is None else "accepted", "new" if names[1] else "gone"
            )
            continue
        if names[0] != names[1]:
            yield Setting("none", section, names[1], f"called {names[0]}", f"called {names[1]}")
        if caller[0] == "issuer":
            used = sides.new.reviewed.settings.policies.values()
            attributes = frozenset(name for policy in used for name in policy.attributes)
            old, new = sides.old.reviewed.settings.issuers[names[0]], sides.new.reviewed.settings.issuers[names[1]]
            yield from _issuer(old, new, attributes)
        else:
            stores = sides.old.reviewed.settings.api_keys[names[0]], sides.new.reviewed.settings.api_keys[names[1]]
            yield from _places(f"{section}.{names[1]}", stores[0].credentials, stores[1].credentials)


def _issuer(old: IssuerSettings, new: IssuerSettings, attributes: frozenset[str]) -> Iterator[Setting]:
    def setting(effect: Effect, key: str, before: object, after: object) -> Setting:
        return Setting(effect, "issuers", f"{new.name}.{key}", text_of(before), text_of(after))

    if old.audiences != new.audiences or old.unsafe_no_audience != new.unsafe_no_audience:
        yield setting(
            _audiences(old, new), "audiences", old.audiences or "any (unsafe_no_audience)", new.audiences or "any (unsafe_no_audience)"
        )
    if old.client_ids != new.client_ids:
        yield setting(_client_ids(old, new), "client_ids", old.client_ids, new.client_ids)
    for key, one, other in (
        ("algorithms", usable_algorithms(old), usable_algorithms(new)),
        ("token_types", old.token_types, new.token_types),
    ):
        if one != other:
            yield setting(_wider(one, other), key, one, other)
    for key, low, high in (
        ("clock_skew", old.clock_skew, new.clock_skew),
        ("max_lifetime", old.max_lifetime or FOREVER, new.max_lifetime or FOREVER),
        ("max_token_size", old.max_token_size, new.max_token_size),
        ("refresh.stale_max", old.refresh.stale_max, new.refresh.stale_max),
    ):
        if low != high:
            yield setting(
                "opens" if high > low else "closes", key, "no limit" if low == FOREVER else low, "no limit" if high == FOREVER else high
            )
    if plain(old.keys) != plain(new.keys):
        yield setting("changes", "keys", _keys(old), _keys(new))
    if old.refresh.ca_file != new.refresh.ca_file:
        yield setting("changes", "refresh.ca_file", old.refresh.ca_file, new.refresh.ca_file)
    yield from _places(f"issuers.{new.name}", old.credentials, new.credentials)
    yield from (
        setting(effect, f"claims.{key}", before, after) for effect, key, before, after in _claims(old.claims, new.claims, attributes)
    )


def _keys(issuer: IssuerSettings) -> object:
    return "inline: another set of keys" if isinstance(issuer.keys, InlineKeys) else plain(issuer.keys)


def _wider(old: frozenset[str], new: frozenset[str]) -> Effect:
    return "none" if old == new else "closes" if new < old else "opens"


def _audiences(old: IssuerSettings, new: IssuerSettings) -> Effect:
    if not new.audiences or not old.audiences:
        return "closes" if new.audiences else "opens"
    return _wider(old.audiences, new.audiences)


def _client_ids(old: IssuerSettings, new: IssuerSettings) -> Effect:
    """None named: any client will do."""
    if not old.client_ids:
        return "closes"
    return "opens" if not new.client_ids else _wider(old.client_ids, new.client_ids)


def _places(key: str, old: Iterable[CredentialPlace], new: Iterable[CredentialPlace]) -> Iterator[Setting]:
    section, _, name = key.partition(".")
    before, after = ({_place(place): place for place in places} for places in (old, new))
    for place in dict.fromkeys((*before, *after)):
        one, other = before.get(place), after.get(place)
        if one is None or other is None:
            effect: Effect = "opens" if one is None else "closes"
            yield Setting(effect, section, f"{name}.credentials", "" if one is None else place, "" if other is None else place)
        elif one.forward != other.forward:
            words = [f"{place}, {'passed on' if this.forward else 'taken off'}" for this in (one, other)]
            yield Setting("none", section, f"{name}.credentials", *words)


def _place(place: CredentialPlace) -> str:
    return " ".join(part for part in (place.kind, place.name, place.scheme, f"{place.prefix}…" if place.prefix else "") if part)


Changed = tuple[Effect, str, object, object]


def _claims(old: ClaimSettings, new: ClaimSettings, attributes: frozenset[str]) -> Iterator[Changed]:
    for key in ("subject", "subject_template", "email"):
        if getattr(old, key) != getattr(new, key):
            yield "changes", key, getattr(old, key), getattr(new, key)
    if old.email_trusted_always != new.email_trusted_always:
        before, after = ("always" if one.email_trusted_always else "verified" for one in (old, new))
        yield "opens" if new.email_trusted_always else "closes", "email_trust", before, after
    if old.roles != new.roles:
        yield _roles(old.roles, new.roles), "roles", _role_words(old.roles), _role_words(new.roles)
    if old.permissions != new.permissions:
        yield _permissions(old.permissions, new.permissions), "permissions", plain(old.permissions), plain(new.permissions)
    if old.scopes != new.scopes:
        yield _scopes(old.scopes, new.scopes), "scopes", plain(old.scopes), plain(new.scopes)
    yield from _attributes(old.attributes, new.attributes, attributes)


def _roles(old: RoleClaim | None, new: RoleClaim | None) -> Effect:
    if old is None or new is None:
        return "opens" if old is None else "closes"
    if (old.paths, old.rename) != (new.paths, new.rename):
        return "changes"
    if old.allow is None or new.allow is None:
        return "opens" if new.allow is None else "closes"
    return _wider(old.allow, new.allow)


def _role_words(claim: RoleClaim | None) -> object:
    if claim is None:
        return "none"
    return f"from {text_of(claim.paths)}, allow {text_of(claim.allow) if claim.allow is not None else 'any'}" + (
        f", map {text_of(claim.rename)}" if claim.rename else ""
    )


def _permissions(old: PermissionClaim | None, new: PermissionClaim | None) -> Effect:
    if old is None or new is None:
        return "opens" if old is None else "closes"
    if old.paths != new.paths or (old.allow is None) is not (new.allow is None):
        return "changes"
    narrower = all(covers(old.allow, name) for name in new.allow or ())
    return "closes" if narrower else "opens"


def _scopes(old: ScopeClaim | None, new: ScopeClaim | None) -> Effect:
    if old is None or new is None:
        ceiling = (old or new or ScopeClaim(paths=(), ceiling=False)).ceiling
        return "changes" if ceiling else "opens" if old is None else "closes"
    if old.paths != new.paths:
        return "changes"
    return "closes" if new.ceiling else "opens"


def _attributes(old: Mapping[str, object], new: Mapping[str, object], used: frozenset[str]) -> Iterator[Changed]:
    for name in dict.fromkeys((*old, *new)):
        # user.claims.* is read where policies name it, from the same claim everywhere.
        if old.get(name) != new.get(name) and not name.startswith("claims."):
            effect: Effect = "changes" if f"user.{name}" in used else "none"
            yield effect, f"attributes.{name}", old.get(name), new.get(name)
