"""What is valid and still doubtful: warnings of ``sidecar validate`` and of the start-up log."""

from collections.abc import Iterator, Mapping

from sidecar.engine.canonical import ENCODED_SLASH
from sidecar.model.errors import Problem, Where
from sidecar.model.key_entry import KeyEntry
from sidecar.model.settings import DiscoveredKeys, HttpAttribute, IssuerSettings, RouteSettings, Settings, SharedSecretKeys, UrlKeys

from .convert.place import Place
from .guard import open_catch_alls
from .keyfile import KeyFileRead
from .lint_access import lint_access
from .marks import KeyPath, shown
from .semantics.attributes import unlooked_at
from .suggest import did_you_mean

ENVOY_TIMEOUT = 0.2
LONG_LIFETIME = 3600.0
SCOPE_KEYWORDS = frozenset({"scope", "all_scopes", "any_scope"})


def lint(settings: Settings, keys: Mapping[str, KeyFileRead], place: Place) -> None:
    """Note doubts about a valid configuration; ``keys`` is each key store's file."""
    _lint_server(settings, place)
    for issuer in settings.issuers.values():
        _lint_issuer(issuer, ("issuers", issuer.name), place)
    _lint_credentials(settings, place)
    for route in open_catch_alls(settings):
        place.warn(("routes", route.name), "lets anyone in on every path", "give it `require`, or name the paths that are public")
        if ENCODED_SLASH in route.allow:
            doubt = "encoded_slash on every path: where the upstream decodes, /admin%2Fx is the path of a stricter route"
            place.warn(("routes", route.name, "allow"), doubt, "allow it on the paths that need it")
    if settings.unsafe_shadow_allows:
        place.warn(("unsafe_shadow_allows",), "whatever is denied is let through", "try a configuration with serve --shadow-config instead")
    for route in settings.routes.values():
        _lint_route(route, settings, place)
    _lint_subjects(settings, place)
    _lint_unused(settings, keys, place)
    _lint_sources(settings, place)
    lint_access(settings, keys, place)
    _lint_keys(settings, keys, place)
    if settings.acknowledge:
        place.warn(("acknowledge",), "stays in effect for every later change of the same name", "remove it once the change is done")


def _lint_server(settings: Settings, place: Place) -> None:
    server = settings.server
    if server.check_deadline >= ENVOY_TIMEOUT:
        place.warn(
            ("server", "check_deadline"),
            "is not below Envoy's default timeout of 200 ms: Envoy would give up first",
            "raise the timeout in Envoy, or stay at 150ms",
        )
    if server.unsafe_error:
        place.warn(("server", "fault_response"), "unsafe_error: on a fault, Envoy's failure_mode_allow may let requests through unchecked")
    if server.unsafe_plaintext_check_listener:
        place.warn(("server", "unsafe_plaintext_check_listener"), "whoever reaches the listener can ask anything, and read the answers")
    if settings.admin.unsafe_public:
        place.warn(("admin", "unsafe_public_admin"), "whoever reaches the admin listener can read the state of the sidecar")


def _lint_issuer(issuer: IssuerSettings, path: KeyPath, place: Place) -> None:
    if issuer.max_lifetime is None:
        place.warn((*path, "max_lifetime"), "is missing: a token counts as long as it says itself", "max_lifetime: 1h")
    elif issuer.max_lifetime > LONG_LIFETIME:
        place.warn((*path, "max_lifetime"), "is longer than an hour: a stolen token counts that long", "max_lifetime: 1h")
    if isinstance(issuer.keys, SharedSecretKeys):
        place.warn((*path, "keys", "shared_secret"), "everyone who can verify these tokens can also sign them", "use public keys")
    if isinstance(issuer.keys, UrlKeys | DiscoveredKeys) and issuer.keys.unsafe_http:
        place.warn((*path, "keys", "unsafe_http"), "whoever sits on the way can replace the keys", "use https")
    if issuer.unsafe_no_audience:
        place.warn((*path, "unsafe_no_audience"), "tokens that were meant for other services count here", "use audiences")
    if issuer.claims.email_trusted_always:
        place.warn(
            (*path, "claims", "email_trust"), "always: addresses count that the issuer may not have verified", "email_trust: verified"
        )


def _lint_credentials(settings: Settings, place: Place) -> None:
    for section, authenticators in (("issuers", settings.issuers), ("api_keys", settings.api_keys)):
        for name, one in authenticators.items():
            for number, credential in enumerate(one.credentials):
                path = (section, name, "credentials", number)
                if credential.kind == "query":
                    place.warn(path, "credentials in URLs end up in logs and histories", "use a header")
                if credential.kind == "header" and credential.name == "authorization" and credential.scheme is None:
                    place.warn(path, "without a scheme the whole value of authorization counts", "scheme: Bearer")


def _lint_route(route: RouteSettings, settings: Settings, place: Place) -> None:
    path: KeyPath = ("routes", route.name)
    if route.unsafe_shadow_allows:
        place.warn((*path, "unsafe_shadow_allows"), "what the route denies is let through", "try policies with mode: shadow instead")
    if route.require is None:
        return
    if route.authenticate == ("anonymous",):
        place.warn((*path, "require"), "nobody can meet it: the route accepts no credential", "add an issuer to authenticate, or remove it")
    if any(keyword in SCOPE_KEYWORDS for keyword, _ in route.require.parts):
        for name in route.authenticate:
            issuer = settings.issuers.get(name)
            if issuer is not None and issuer.claims.scopes is None:
                hint = f"scopes: scope, under issuers.{name}.claims"
                place.warn((*path, "require"), f"demands a scope, but issuer {name!r} maps none", hint)


def _lint_subjects(settings: Settings, place: Place) -> None:
    """Two authenticators may mean different people by one subject: the upstream has to be able to tell."""
    sources = {header.source for header in settings.identity_headers}
    if "subject" not in sources or sources & {"issuer", "authenticator"}:
        return
    told: set[frozenset[str]] = set()
    for route in settings.routes.values():
        names = [name for name in route.authenticate if name != "anonymous"]
        if len(names) > 1 and frozenset(names) not in told and not _told_apart(settings, names):
            told.add(frozenset(names))
            place.warn(
                ("routes", route.name, "authenticate"),
                f"{' and '.join(repr(name) for name in names)} can produce the same subject, and the upstream cannot tell whose it is",
                "add the header x-user-issuer: issuer, or the same claims.subject_template with {issuer} in each issuer",
            )


def _told_apart(settings: Settings, names: list[str]) -> bool:
    """Only one template for all of them, with the issuer in it: two different ones can still meet."""
    templates = {settings.issuers[name].claims.subject_template if name in settings.issuers else None for name in names}
    template = templates.pop()
    return not templates and template is not None and "{issuer}" in template


def _lint_unused(settings: Settings, keys: Mapping[str, KeyFileRead], place: Place) -> None:
    used = {name for route in settings.routes.values() for name in route.authenticate}
    for section, names in (("issuers", settings.issuers), ("api_keys", settings.api_keys)):
        for name in names:
            if name not in used:
                place.warn((section, name), "no route accepts it", "name it under `authenticate`, or remove it")
    granted = _granted_roles(settings, keys)
    if granted is not None:
        for name in settings.roles:
            if name not in granted:
                place.warn(("roles", name), "nobody can have this role", "give it to someone, or remove it")


def _lint_sources(settings: Settings, place: Place) -> None:
    for source in unlooked_at(settings):
        message = f"no policy looks at {source.provides}: the source gives nothing to anyone"
        place.warn(("attributes", source.name), message, "name it in a policy, or remove it")
    for source in settings.attributes.values():
        if isinstance(source.source, HttpAttribute) and source.source.unsafe_http:
            path = ("attributes", source.name, "http", "unsafe_http")
            place.warn(path, "whoever sits on the way can decide what policies see", "use https")


def _granted_roles(settings: Settings, keys: Mapping[str, KeyFileRead]) -> set[str] | None:
    """Every role that is granted somewhere; None when an issuer may grant any."""
    granted = {name for grant in settings.users for name in grant.roles}
    granted |= {name for role in settings.roles.values() for name in role.inherits}
    granted |= {name for read in keys.values() for entry in read.entries for name in entry.roles}
    for issuer in settings.issuers.values():
        if issuer.claims.roles is not None:
            if issuer.claims.roles.allow is None:
                return None
            granted |= issuer.claims.roles.allow
    return granted


def _lint_keys(settings: Settings, keys: Mapping[str, KeyFileRead], place: Place) -> None:
    for read in keys.values():
        for entry, where in zip(read.entries, read.places, strict=True):
            for kind, names, known in (("role", entry.roles, settings.roles), ("route", entry.routes, settings.routes)):
                place.warnings.extend(_unknown(entry, where, kind, names, known))


def _unknown(entry: KeyEntry, where: Where, kind: str, names: tuple[str, ...], known: Mapping[str, object]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            message = f"key {shown(entry.id)!r} names the {kind} {shown(name)!r}, which is not configured"
            yield Problem(where, message, did_you_mean(name, known))
