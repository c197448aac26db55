"""What an issuer's claims mean, compiled once from the configuration (security rules 6 and 7).

Nothing is granted that is not mapped, and a value of another type than expected grants nothing: a role claim that
is one text is one role, never split or searched, and a list with a member that is no text is no list of roles.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeGuard

from sidecar.model.outcome import Rejected
from sidecar.model.permission import REST, compile_permissions, fault_of_permission
from sidecar.model.principal import Identity, JsonValue
from sidecar.model.reason import Reason
from sidecar.model.settings import ClaimPath, ClaimSettings, PermissionClaim, RoleClaim, ScopeClaim

Claims = Mapping[str, JsonValue]
Read = Callable[[Claims], JsonValue]
ReadMany = Callable[[Claims], tuple[str, ...]]

MAX_TEXT = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLACEHOLDER = re.compile(r"\{(subject|issuer)\}")


class ClaimMapping:
    """Turns verified claims into an Identity."""

    __slots__ = (
        "_attributes",
        "_authenticator",
        "_ceiling",
        "_email",
        "_issuer",
        "_permissions",
        "_roles",
        "_scopes",
        "_subject",
        "_template",
        "_trusted",
    )

    def __init__(self, settings: ClaimSettings, *, authenticator: str, issuer: str) -> None:
        """Compile; ``authenticator`` is the configured name, ``issuer`` the exact ``iss``."""
        self._authenticator = authenticator
        self._issuer = issuer
        self._subject = _reader(settings.subject)
        self._template = None if settings.subject_template is None else _template(settings.subject_template, authenticator)
        self._email = None if settings.email is None else _reader(settings.email)
        self._trusted = settings.email_trusted_always
        self._roles = _nothing if settings.roles is None else _roles(settings.roles)
        self._permissions = _nothing if settings.permissions is None else _permissions(settings.permissions)
        self._scopes = _nothing if settings.scopes is None else _scopes(settings.scopes)
        self._ceiling = settings.scopes is not None and settings.scopes.ceiling
        self._attributes = tuple((name, _reader(path)) for name, path in settings.attributes.items())

    def subject(self, claims: Claims) -> str | Rejected:
        """Return whom the token speaks of, or refuse what cannot name anyone."""
        subject = self._subject(claims)
        if not _clean(subject):
            return Rejected(Reason.INVALID_TOKEN, f"the subject is not a clean text of 1 to {MAX_TEXT} characters")
        return subject if self._template is None else self._template(subject)

    def identity(self, claims: Claims, subject: str, audiences: tuple[str, ...]) -> Identity:
        """Make the identity; ``claims`` passed ``check_claims``. What is not mapped is not kept."""
        email = None if self._email is None else self._email(claims)
        if not _clean(email):
            email = None
        return Identity(
            kind="jwt",
            authenticator=self._authenticator,
            issuer=self._issuer,
            subject=subject,
            email=email,
            email_trusted=email is not None and (self._trusted or claims.get("email_verified") is True),
            roles=self._roles(claims),
            permissions=self._permissions(claims),
            scopes=self._scopes(claims),
            scopes_are_ceiling=self._ceiling,
            audiences=audiences,
            attributes={name: value for name, read in self._attributes if (value := read(claims)) is not None},
            credential_id=claims.get("jti"),  # type: ignore[arg-type]  # the times and jti were checked by check_claims
            issued_at=claims.get("iat"),  # type: ignore[arg-type]
            not_before=claims.get("nbf", 0.0),  # type: ignore[arg-type]
            expires_at=claims["exp"],  # type: ignore[arg-type]
        )


def texts(value: JsonValue) -> tuple[str, ...]:
    """Read one text, or a list of nothing but texts; anything else is nothing. Empty texts name nothing."""
    if type(value) is str:
        return (value,) if value else ()
    if type(value) is not list:
        return ()
    for item in value:
        if type(item) is not str:
            return ()
    return tuple(filter(None, value))  # type: ignore[arg-type]  # the loop says: all texts


def _clean(value: JsonValue) -> TypeGuard[str]:
    return type(value) is str and 0 < len(value) <= MAX_TEXT and value == value.strip() and _CONTROL.search(value) is None


def _reader(path: ClaimPath) -> Read:
    if len(path) == 1:
        name = path[0]
        return lambda claims: claims.get(name)
    head, *rest = path

    def read(claims: Claims) -> JsonValue:
        value = claims.get(head)
        for step in rest:
            if type(value) is not dict:
                return None
            value = value.get(step)
        return value

    return read


def _nothing(_: Claims) -> tuple[str, ...]:
    return ()


def _union(paths: tuple[ClaimPath, ...], read_texts: Callable[[JsonValue], tuple[str, ...]]) -> ReadMany:
    readers = tuple(_reader(path) for path in paths)
    if len(readers) == 1:
        (only,) = readers
        return lambda claims: read_texts(only(claims))

    def read(claims: Claims) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for reader in readers:
            for text in read_texts(reader(claims)):
                found[text] = None
        return tuple(found)

    return read


def _roles(settings: RoleClaim) -> ReadMany:
    read, rename, allow = _union(settings.paths, texts), settings.rename, settings.allow
    if not rename and allow is None:
        return read

    def renamed(claims: Claims) -> tuple[str, ...]:
        roles: dict[str, None] = {}
        for name in read(claims):
            role = rename.get(name, name)
            if allow is None or role in allow:
                roles[role] = None
        return tuple(roles)

    return renamed


def _permissions(settings: PermissionClaim) -> ReadMany:
    read = _union(settings.paths, texts)
    allow = None if settings.allow is None else compile_permissions(settings.allow)

    def counts(name: str) -> bool:
        if fault_of_permission(name):
            return False
        return REST not in name if allow is None else allow.grants(name)

    return lambda claims: tuple(filter(counts, read(claims)))


def _scopes(settings: ScopeClaim) -> ReadMany:
    return _union(settings.paths, _scope_texts)


def _scope_texts(value: JsonValue) -> tuple[str, ...]:
    # RFC 6749 §3.3: one text, separated by single spaces; some issuers send a list instead.
    return tuple(filter(None, value.split(" "))) if type(value) is str else texts(value)


def _template(template: str, issuer: str) -> Callable[[str], str]:
    # Split once: a subject that itself says "{issuer}" must not be expanded.
    parts = _PLACEHOLDER.split(template)

    def fill(subject: str) -> str:
        return "".join({"subject": subject, "issuer": issuer}[part] if index % 2 else part for index, part in enumerate(parts))

    return fill
