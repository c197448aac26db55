"""What a principal of a test may be granted: nothing that no credential of its authenticator could carry.

A test that passes with an impossible principal shows nothing; a misspelt role would make any denial pass.
"""

from collections.abc import Iterable
from typing import Protocol

from sidecar.authn.claims import ClaimMapping
from sidecar.config.marks import KeyPath
from sidecar.config.schema.policytest import PrincipalSpec
from sidecar.config.suggest import hint_for, listed
from sidecar.model.outcome import Rejected
from sidecar.model.permission import REST, compile_permissions
from sidecar.model.principal import JsonValue
from sidecar.model.settings import ClaimPath, IssuerSettings, KeyStoreSettings, Settings

ROLE_KEYWORDS = frozenset({"role", "all_roles", "any_role"})


class Complain(Protocol):
    """Notes a problem at a key below the principal."""

    def __call__(self, step: KeyPath, message: str, hint: str = "") -> None:
        """Note it."""


def check_grants(spec: PrincipalSpec, vouching: IssuerSettings | KeyStoreSettings, settings: Settings, complain: Complain) -> None:
    """Note whatever of ``spec`` a credential of ``vouching`` could not carry."""
    known = known_roles(settings)
    for number, role in enumerate(spec.roles or ()):
        if role not in known:
            complain(("roles", number), f"there is no role {role!r}", hint_for(role, known))
    if isinstance(vouching, KeyStoreSettings):
        for name in ("email", "audiences", "attributes"):
            if getattr(spec, name) is not None:
                complain((name,), f"{vouching.name} is a store of API keys, which have none", "remove it, or name an issuer")
        return
    if spec.metadata is not None:
        complain(("metadata",), f"{vouching.name} is an issuer, and only API keys have metadata", "write attributes")
    _check_subject(spec, vouching, complain)
    _check_roles(spec.roles or (), vouching, known, complain)
    _check_permissions(spec.permissions or (), vouching, complain)
    _check_rest(spec, vouching, complain)


def known_roles(settings: Settings) -> frozenset[str]:
    """Every role that the configuration names anywhere."""
    roles = set(settings.roles)
    for issuer in settings.issuers.values():
        mapped = issuer.claims.roles
        roles |= set() if mapped is None else {*(mapped.allow or ()), *mapped.rename.values()}
    for grant in settings.users:
        roles.update(grant.roles)
    for route in settings.routes.values():
        for keyword, values in route.require.parts if route.require is not None else ():
            if keyword in ROLE_KEYWORDS:
                roles.update(values)
    return frozenset(roles)


def _check_subject(spec: PrincipalSpec, issuer: IssuerSettings, complain: Complain) -> None:
    subject = subject_of(spec.subject or "", issuer)
    if isinstance(subject, Rejected):
        complain(("subject",), subject.detail)


def subject_of(subject: str, issuer: IssuerSettings) -> str | Rejected:
    """Return the subject as the issuer's settings make it of the claim."""
    mapping = ClaimMapping(issuer.claims, authenticator=issuer.name, issuer=issuer.issuer)
    return mapping.subject(claim_at(issuer.claims.subject, subject))


def claim_at(path: ClaimPath, value: JsonValue) -> dict[str, JsonValue]:
    """Return claims that hold ``value`` at ``path`` and nothing else."""
    for step in reversed(path):
        value = {step: value}
    assert isinstance(value, dict)
    return value


def _check_roles(roles: Iterable[str], issuer: IssuerSettings, known: frozenset[str], complain: Complain) -> None:
    mapped = issuer.claims.roles
    for number, role in enumerate(roles):
        if mapped is None:
            message = f"no token of {issuer.name} carries roles: issuers.{issuer.name}.claims maps none"
            complain(("roles",), message, "grant them under `users`")
            return
        if role in known and mapped.allow is not None and role not in mapped.allow:
            hint = f"issuers.{issuer.name}.claims.roles.allow has {listed(sorted(mapped.allow))}"
            complain(("roles", number), f"no token of {issuer.name} carries the role {role!r}", hint)


def _check_permissions(permissions: Iterable[str], issuer: IssuerSettings, complain: Complain) -> None:
    mapped = issuer.claims.permissions
    allow = None if mapped is None or mapped.allow is None else compile_permissions(mapped.allow)
    for number, permission in enumerate(permissions):
        if mapped is None:
            complain(("permissions",), f"no token of {issuer.name} carries permissions: issuers.{issuer.name}.claims maps none")
            return
        if not (allow.grants(permission) if allow is not None else REST not in permission):
            hint = f"see issuers.{issuer.name}.claims.permissions.allow"
            complain(("permissions", number), f"no token of {issuer.name} carries the permission {permission!r}", hint)


def _check_rest(spec: PrincipalSpec, issuer: IssuerSettings, complain: Complain) -> None:
    claims = issuer.claims
    if spec.scopes and claims.scopes is None:
        complain(("scopes",), f"no token of {issuer.name} carries scopes: issuers.{issuer.name}.claims maps none")
    if spec.email is not None and claims.email is None:
        complain(("email",), f"no token of {issuer.name} carries an e-mail address: issuers.{issuer.name}.claims maps none")
    if spec.audiences is not None and issuer.audiences and issuer.audiences.isdisjoint(spec.audiences):
        complain(("audiences",), f"no token of {issuer.name} counts without one of its audiences", listed(sorted(issuer.audiences)))
    for name in spec.attributes or ():
        if name not in claims.attributes:
            hint = hint_for(name, claims.attributes, f"map it under issuers.{issuer.name}.claims.attributes")
            complain(("attributes", name), f"{issuer.name} has no attribute {name!r}", hint)
