"""Settings of a check listener on a free port, to be changed with ``dataclasses.replace``."""

from sidecar.model.settings import ClientAddressSettings, PathSettings, ServerSettings

SETTINGS = ServerSettings(
    listen="127.0.0.1:0",
    socket_mode=0o660,
    transport="auto",
    check_deadline=0.15,
    max_in_flight=1024,
    shutdown_delay=0.0,
    shutdown_timeout=5.0,
    tls=None,
    allowed_peers=(),
    unsafe_plaintext_check_listener=False,
    unsafe_error=False,
    client_address=ClientAddressSettings(trusted_hops=0, trusted_peers=()),
    max_check_size=1 << 20,
    paths=PathSettings(trailing_slash="same", case="sensitive"),
)
