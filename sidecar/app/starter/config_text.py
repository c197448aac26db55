"""The text of a starter ``sidecar.yaml``: one line of comment for each section, with the page that says more."""

import json
from collections.abc import Iterator

from .wishes import RouteWish, Wishes

PAGE = "docs/reference/configuration.md"
ISSUER = "idp"
STORE = "clients"
KEY_FILE = "keys/keys.yaml"
PEPPER_FILE = "keys/pepper"
PEPPER_ID = "1"
READER, WRITER = "reader", "writer"


def config_text(wishes: Wishes) -> str:
    """Write the configuration. Durations and names fit ``envoy_text``."""
    lines = [
        "# Configuration of the ext_authz sidecar, made by `sidecar init`. Check it: sidecar validate sidecar.yaml",
        f"# Every key, its default and its bounds: {PAGE}",
        "version: 1",
        "",
        *_server(wishes),
        *_issuer(wishes),
        *(_api_keys() if wishes.api_keys else ()),
        *_roles(wishes),
        *_routes(wishes),
        *_answers(),
    ]
    return "\n".join(lines) + "\n"


def key_file_text() -> str:
    """An empty key file."""
    return (
        "# API keys of sidecar.yaml: digests only. A key is shown once, when it is made:\n"
        f"#   sidecar keys new --config sidecar.yaml --id billing-1 --owner billing\n# Every field: {PAGE}#the-key-file\n"
        "version: 1\nkeys: []\n"
    )


def _quoted(text: str) -> str:
    """JSON's quoting is YAML's, too."""
    return json.dumps(text, ensure_ascii=False)


def _section(comment: str, anchor: str) -> str:
    return f"# {comment} {PAGE}#{anchor}"


def _server(wishes: Wishes) -> Iterator[str]:
    yield _section("Where Envoy asks, and for how long one decision may take.", "server")
    yield "server:"
    yield f"  listen: {_quoted(wishes.listen)}"
    yield f"  transport: {wishes.transport}"
    yield "  check_deadline: 150ms      # below the timeout of Envoy's filter (0.25s), so that our answer arrives first"
    yield ""
    yield _section("For the kubelet and Prometheus: /livez, /readyz, /metrics.", "telemetry")
    yield 'telemetry: {listen: "0.0.0.0:9193"}'
    yield _section("For operators on this host: /status.", "admin")
    yield 'admin: {listen: "127.0.0.1:9192"}'
    yield ""


def _issuer(wishes: Wishes) -> Iterator[str]:
    yield _section("Who may sign tokens, and what their claims mean: nothing is granted that is not mapped.", "issuers")
    yield "issuers:"
    yield f"  {ISSUER}:"
    yield f"    issuer: {_quoted(wishes.issuer)}      # the exact `iss` of its tokens"
    yield f"    audiences: [{', '.join(map(_quoted, wishes.audiences))}]      # tokens for others do not count"
    yield "    max_lifetime: 1h           # a stolen token counts no longer than this"
    yield "    keys: {discovery: true}    # from its /.well-known/openid-configuration, refreshed in the background"
    if roles := _role_names(wishes):
        yield "    claims:"
        yield f"      roles: {{from: roles, allow: [{', '.join(roles)}]}}      # the claim `roles`, cut to these"
    yield ""


def _api_keys() -> Iterator[str]:
    yield _section("Keys for programs. The file holds digests, which need the pepper to be checked.", "api_keys")
    yield "api_keys:"
    yield f"  {STORE}:"
    yield "    credentials: [{header: x-api-key}]"
    yield f"    store: {{file: {KEY_FILE}}}"
    yield f'    peppers: {{"{PEPPER_ID}": {{file: {PEPPER_FILE}}}}}'
    yield ""


def _permissions(wishes: Wishes, *, reads: bool) -> list[str]:
    wanted = (route.permission for route in wishes.routes if route.permission and not route.public and route.reads is reads)
    return sorted(set(wanted))


def _role_names(wishes: Wishes) -> list[str]:
    return [name for name, reads in ((READER, True), (WRITER, False)) if _permissions(wishes, reads=reads)]


def _roles(wishes: Wishes) -> Iterator[str]:
    names = _role_names(wishes)
    if not names:
        return
    yield _section("What roles stand for.", "roles")
    yield "roles:"
    for name in names:
        granted = ", ".join(map(_quoted, _permissions(wishes, reads=name == READER)))
        inherited = f"inherits: [{READER}], " if name == WRITER and READER in names else ""
        yield f"  {name}: {{{inherited}permissions: [{granted}]}}"
    yield ""


def _routes(wishes: Wishes) -> Iterator[str]:
    yield _section("Which requests there are, and who may make them. All others are denied; the most specific path wins.", "routes")
    yield "routes:"
    for route in wishes.routes:
        yield from _route(route, [ISSUER, *([STORE] if wishes.api_keys else [])])
    yield ""


def _route(route: RouteWish, authenticators: list[str]) -> Iterator[str]:
    yield f"  {route.name}:"
    if route.methods:
        yield f"    methods: [{', '.join(route.methods)}]"
    yield f"    paths: [{_quoted(route.path)}]"
    if route.public:
        yield "    authenticate: [anonymous]"
        return
    yield f"    authenticate: [{', '.join(authenticators)}]"
    demand = f"permission: {_quoted(route.permission)}" if route.permission else "authenticated: true"
    yield f"    require: {{{demand}}}"


def _answers() -> Iterator[str]:
    yield _section(
        "What your service learns of the caller. Always set or removed: a client's own copies never get through.", "identity_headers"
    )
    yield "identity_headers:"
    yield "  x-user-id: subject"
    yield "  x-user-issuer: issuer        # who vouches for that id"
    yield "  x-user-roles: roles"
    yield "  x-user-permissions: permissions"
    yield _section("Other headers that clients must not bring along.", "strip_headers")
    yield "strip_headers: [x-auth-*]"
    yield _section("What Envoy's access log can show of a decision.", "dynamic_metadata")
    yield "dynamic_metadata: [decision_id, route, reason]"
