"""``roles`` and ``users``."""

from sidecar.config.schema.rbac import Granted, Role
from sidecar.config.schema.root import Config
from sidecar.model.settings import RoleSettings, UserGrant

from .place import Place


def role_settings(name: str, model: Role) -> RoleSettings:
    """Convert one role."""
    return RoleSettings(name=name, inherits=tuple(model.inherits or ()), permissions=tuple(model.permissions or ()))


def user_grants(model: Config, place: Place) -> tuple[UserGrant, ...]:
    """Convert ``users``; the map form belongs to the one issuer there is."""
    users = model.users
    if users is None:
        return ()
    if isinstance(users, list):
        return tuple(_grant(one.match.issuer, one.match.subject, one.match.email, one) for one in users)
    if len(model.issuers) != 1:
        found = "there are several" if model.issuers else "there is none"
        place.wrong(
            ("users",),
            f"as a map needs exactly one issuer, and {found}",
            "write a list of {match: {issuer: ..., subject: ...}, roles: [...]}",
        )
        return ()
    (issuer,) = model.issuers
    return tuple(_grant(issuer, None if "@" in person else person, person if "@" in person else None, one) for person, one in users.items())


def _grant(issuer: str, subject: str | None, email: str | None, model: Granted) -> UserGrant:
    return UserGrant(
        issuer=issuer,
        subject=subject,
        email=email,
        roles=tuple(model.roles or ()),
        permissions=tuple(model.permissions or ()),
        not_before=model.not_before,
        expires_at=model.expires_at,
    )
