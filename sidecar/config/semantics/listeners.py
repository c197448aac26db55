"""What listens where, and who can reach it (security rules 24 and 24a)."""

from itertools import combinations

from sidecar.config.convert.place import Place
from sidecar.model.addresses import Listen, parse_listen
from sidecar.model.settings import ServerSettings, Settings


def check_listeners(settings: Settings, place: Place) -> None:
    """Note what is wrong with ``server``, ``telemetry`` and ``admin``."""
    server = settings.server
    listen = _parsed(server.listen)
    _check_reach(server, listen, place)
    _check_peers(server, place)
    if listen.kind == "tcp":
        place.no_effect(("server", "socket_mode"), "server.listen is no Unix socket")
    if server.shutdown_timeout <= server.shutdown_delay:
        place.wrong(("server", "shutdown_timeout"), "must be longer than shutdown_delay, which it bounds", "25s by default")
    if not _parsed(settings.admin.listen).loopback and not settings.admin.unsafe_public:
        place.wrong(
            ("admin", "listen"), "others on the network reach this address", "listen on 127.0.0.1, or say unsafe_public_admin: true"
        )
    if _parsed(settings.admin.listen).loopback and settings.admin.unsafe_public:
        place.no_effect(("admin", "unsafe_public_admin"), "nobody else reaches admin.listen")
    named = (("server", server.listen), ("telemetry", settings.telemetry.listen), ("admin", settings.admin.listen))
    for (first, one), (second, other) in combinations(named, 2):
        if one == other and not one.endswith(":0"):
            place.wrong((second, "listen"), f"{first}.listen is the same address", "give each listener its own port")


def _check_reach(server: ServerSettings, listen: Listen, place: Place) -> None:
    if server.transport == "native" and server.tls is not None:
        place.wrong(("server", "transport"), "the native transport has no TLS", "transport: grpcio, or auto")
    if server.unsafe_plaintext_check_listener and (listen.loopback or server.tls is not None):
        why = "nobody else reaches server.listen" if listen.loopback else "the listener has TLS"
        place.no_effect(("server", "unsafe_plaintext_check_listener"), why)
    if listen.loopback:
        return
    if server.transport == "native":
        # It bounds neither connections nor messages nor decompression: only for peers of the same pod.
        place.wrong(("server", "transport"), "the native transport is for loopback and Unix sockets", "transport: grpcio, or auto")
    if server.tls is None and not server.unsafe_plaintext_check_listener:
        place.wrong(
            ("server", "listen"),
            "others on the network reach this address without TLS",
            "listen on 127.0.0.1 or unix:///run/sidecar/check.sock, or give server.tls, or say unsafe_plaintext_check_listener: true",
        )


def _check_peers(server: ServerSettings, place: Place) -> None:
    if server.allowed_peers and (server.tls is None or server.tls.client_ca_file is None):
        place.wrong(("server", "allowed_peers"), "needs server.tls.client_ca_file: without it peers have no verified name")
    address = server.client_address
    if address.trusted_hops and not address.trusted_peers:
        place.wrong(
            ("server", "client_address"),
            "trusted_hops needs `from`: anyone else could write their own X-Forwarded-For",
            "from: [networks of the proxies in front]",
        )
    if address.trusted_peers and not address.trusted_hops:
        place.wrong(("server", "client_address", "from"), "has no effect with trusted_hops: 0", "set trusted_hops, or remove it")


def _parsed(text: str) -> Listen:
    listen = parse_listen(text)
    assert listen is not None  # the schema has read it already
    return listen
