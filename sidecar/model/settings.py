"""The validated configuration that serving code reads. Made by ``sidecar.config``; every value is final.

Durations are float seconds, sizes int bytes, paths absolute strings (resolved against the file that names
them). ``where`` fields say where a value stands, for errors that only show when it is used. Defaults stand
in ``sidecar.config.schema`` alone: nothing here has one, so that a forgotten field cannot go unnoticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from .condition import Condition
from .errors import Where
from .principal import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """A secret by reference: a file (one trailing newline dropped) or an environment variable."""

    kind: Literal["file", "env"]
    value: str
    where: Where


# --- server, telemetry, admin -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Server TLS of the check listener; with ``client_ca_file`` clients must show a certificate."""

    cert_file: str
    key_file: str
    client_ca_file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAddressSettings:
    """``trusted_hops`` 0: source.address. N: the N-th from the right of X-Forwarded-For, if the peer is in ``trusted_peers``."""

    trusted_hops: int
    trusted_peers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """How the upstream reads paths."""

    trailing_slash: Literal["same", "strict"]
    case: Literal["sensitive", "insensitive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The check listener. ``listen`` is ``host:port`` or ``unix:///path``."""

    listen: str
    socket_mode: int
    transport: Literal["auto", "native", "grpcio"]
    check_deadline: float
    max_in_flight: int
    shutdown_delay: float
    shutdown_timeout: float
    tls: TlsSettings | None
    allowed_peers: tuple[str, ...]
    unsafe_plaintext_check_listener: bool
    unsafe_error: bool
    """``fault_response: unsafe_error``: our faults leave as error_response, so Envoy's failure mode decides."""
    client_address: ClientAddressSettings
    max_check_size: int
    paths: PathSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """An HTTP listener of ours (telemetry or admin): ``host:port``."""

    listen: str
    unsafe_public: bool


# --- issuers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPlace:
    """Where a credential is read. Exactly one of the three kinds; ``scheme`` and ``prefix`` only for headers."""

    kind: Literal["header", "cookie", "query"]
    name: str
    scheme: str | None
    prefix: str | None
    forward: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineKeys:
    """A JWKS written into the configuration (JSON text, re-serialised)."""

    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKeys:
    """A JWKS in a file, reread when it changes."""

    path: str
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlKeys:
    """A JWKS at a URL."""

    url: str
    unsafe_http: bool
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredKeys:
    """The ``jwks_uri`` of the issuer's OpenID Connect discovery document."""

    unsafe_http: bool
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecretKeys:
    """One symmetric key for HS256, HS384, HS512."""

    secret: SecretRef


KeySource: TypeAlias = InlineKeys | FileKeys | UrlKeys | DiscoveredKeys | SharedSecretKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSettings:
    """How keys are fetched. ``every`` is the longest time between two fetches."""

    every: float
    stale_max: float
    ca_file: str | None
    required_for_ready: bool


ClaimPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleClaim:
    """Union of the claims at ``paths``, renamed by ``rename``, then cut to ``allow`` (None: no cut)."""

    paths: tuple[ClaimPath, ...]
    rename: Mapping[str, str]
    allow: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionClaim:
    """Wildcards inside a token count only where ``allow`` covers them."""

    paths: tuple[ClaimPath, ...]
    allow: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeClaim:
    """``ceiling``: effective permissions are cut to the scopes."""

    paths: tuple[ClaimPath, ...]
    ceiling: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSettings:
    """What a token's claims mean. What is not mapped grants nothing."""

    subject: ClaimPath
    subject_template: str | None
    """``{subject}`` and ``{issuer}`` (the configured name) are replaced."""
    email: ClaimPath | None
    email_trusted_always: bool
    roles: RoleClaim | None
    permissions: PermissionClaim | None
    scopes: ScopeClaim | None
    attributes: Mapping[str, ClaimPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One party that may sign tokens. ``name`` is ours, ``issuer`` the exact ``iss``."""

    name: str
    issuer: str
    audiences: frozenset[str]
    """Never empty unless ``unsafe_no_audience``, in which case ``client_ids`` is not."""
    unsafe_no_audience: bool
    client_ids: frozenset[str]
    algorithms: tuple[str, ...]
    token_types: frozenset[str]
    """Lower case, without ``application/``; ``none`` means an absent ``typ``."""
    clock_skew: float
    max_lifetime: float | None
    max_token_size: int
    keys: KeySource
    refresh: RefreshSettings
    credentials: tuple[CredentialPlace, ...]
    claims: ClaimSettings
    where: Where


# --- API keys -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStoreSettings:
    """One set of API keys, in a file."""

    name: str
    path: str
    credentials: tuple[CredentialPlace, ...]
    peppers: Mapping[str, SecretRef]
    invalid_status: Literal[401, 403]
    where: Where


# --- roles, users, routes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSettings:
    """One role. Names in ``inherits`` exist and make no cycle."""

    name: str
    inherits: tuple[str, ...]
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGrant:
    """Roles for one person. Exactly one of ``subject`` and ``email``; times are seconds since the epoch."""

    issuer: str
    subject: str | None
    email: str | None
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    not_before: float | None
    expires_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireSettings:
    """What a route demands, in the order written (the order of reasons). None: not demanded."""

    parts: tuple[tuple[str, tuple[str, ...]], ...]
    """(keyword, values), e.g. ``("any_role", ("a", "b"))``; ``("authenticated", ())``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """One route. Empty ``hosts`` or ``methods`` mean any. ``authenticate`` may end with ``anonymous``."""

    name: str
    hosts: tuple[str, ...]
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    context: Mapping[str, str]
    allow: frozenset[str]
    """Path features admitted: dots, encoded_slash, semicolon."""
    authenticate: tuple[str, ...]
    credential_conflict_first: bool
    require: RequireSettings | None
    deny: tuple[str, ...]
    """Deny policies, those of ``defaults`` among them."""
    resource: Mapping[str, str]
    """``resource.NAME`` → text with ``{variable}`` of the path."""
    cors_preflight: bool
    unsafe_shadow_allows: bool
    """What it denies is recorded, and let through."""
    where: Where


# --- policies -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """One attribute rule. ``condition``: of known attributes, every comparison possible; ``attributes``: all that it names."""

    name: str
    effect: Literal["allow", "deny"]
    shadow: bool
    condition: Condition
    attributes: frozenset[str]
    where: Where


# --- attribute sources --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAttribute:
    """A JSON document at a URL. ``url`` holds ``{variable}`` as whole path segments and whole query values only."""

    kind: ClassVar = "http"
    url: str
    headers: Mapping[str, SecretRef | str]
    ca_file: str | None
    unsafe_http: bool
    timeout: float
    cache: float
    """Seconds for which an answer counts; 0: for its own check only."""
    stale_max: float
    """Age in seconds up to which an answer counts while the source fails; 0: none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAttribute:
    """A table in a file: key → value."""

    kind: ClassVar = "file"
    path: str
    format: Literal["json", "csv"]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticAttribute:
    """A table in the configuration itself. ``default``: for keys that it lacks; None: missing."""

    kind: ClassVar = "static"
    key: str
    values: Mapping[str, JsonValue]
    default: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSettings:
    """Where one attribute comes from that the request does not carry; ``provides``: ``resource.NAME`` or ``user.NAME``."""

    name: str
    provides: str
    source: HttpAttribute | FileAttribute | StaticAttribute
    denies: bool
    """``when_unavailable: deny``: a failure on which the verdict hinges is 403, not 503."""
    where: Where


# --- answers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityHeader:
    """One header to the upstream, from one source of the principal.

    ``source``: subject, email, roles, permissions, scopes, issuer, authenticator, key_id, attributes.NAME,
    metadata.NAME. ``expand`` (permissions only) lists the concrete permissions named in the config.
    """

    name: str
    source: str
    join: str
    expand: bool
    percent_encode: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it."""

    server: ServerSettings
    telemetry: ListenerSettings
    admin: ListenerSettings
    issuers: Mapping[str, IssuerSettings]
    api_keys: Mapping[str, KeyStoreSettings]
    roles: Mapping[str, RoleSettings]
    users: tuple[UserGrant, ...]
    routes: Mapping[str, RouteSettings]
    policies: Mapping[str, PolicySettings]
    attributes: Mapping[str, AttributeSettings]
    """Attribute sources, by name."""
    default_deny: tuple[str, ...]
    unsafe_shadow_allows: bool
    """What is denied anywhere is recorded, and let through."""
    timezone: str
    """IANA name: the zone of ``environment.time``, ``date`` and ``weekday``."""
    identity_headers: tuple[IdentityHeader, ...]
    strip_headers: tuple[str, ...]
    """Lower case; a trailing ``*`` makes it a prefix."""
    dynamic_metadata: tuple[str, ...]
    acknowledge: frozenset[str]
