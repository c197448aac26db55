"""``server``, ``telemetry``, ``admin``."""

from sidecar.config.schema.root import Config
from sidecar.config.schema.server import Server
from sidecar.model.settings import ClientAddressSettings, ListenerSettings, PathSettings, ServerSettings, TlsSettings

from .place import Place


def server_settings(model: Server, place: Place) -> ServerSettings:
    """Convert ``server``."""
    address = model.client_address
    return ServerSettings(
        listen=model.listen,
        socket_mode=model.socket_mode,
        transport=model.transport,
        check_deadline=model.check_deadline,
        max_in_flight=model.max_in_flight,
        shutdown_delay=model.shutdown_delay,
        shutdown_timeout=model.shutdown_timeout,
        tls=_tls(model, place),
        allowed_peers=tuple(model.allowed_peers or ()),
        unsafe_plaintext_check_listener=model.unsafe_plaintext_check_listener,
        unsafe_error=model.fault_response == "unsafe_error",
        client_address=ClientAddressSettings(trusted_hops=address.trusted_hops, trusted_peers=tuple(address.from_ or ())),
        max_check_size=model.max_check_size,
        paths=PathSettings(trailing_slash=model.paths.trailing_slash, case=model.paths.case),
    )


def _tls(model: Server, place: Place) -> TlsSettings | None:
    if model.tls is None:
        return None
    ca_file = model.tls.client_ca_file
    return TlsSettings(
        cert_file=place.absolute(model.tls.cert_file),
        key_file=place.absolute(model.tls.key_file),
        client_ca_file=None if ca_file is None else place.absolute(ca_file),
    )


def listener_settings(model: Config) -> tuple[ListenerSettings, ListenerSettings]:
    """Convert ``telemetry`` and ``admin``."""
    return (
        ListenerSettings(listen=model.telemetry.listen, unsafe_public=False),
        ListenerSettings(listen=model.admin.listen, unsafe_public=model.admin.unsafe_public_admin),
    )
